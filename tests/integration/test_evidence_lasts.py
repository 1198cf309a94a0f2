"""Evidence lasts, with the operator as a process on a real API server and a real ClickHouse engine."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_operator import Stage
from tests.support.cluster import Kubectl
from tests.support.polling import eventually
from tests.support.store import ServedStore, served_store
from tierwise.adapters.clickhouse.schema import PREDICTIONS
from tierwise.adapters.clickhouse.store import open_store
from tierwise.local.cluster import Cluster

pytestmark = pytest.mark.needs_cluster


@pytest.fixture
def served(tmp_path: Path) -> Iterator[ServedStore]:
    """A log without the tables of `tierwise store init`."""
    with served_store(tmp_path / "store") as served:
        store = open_store(served.dsn)
        store.execute(PREDICTIONS)
        store.close()
        yield served


@pytest.fixture
def stage(
    control_plane: Cluster, crds_installed: None, namespace: str, kubectl: Kubectl, served: ServedStore, tmp_path: Path
) -> Iterator[Stage]:
    stage = Stage(control_plane, namespace, kubectl, served.dsn, tmp_path)
    yield stage
    stage.close()


def tierwise(stage: Stage, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tierwise.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def of_cluster(stage: Stage) -> tuple[str, ...]:
    return ("--kubeconfig", str(stage.kubectl.kubeconfig), "-n", stage.namespace)


def stored_condition(stage: Stage) -> dict[str, str]:
    return next((c for c in stage.status().get("conditions", []) if c["type"] == "EvidenceStored"), {})


def test_verdicts_wait_for_the_table_and_outlive_the_object(stage: Stage):
    stage.operator()
    stage.adopt()
    stage.deploy("v2")
    condition = eventually(lambda: stored_condition(stage), within=60, what="it is said that verdicts are not stored")
    assert condition["status"] == "False"
    assert "tierwise store init" in condition["message"]
    explained = tierwise(stage, "explain", "model", *of_cluster(stage))
    assert "tierwise store init" in explained.stdout
    stage.kubectl("annotate", "mdep", "model", "tierwise.io/promote=model-1/all")
    stage.kubectl("wait", "--for=condition=Ready", "mro/model-1", "--timeout=120s", timeout=150)
    events = stage.kubectl.get("events")["items"]
    assert [e for e in events if e["reason"] == "EvidenceNotStored" and e["involvedObject"]["name"] == "model"]

    assert tierwise(stage, "store", "init", "--store", stage.dsn).returncode == 0
    eventually(lambda: not stored_condition(stage), within=90, what="everything is stored, and said")
    evidence = stage.kubectl.get("mro", "model-1")["status"]["evidence"]
    assert "failingSince" not in evidence
    assert {"/Start", "tier-3/Promote", "tier-2/Promote", "tier-1/Promote", "/Completed"} < set(evidence["written"])

    shown = tierwise(stage, "explain", "model-1", *of_cluster(stage), "--store", stage.dsn)
    assert "from ml_verdicts" in shown.stdout, shown.stderr
    stage.kubectl("delete", "mro", "model-1", "--timeout=60s", timeout=90)
    gone = tierwise(stage, "explain", "model-1", *of_cluster(stage), "--store", stage.dsn, "-o", "json")
    assert gone.returncode == 0, gone.stderr
    facts = json.loads(gone.stdout)
    assert facts["source"]["object"] is False
    assert facts["rollout"]["result"] == "Completed"
    (command,) = facts["commands"]
    assert (command["verb"], command["value"], command["by"]) == ("promote", "model-1/all", "kubectl-annotate")
    assert {each["tier"]: each["reason"] for each in facts["decisions"] if each["tier"]} == dict.fromkeys(
        ("tier-3", "tier-2", "tier-1"), "PromoteRequested"
    )
    said = tierwise(stage, "explain", "model-1", *of_cluster(stage), "--store", stage.dsn)
    assert "ModelRollout model-1 does not exist any more; this is what store" in said.stdout
    asked = tierwise(stage, "query", "--rollout", "model-1", "-n", stage.namespace, "--store", stage.dsn, "-o", "json")
    assert json.loads(asked.stdout)["queries"][0]["kind"] == "verdicts"
    without = tierwise(stage, "explain", "model-1", *of_cluster(stage))
    assert without.returncode == 1
    assert "the store with --store" in without.stderr
