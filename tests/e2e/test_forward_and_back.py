"""A worse version comes back by itself and is named by slice; a good one goes 3 → 2 → 1 and becomes stable."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import Kubectl
from tests.support.model import TIERS, model_deployment, monitoring_dataset, workload
from tests.support.operator import running_operator
from tests.support.polling import eventually
from tests.support.store import served_store
from tests.support.traffic import playing
from tierwise.local.cluster import Cluster
from tierwise.simulation.scenarios import EQUAL_TIERS, residential

pytestmark = [pytest.mark.needs_cluster, pytest.mark.timeout(420)]


@pytest.fixture
def served(
    control_plane: Cluster, crds_installed: None, namespace: str, kubectl: Kubectl, tmp_path: Path
) -> Iterator[Kubectl]:
    """A model in three tiers with traffic, a store and an operator; v2 alarms falsely at home: 3 %."""
    source = residential(3000, residential_share=0.2, tier_shares=EQUAL_TIERS)
    kubectl.apply(*(workload(tier) for tier in TIERS), monitoring_dataset("asn_type", "browser"))
    with (
        served_store(tmp_path / "store") as store,
        playing(control_plane.kubeconfig, namespace, store.dsn, source, model="model"),
        running_operator(
            control_plane.kubeconfig, namespace, tmp_path / "operator.log", "--store", store.dsn, "--safety", "300ms"
        ),
    ):
        yield kubectl


def deploy(kubectl: Kubectl, version: str) -> None:
    metric = {"name": "false-positive-rate", "margin": {"absolute": 0.02}}
    kubectl.apply(model_deployment(version, metrics=[metric], slices=["asn_type", "browser"]))


def result(kubectl: Kubectl, rollout: str) -> str:
    items = kubectl.get("modelrollouts")["items"]
    return next((i.get("status", {}).get("result", "") for i in items if i["metadata"]["name"] == rollout), "")


def versions(kubectl: Kubectl) -> dict[str, str]:
    return {
        item["metadata"]["name"]: item["spec"]["template"]["spec"]["containers"][0]["image"].rpartition(":")[2]
        for item in kubectl.get("deployments")["items"]
    }


def ended(kubectl: Kubectl, rollout: str, expected: str, within: float) -> Any:
    eventually(lambda: result(kubectl, rollout) == expected, within=within, every=0.5, what=f"{rollout} is {expected}")
    return kubectl.get("modelrollout", rollout)


def test_a_regression_is_rolled_back_in_the_first_tier_and_a_good_version_goes_all_the_way(served: Kubectl):
    # given: v1 runs everywhere and is adopted as it is
    deploy(served, "v1")
    served("wait", "--for=condition=Ready", "mdep/model", "--timeout=60s", timeout=90)
    assert served.get("mdep", "model")["status"]["stable"]["name"] == "v1"
    assert served.get("modelrollouts")["items"] == []
    generations = {d["metadata"]["name"]: d["metadata"]["generation"] for d in served.get("deployments")["items"]}
    assert set(generations.values()) == {1}  # adoption wrote nothing

    # when: v2, three times as many false alarms for a fifth of the people
    deploy(served, "v2")
    rollout = ended(served, "model-1", "RolledBack", within=150)

    # then: only tier-3 was touched, the slice is named, and no pod of v2 is left
    assert [tier["phase"] for tier in rollout["status"]["tiers"]] == ["RolledBack", "Untouched", "Untouched"]
    assert "asn_type=residential" in rollout["status"]["message"]
    assert set(versions(served).values()) == {"v1"}
    after = {d["metadata"]["name"]: d["metadata"]["generation"] for d in served.get("deployments")["items"]}
    assert after == generations  # the workloads themselves were never written
    deployment = served.get("mdep", "model")
    assert deployment["status"]["stable"]["name"] == "v1"
    assert [rejected["name"] for rejected in deployment["status"]["rejected"]] == ["v2"]
    eventually(
        lambda: (
            served.get("mdep", "model")["metadata"].get("annotations", {}).get("tierwise.io/rolled-back-from") == "v2"
        ),
        within=10,
    )

    # when: v3, as good as v1
    deploy(served, "v3")
    rollout = ended(served, "model-2", "Completed", within=240)

    # then: it went 3 → 2 → 1 and is stable everywhere
    tiers = rollout["status"]["tiers"]
    assert [tier["phase"] for tier in tiers] == ["Delivered"] * 3
    starts = [tier["startedAt"] for tier in tiers]
    assert starts == sorted(starts)
    assert all(tiers[n]["finishedAt"] <= tiers[n + 1]["startedAt"] for n in range(2))
    assert versions(served) == {f"model-{tier}": "v3" for tier in TIERS}
    served("wait", "--for=condition=Ready", "mdep/model", "--timeout=30s", timeout=60)
    assert served.get("mdep", "model")["status"]["stable"]["name"] == "v3"
    assert {d["spec"]["replicas"] for d in served.get("deployments")["items"]} == {2}
