"""The operator as a process on a real API server: adoption, SIGKILL and restart, the Lease, a server that hangs."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster import Kubectl
from tests.support.model import TIERS, model_deployment, monitoring_dataset, workload
from tests.support.operator import OperatorProcess, running_operator
from tests.support.polling import eventually
from tierwise.adapters.clickhouse.store import open_store
from tierwise.local import cluster as local_cluster
from tierwise.local.cluster import Cluster

pytestmark = pytest.mark.needs_cluster

SHORT_LEASE = ("--lease-duration", "6s", "--renew-deadline", "4s", "--lease-retry", "1s")


class Stage:
    """A namespace with a model in three tiers, and operators on demand."""

    def __init__(self, control_plane: Cluster, namespace: str, kubectl: Kubectl, dsn: str, folder: Path) -> None:
        self.control_plane = control_plane
        self.namespace = namespace
        self.kubectl = kubectl
        self.dsn = dsn
        self.folder = folder
        self._operators = ExitStack()

    def operator(self, name: str = "operator", *arguments: str, kubeconfig: Path | None = None) -> OperatorProcess:
        """An operator that is ready; ended with the stage."""
        log, config = self.folder / f"{name}.log", kubeconfig or self.control_plane.kubeconfig
        starts = running_operator(config, self.namespace, log, "--store", self.dsn, *arguments)
        return self._operators.enter_context(starts)

    def standby(self, name: str, *arguments: str) -> OperatorProcess:
        """An operator that waits for the Lease."""
        operator = OperatorProcess(
            self.control_plane.kubeconfig, self.namespace, self.folder / f"{name}.log", "--store", self.dsn, *arguments
        )
        self._operators.callback(operator.stop)
        operator.start()
        eventually(lambda: operator.probe("/readyz")[1].startswith("standing by"), within=60, what="it stands by")
        return operator

    def deploy(self, version: str, **spec: Any) -> None:
        self.kubectl.apply(model_deployment(version, **spec))

    def adopt(self) -> None:
        self.kubectl.apply(*(workload(tier) for tier in TIERS), monitoring_dataset("tier"))
        self.deploy("v1")
        self.kubectl("wait", "--for=condition=Ready", "mdep/model", "--timeout=60s", timeout=90)

    def status(self) -> dict[str, Any]:
        status: dict[str, Any] = self.kubectl.get("mdep", "model").get("status", {})
        return status

    def deployments(self) -> dict[str, Any]:
        return {item["metadata"]["name"]: item for item in self.kubectl.get("deployments")["items"]}

    def tier_status(self, rollout: str = "model-1") -> dict[str, Any]:
        found = [i for i in self.kubectl.get("modelrollouts")["items"] if i["metadata"]["name"] == rollout]
        tiers = found[0].get("status", {}).get("tiers", []) if found else []
        return tiers[0] if tiers else {}

    def kill(self, operator: OperatorProcess) -> None:
        """Kill it and free the Lease: how long a dead leader's Lease keeps others away has tests of its own."""
        operator.kill()
        self.kubectl("delete", "lease", "tierwise-operator")

    def close(self) -> None:
        self._operators.close()


@pytest.fixture
def stage(
    control_plane: Cluster, crds_installed: None, namespace: str, kubectl: Kubectl, store_dsn: str, tmp_path: Path
) -> Iterator[Stage]:
    store = open_store(store_dsn)
    store.init(())
    store.close()
    stage = Stage(control_plane, namespace, kubectl, store_dsn, tmp_path)
    yield stage
    stage.close()


def test_what_runs_is_adopted_without_a_write(stage: Stage):
    operator = stage.operator("operator", "--metrics", "0")
    stage.adopt()
    assert stage.status()["stable"]["name"] == "v1"
    assert {item["metadata"]["generation"] for item in stage.deployments().values()} == {1}
    assert stage.kubectl.get("modelrollouts")["items"] == []
    assert operator.probe("/healthz") == (200, "ok\n")
    listed = stage.kubectl("get", "mdep", "model")
    assert "v1" in listed
    item = stage.kubectl.get("mdep", "model")
    assert not item["metadata"].get("finalizers")  # at rest nothing holds the object
    assert not [key for key in item["metadata"].get("annotations", {}) if "kopf" in key]
    assert operator.stop() == 0


