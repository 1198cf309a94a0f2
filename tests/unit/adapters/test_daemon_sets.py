"""What a DaemonSet and its pods say of themselves, and what is done to them."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.adapters.places import NOW, V7, FakeServer, a_daemon_set, a_delivery, a_pod_of, records
from tierwise.adapters.kubernetes.workloads.daemonset import DAEMON_SET
from tierwise.errors import SpecError

KIND = "DaemonSet"
OPEN = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}


def five(*new: int, away: tuple[int, ...] = ()) -> list[dict[str, Any]]:
    return [a_pod_of(i, "v8" if i in new else "v7", ready=i not in away) for i in range(5)]


def swapped(
    item: dict[str, Any], pods: list[dict[str, Any]], wanted: int, own: Any = None, **later: float
) -> list[str]:
    action = a_delivery(KIND, pods=wanted, own=json.dumps(own or OPEN))
    found = DAEMON_SET.swapped(item, records(*pods), action, NOW + timedelta(**later))
    return [pod.name for pod in found]


def deliver(server: FakeServer, **changes: Any) -> list[str]:
    DAEMON_SET.deliver(server, "ns", a_delivery(KIND, **changes))  # type: ignore[arg-type]
    return server.asked


@pytest.mark.parametrize(
    "change",
    [
        {"metadata__generation": 4},
        {"status__updatedNumberScheduled": 4},
        {"status__numberAvailable": 4},
        {"status__currentNumberScheduled": 4},
        {"status": {}},
    ],
)
def test_it_is_ready_only_when_its_controller_is_done(change: dict[str, object]):
    assert DAEMON_SET.is_ready(a_daemon_set())
    assert not DAEMON_SET.is_ready(a_daemon_set(**change))


def test_before_its_controller_has_counted_nodes_it_has_no_pods_and_is_not_ready():
    item = a_daemon_set(status={})
    assert (DAEMON_SET.replicas(item), DAEMON_SET.is_ready(item)) == (0, False)


def test_a_twin_is_a_deployment_of_the_same_pods():
    assert set(DAEMON_SET.twin_spec(a_daemon_set(spec__minReadySeconds=5))) == {
        "selector",
        "template",
        "minReadySeconds",
    }


def test_under_on_delete_every_pod_that_is_not_an_old_one_counts():
    def updating(*pods: dict[str, Any]) -> int | None:
        return DAEMON_SET.placement(a_daemon_set(), "server", records(*pods)).updating

    assert updating(*five()) == 0
    assert updating(*five(1, 2)) == 2
    assert updating(*five()[:3]) == 2  # on two nodes pods are made anew
    assert not DAEMON_SET.placement(a_daemon_set(), "server", []).takes_back
    assert DAEMON_SET.placement(a_daemon_set(spec__updateStrategy=OPEN), "server", []).updating is None


def test_as_many_pods_go_at_a_time_as_the_own_strategy_allows():
    item = a_daemon_set()
    assert len(swapped(item, five(), 4)) == 1
    assert len(swapped(item, five(), 4, {"rollingUpdate": {"maxUnavailable": 3}})) == 3
    assert len(swapped(item, five(), 4, {"rollingUpdate": {"maxUnavailable": "30%"}})) == 2  # rounded up
    assert swapped(item, five(), 4, {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}) == []
    assert len(swapped(item, five(), 4, {"type": "OnDelete"})) == 1


def test_no_pod_goes_while_another_one_is_away_and_none_when_enough_have_the_candidate():
    item = a_daemon_set()
    assert swapped(item, five(away=(0,)), 2) == []
    assert swapped(item, five(1, away=(1,)), 2) == []
    assert swapped(item, five(1, 2), 2) == []
    assert swapped(item, five(1, 2, 3), 2) == []


def test_the_nodes_are_the_same_ones_at_every_look():
    pods = five()
    chosen = swapped(a_daemon_set(), pods, 1)
    assert swapped(a_daemon_set(), pods[::-1], 1) == chosen


def test_a_pod_is_there_once_it_has_been_ready_for_min_ready_seconds():
    item = a_daemon_set(spec__minReadySeconds=30)
    since = [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-03-01T11:59:50Z"}]
    pods = [*five()[:4], a_pod_of(4, "v8", status__conditions=since)]
    assert swapped(item, pods, 2) == []
    assert len(swapped(item, pods, 2, seconds=20)) == 1


def test_pods_are_held_back_before_the_template_changes_and_let_go_after_it():
    server = FakeServer(a_daemon_set("v7", spec__updateStrategy=OPEN), *five())
    held, image, gone = deliver(server, pods=1, own=json.dumps(OPEN))
    assert (held, image, gone.split()[0]) == ("strategy {'type': 'OnDelete'}", "image bot:v8", "delete")
    server.asked.clear()
    assert deliver(server, version=V7, own=json.dumps(OPEN)) == ["image bot:v7", f"strategy {OPEN}"]


def test_a_strategy_of_deletion_by_hand_is_opened_for_a_delivery_to_all():
    server = FakeServer(a_daemon_set("v7"), *five())
    assert deliver(server, own='{"type": "OnDelete"}') == ["image bot:v8", "strategy {'type': 'RollingUpdate'}"]


def test_a_missing_right_to_delete_is_told():
    with pytest.raises(SpecError, match="is forbidden"):
        deliver(FakeServer(a_daemon_set("v7"), *five(), forbids="delete"), pods=1)
