"""What the list of kinds says of a kind, its adapter does. And how each kind counts its pods."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.adapters.builders import a_deployment, a_pod, server_of
from tierwise.adapters.kubernetes.workloads.base import view_of
from tierwise.adapters.kubernetes.workloads.pods import pod_record
from tierwise.adapters.kubernetes.workloads.registry import WORKLOADS
from tierwise.api.workload_kinds import WorkloadKind

FIELDS: dict[str, dict[str, Any]] = {
    "volumeClaimTemplates": {"spec__volumeClaimTemplates": [{"metadata": {"name": "index"}}]},
    "hostNetwork": {"spec__template__spec__hostNetwork": True},
    "hostPath": {"spec__template__spec__volumes": [{"name": "models", "hostPath": {"path": "/models"}}]},
    "hostPort": {
        "spec__template__spec__containers": [
            {"name": "server", "image": "bot:v7", "ports": [{"containerPort": 80, "hostPort": 8080}]}
        ]
    },
}


def identity(kind: str, **changes: Any) -> str | None:
    return view_of(WORKLOADS[kind], a_deployment(**changes), "server", []).identity


def test_every_kind_of_the_list_has_an_adapter():
    assert {workload.kind for workload in WORKLOADS.values()} == set(WORKLOADS) == set(WorkloadKind)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("kind", WorkloadKind)
def test_pods_are_tied_to_their_place_by_the_fields_that_the_list_names_and_no_others(kind: WorkloadKind, field: str):
    found = identity(kind, **FIELDS[field])
    assert (found is not None and found.startswith(field)) == (field in kind.facts.tied_by)
    assert found is None or field in kind.facts.tied_by


@pytest.mark.parametrize("kind", WorkloadKind)
def test_pods_that_use_nothing_of_their_place_are_not_tied_to_it(kind: WorkloadKind):
    shared = [{"name": "data", "persistentVolumeClaim": {"claimName": "all"}}, {"name": "tmp", "emptyDir": {}}]
    ports = [{"name": "server", "image": "bot:v7", "ports": [{"containerPort": 80}]}]
    assert identity(kind) is None
    assert identity(kind, spec__template__spec__volumes=shared, spec__template__spec__containers=ports) is None


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_a_host_port_of_a_container_that_starts_first_and_stays_ties_the_pod_too(kind: str):
    sidecar = {"name": "mesh", "restartPolicy": "Always", "ports": [{"containerPort": 1, "hostPort": 9000}]}
    assert identity(kind, spec__template__spec__initContainers=[{"name": "fetch"}, sidecar]) == "hostPort"


def test_of_a_stateful_set_the_volume_is_named_first():
    assert identity("StatefulSet", **FIELDS["hostNetwork"], **FIELDS["volumeClaimTemplates"]) == (
        "volumeClaimTemplates (index)"
    )


@pytest.mark.parametrize("kind", WorkloadKind)
def test_an_update_strategy_is_told_where_the_list_says_that_it_is_written(kind: WorkloadKind):
    view = view_of(WORKLOADS[kind], a_deployment(), "server", [])
    assert (view.update_strategy is not None) == kind.facts.is_strategy_written


def a_daemon_set(**status: Any) -> dict[str, Any]:
    counts = dict.fromkeys(("desired", "current", "updated"), 3)
    numbers = {f"{name}NumberScheduled": count for name, count in counts.items()}
    return a_deployment(status={"observedGeneration": 3, "numberAvailable": 3, **numbers, **status})


def test_a_daemon_set_wants_the_pods_that_its_controller_counts():
    view = view_of(WORKLOADS["DaemonSet"], a_daemon_set(), "server", [pod_record(a_pod())])
    assert (view.replicas, view.settled, WORKLOADS["DaemonSet"].available(a_daemon_set())) == (3, True, 3)
    assert view_of(WORKLOADS["DaemonSet"], a_deployment(status={}), "server", []).replicas == 0


@pytest.mark.parametrize(
    "status",
    [
        {"observedGeneration": 2},
        {"updatedNumberScheduled": 2},
        {"numberAvailable": 2},
        {"currentNumberScheduled": 4},
        {"desiredNumberScheduled": 4},
    ],
)
def test_a_daemon_set_whose_controller_is_not_done_is_not_settled(status: dict[str, int]):
    assert not WORKLOADS["DaemonSet"].is_ready(a_daemon_set(**status))


@pytest.mark.parametrize("kind", WorkloadKind)
def test_a_twin_has_the_pods_of_the_workload_and_is_a_deployment(kind: WorkloadKind):
    workload = a_deployment(spec__updateStrategy={"type": "OnDelete"}, spec__serviceName="web")
    twin = WORKLOADS[kind].twin_spec(workload)
    assert twin["template"]["spec"]["containers"][0] == server_of(workload)
    assert not {"updateStrategy", "serviceName"} & set(twin)