def test_killed_while_it_probes_it_goes_on_where_it_was(stage: Stage):
    operator = stage.operator()
    stage.adopt()
    stage.deploy("v2")
    eventually(lambda: "model-tier-3-candidate" in stage.deployments(), within=60, what="the twin is there")
    stage.kill(operator)
    twin = stage.deployments()["model-tier-3-candidate"]
    started = stage.tier_status()["startedAt"]

    operator.start()
    operator.wait_ready()
    eventually(lambda: stage.tier_status().get("phase") == "Judging", within=60, what="the tier is judged")
    after = stage.deployments()["model-tier-3-candidate"]
    assert after["metadata"]["uid"] == twin["metadata"]["uid"]
    assert after["metadata"]["generation"] == twin["metadata"]["generation"]  # no second pod template
    assert stage.tier_status()["startedAt"] == started  # the soak is neither reset nor shortened
    assert [item["metadata"]["name"] for item in stage.kubectl.get("modelrollouts")["items"]] == ["model-1"]
    gate = eventually(lambda: stage.tier_status().get("gate"), within=30)
    assert gate["decision"] == "Hold"  # nothing is logged: missing data never passes


@pytest.mark.parametrize("moment", [0.0, 0.15, 0.4, 0.8])
def test_killed_at_any_moment_of_a_start_one_rollout_and_one_twin_come_of_it(stage: Stage, moment: float):
    operator = stage.operator()
    stage.adopt()
    stage.deploy("v2")
    with suspended_after(moment):
        stage.kill(operator)
    operator.start()
    operator.wait_ready()
    eventually(lambda: stage.tier_status().get("phase") == "Judging", within=60, what="the tier is judged")
    assert len(stage.kubectl.get("modelrollouts")["items"]) == 1
    assert [name for name in stage.deployments() if name.endswith("-candidate")] == ["model-tier-3-candidate"]


@contextmanager
def suspended_after(seconds: float) -> Iterator[None]:
    """Let so much time pass: the moment of the kill is what this test varies."""
    threading.Event().wait(seconds)
    yield


def test_deleting_the_object_mid_rollout_takes_the_twins_and_leaves_the_workloads(stage: Stage):
    stage.operator()
    stage.adopt()
    stage.deploy("v2")
    eventually(lambda: "model-tier-3-candidate" in stage.deployments(), within=60)
    stage.kubectl("delete", "mdep", "model", "--timeout=60s", timeout=90)
    eventually(lambda: set(stage.deployments()) == {f"model-{tier}" for tier in TIERS}, within=60, every=0.5)
    assert {item["metadata"]["generation"] for item in stage.deployments().values()} == {1}
    eventually(lambda: stage.kubectl.get("modelrollouts")["items"] == [], within=60, every=0.5)


def test_of_two_operators_one_works_and_the_other_takes_over_when_it_is_killed(stage: Stage):
    first = stage.operator("first", *SHORT_LEASE)
    second = stage.standby("second", *SHORT_LEASE)
    stage.adopt()
    eventually(lambda: "Adopted" in first.since_start(), within=30)
    first.kill()
    second.wait_ready(within=60)
    stage.deploy("v2")
    eventually(lambda: "model-tier-3-candidate" in stage.deployments(), within=60)
    eventually(lambda: "CreateRollout" in second.since_start(), within=30)
    lease = stage.kubectl.get("lease", "tierwise-operator")
    assert lease["spec"]["leaseTransitions"] == 1


def test_an_operator_that_ends_hands_the_lease_over_at_once(stage: Stage):
    first = stage.operator("first", "--lease-duration", "60s", "--renew-deadline", "40s", "--lease-retry", "1s")
    second = stage.standby("second", "--lease-duration", "60s", "--renew-deadline", "40s", "--lease-retry", "1s")
    assert first.stop() == 0
    second.wait_ready(within=45)  # less than the Lease's duration


def test_a_leader_that_was_frozen_ends_instead_of_writing(stage: Stage):
    first = stage.operator("first", *SHORT_LEASE)
    stage.adopt()
    second = stage.standby("second", *SHORT_LEASE)
    first.process.send_signal(signal.SIGSTOP)
    try:
        second.wait_ready(within=60)
    finally:
        first.process.send_signal(signal.SIGCONT)
    assert first.process.wait(timeout=30) == 1
    stage.deploy("v2")
    eventually(lambda: "model-tier-3-candidate" in stage.deployments(), within=60)
    assert second.process.poll() is None


