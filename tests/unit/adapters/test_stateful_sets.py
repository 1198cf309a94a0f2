"""What a StatefulSet and its pods say of themselves, and what is done to them."""

from __future__ import annotations

import logging
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.adapters.places import (
    NEW,
    NOW,
    V7,
    V8,
    FakeServer,
    a_delivery,
    a_pod_of,
    a_stateful_set,
    records,
)
from tierwise.adapters.kubernetes.workloads.base import Placement
from tierwise.adapters.kubernetes.workloads.statefulset import STATEFUL_SET
from tierwise.errors import ConflictError, SpecError

CLAIM = {"metadata": {"name": "data"}, "spec": {}}
KIND = "StatefulSet"


def placement(item: dict[str, Any], *pods: dict[str, Any]) -> Placement:
    return STATEFUL_SET.placement(item, "server", records(*pods))


def deliver(server: FakeServer, **changes: Any) -> list[str]:
    STATEFUL_SET.deliver(server, "ns", a_delivery(KIND, **changes))  # type: ignore[arg-type]
    return server.asked


def four(*new: int, **unready: bool) -> list[dict[str, Any]]:
    """w-0 to w-3; those named have the new version."""
    return [a_pod_of(i, "v8" if i in new else "v7", ready=f"w{i}" not in unready) for i in range(4)]


@pytest.mark.parametrize(
    "change",
    [
        {"metadata__generation": 4},
        {"status__updatedReplicas": 3},
        {"status__availableReplicas": 3},
        {"status__replicas": 5},
        {"status": {}},
    ],
)
def test_it_is_ready_only_when_its_controller_is_done(change: dict[str, object]):
    assert STATEFUL_SET.is_ready(a_stateful_set())
    assert not STATEFUL_SET.is_ready(a_stateful_set(**change))


def test_volumes_of_their_own_are_empty_directories_in_a_twin_and_tie_pods_to_their_place():
    item = a_stateful_set(spec__volumeClaimTemplates=[CLAIM], spec__serviceName="w")
    spec = STATEFUL_SET.twin_spec(item)
    assert spec["template"]["spec"]["volumes"] == [{"name": "data", "emptyDir": {}}]
    assert set(spec) == {"selector", "template"}
    assert "volumes" not in item["spec"]["template"]["spec"]
    assert placement(item).identity == "volumeClaimTemplates (data)"
    assert placement(a_stateful_set()).identity is None


def test_without_a_partition_all_pods_get_the_template():
    assert placement(a_stateful_set(), *four()).updating is None


def test_pods_that_have_or_get_the_template_are_counted_and_not_what_the_partition_says():
    assert placement(a_stateful_set(partition=3), *four()).updating == 1  # w-3 gets it
    assert placement(a_stateful_set(partition=3), *four(3)).updating == 1
    assert placement(a_stateful_set(partition=3), *four(1, 2, 3)).updating == 3  # none goes back by itself
    assert placement(a_stateful_set(partition=3), *four(2, 3)[:3]).updating == 2  # w-3 is made anew
    assert placement(a_stateful_set(spec__updateStrategy={"type": "OnDelete"}), *four(1)).updating == 1
    start = a_stateful_set(partition=3, spec__ordinals={"start": 5})
    assert placement(start, *[a_pod_of(i, "v8" if i == 8 else "v7") for i in range(5, 9)]).updating == 1


def test_a_pod_goes_back_only_while_the_old_revision_is_known():
    assert placement(a_stateful_set(partition=3), *four(3)).takes_back
    assert not placement(a_stateful_set(partition=3, status__currentRevision=NEW), *four(3)).takes_back
    assert not placement(a_stateful_set(), *four(3)).takes_back


def test_the_partition_comes_before_the_template():
    item = a_stateful_set("v7")
    assert deliver(FakeServer(item, *four()), pods=1) == [
        "strategy {'type': 'RollingUpdate', 'rollingUpdate': {'partition': 3}}",
        "image bot:v8",
    ]