def test_an_api_server_that_hangs_for_seconds_costs_only_time(stage: Stage):
    operator = stage.operator("operator", "--lease-duration", "60s", "--renew-deadline", "40s", "--lease-retry", "2s")
    stage.adopt()
    status = local_cluster.status(stage.control_plane.name)
    pid = next(pid for name, pid, _alive in status.processes if name == "kube-apiserver")
    os.kill(pid, signal.SIGSTOP)
    try:
        with suspended_after(8):
            pass
    finally:
        os.kill(pid, signal.SIGCONT)
    stage.deploy("v2")
    eventually(lambda: "model-tier-3-candidate" in stage.deployments(), within=90, every=0.5)
    assert operator.process.poll() is None


# docs/concepts/operator.md, "Rights"; the chart makes the same
RIGHTS: list[dict[str, list[str]]] = [
    {"apiGroups": ["tierwise.io"], "resources": ["modeldeployments"], "verbs": ["get", "list", "watch", "patch"]},
    {
        "apiGroups": ["tierwise.io"],
        "resources": ["modelrollouts"],
        "verbs": ["get", "list", "watch", "create", "patch", "delete"],
    },
    {
        "apiGroups": ["tierwise.io"],
        "resources": ["modeldeployments/status", "modelrollouts/status", "monitoringdatasets/status"],
        "verbs": ["update"],
    },
    {"apiGroups": ["tierwise.io"], "resources": ["monitoringdatasets"], "verbs": ["get", "list", "watch"]},
    {
        "apiGroups": ["apps"],
        "resources": ["deployments"],
        "verbs": ["get", "list", "watch", "create", "update", "patch", "delete"],
    },
    {"apiGroups": ["apps"], "resources": ["statefulsets", "daemonsets"], "verbs": ["get", "list", "watch", "patch"]},
    {"apiGroups": ["apps"], "resources": ["replicasets"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": ["list"]},
    {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list", "watch"]},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["get", "create", "patch"]},
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create", "get", "update"]},
]


def test_the_documented_rights_are_enough_there_and_back(stage: Stage, tmp_path: Path):
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "op"}, "rules": RIGHTS}
    stage.kubectl.apply(role)
    stage.kubectl("create", "serviceaccount", "op")
    stage.kubectl("create", "rolebinding", "op", "--role=op", f"--serviceaccount={stage.namespace}:op")
    account = stage.kubectl.as_service_account("op", tmp_path)
    operator = stage.operator(kubeconfig=account.kubeconfig)
    stage.adopt()
    stage.deploy("v2")
    eventually(lambda: "model-tier-3-candidate" in stage.deployments(), within=60)
    stage.kubectl("annotate", "mdep/model", "tierwise.io/promote=model-1/tier-3")
    eventually(lambda: "model-tier-2-candidate" in stage.deployments(), within=60, what="tier-3 is delivered")
    stage.kubectl("annotate", "mdep/model", "tierwise.io/rollback=enough")

    def is_back() -> bool:
        images = {d["spec"]["template"]["spec"]["containers"][0]["image"] for d in stage.deployments().values()}
        return images == {"example.com/model:v1"} and len(stage.deployments()) == len(TIERS)

    eventually(is_back, within=60, every=0.5, what="v1 is everywhere and no twin is left")
    eventually(lambda: stage.kubectl.get("events", "--field-selector=reason=RolledBack")["items"], within=20)
    assert "orbidden" not in operator.since_start()


def test_it_says_what_is_missing_when_it_cannot_start(stage: Stage, tmp_path: Path):
    def error_of(kubeconfig: Path, *arguments: str) -> str:
        operator = OperatorProcess(kubeconfig, stage.namespace, tmp_path / "failed.log", *arguments)
        operator.start()
        try:
            assert operator.process.wait(timeout=60) == 1
        finally:
            operator.stop()
        return operator.since_start()

    assert "no cluster to talk to" in error_of(tmp_path / "missing.kubeconfig")
    text = stage.control_plane.kubeconfig.read_text()
    away = tmp_path / "away.kubeconfig"
    away.write_text(text.replace(stage.control_plane.server, "https://127.0.0.1:9"))
    assert "does not respond" in error_of(away)
    stage.kubectl("create", "serviceaccount", "nobody")
    nobody = stage.kubectl.as_service_account("nobody", tmp_path)
    refused = error_of(nobody.kubeconfig)
    assert "cannot list resource" in refused
    assert "docs/concepts/operator.md" in refused
    secret = "clickhouse-password"
    said = error_of(stage.control_plane.kubeconfig, "--store", f"nonsense://user:{secret}@host/db")
    assert "Error:" in said
    assert secret not in said