def test_a_template_waits_for_the_controller_to_know_what_its_pods_run_now():
    item = a_stateful_set("v7", status__currentRevision="long-ago", spec__updateStrategy={"type": "OnDelete"})
    server = FakeServer(item, *four())
    with pytest.raises(ConflictError):
        deliver(server, pods=1)
    assert "image bot:v8" not in server.asked
    for lacking in ("readyReplicas", "updatedReplicas"):  # it follows only when all are there, with the template
        server.item["status"][lacking] = 3
        with pytest.raises(SpecError, match="bring all of its pods up"):
            deliver(server, pods=1)
        server.item["status"][lacking] = 4
    server.item["status"] |= {"readyReplicas": 4, "currentRevision": "w-old"}
    assert deliver(server, pods=1)[-1] == "image bot:v8"


def test_pods_too_many_go_back_one_at_a_time_the_highest_first_while_no_other_is_away():
    item = a_stateful_set(partition=3)
    pods = [a_pod_of(i, "v8" if i else "v7") for i in range(4)]  # w-1 and w-2 are too many
    assert deliver(FakeServer(item, *pods), pods=1) == ["delete w-2"]
    away = [*pods[:3], a_pod_of(3, "v8", ready=False)]
    assert deliver(FakeServer(item, *away), pods=1) == []
    own = [pods[0], a_pod_of(1, "v8", ready=False), *pods[2:]]  # that one itself is away
    assert deliver(FakeServer(item, *own), pods=1) == ["delete w-1"]


def test_no_pod_goes_back_that_would_be_made_new_again():
    pods = [a_pod_of(i, "v8") for i in range(4)]
    for change in ({"status__currentRevision": NEW}, {"metadata__generation": 4}):
        assert deliver(FakeServer(a_stateful_set(partition=3, **change), *pods), pods=1) == []


def test_a_pod_is_there_once_it_has_been_ready_for_min_ready_seconds():
    item = a_stateful_set(partition=3, spec__minReadySeconds=30)
    since = [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-03-01T11:59:50Z"}]
    pods = records(*four(1, 2)[:3], a_pod_of(3, "v8", status__conditions=since))
    assert STATEFUL_SET.taken_back(item, pods, "server", NOW) == []
    [gone] = STATEFUL_SET.taken_back(item, pods, "server", NOW + timedelta(seconds=30))
    assert gone.name == "w-2"


def test_broken_old_pods_are_deleted_one_at_a_time_the_highest_first():
    item = a_stateful_set("v8", partition=3)
    server = FakeServer(item, a_pod_of(0), a_pod_of(1, "v8", ready=False), a_pod_of(2, "v8", ready=False))
    strategy = "strategy {'type': 'RollingUpdate', 'rollingUpdate': {'partition': 0}}"
    assert deliver(server, version=V7) == ["image bot:v7", strategy, "delete w-2"]
    server.pods["w-2"] = a_pod_of(2, "v8", ready=False, metadata__deletionTimestamp="2026-03-01T12:00:00Z")
    assert len(deliver(server, version=V7)) == 3  # it is not gone yet
    del server.pods["w-2"]
    assert deliver(server, version=V7)[-1] == "delete w-1"


def test_a_missing_right_to_delete_does_not_stop_a_rollback(caplog: pytest.LogCaptureFixture):
    server = FakeServer(a_stateful_set("v8", partition=3), *four(3, w3=True), forbids="delete")
    with caplog.at_level(logging.WARNING):
        assert deliver(server, version=V7)[0] == "image bot:v7"
    assert "pods w-3 is forbidden" in caplog.text
    assert placement(server.item, *server.pods.values()).stuck == 1  # the status says so


def test_a_missing_right_to_take_a_pod_back_is_told():
    server = FakeServer(a_stateful_set(partition=3), *four(1, 3), forbids="delete")
    with pytest.raises(SpecError, match="deletion of pod w-1"):
        deliver(server, version=V8, pods=1)
