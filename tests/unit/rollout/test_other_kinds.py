"""StatefulSets and DaemonSets whose pods are not tied to a place: a twin stands beside them, as beside a Deployment."""

from typing import Any

import pytest

from tests.unit.rollout.world import NAME, NON_INFERIOR, REGRESSED, World, a_spec
from tierwise.rollout.state.actions import ApplyTwin, Deliver


def of_kind(kind: str) -> World:
    world = World()
    for workload in world.fleet.workloads.values():
        workload.kind = kind
    return world.adopted(**tiers_of(kind))


def tiers_of(kind: str, **workloads: Any) -> dict[str, Any]:
    tiers = a_spec().model_dump(mode="json", by_alias=True, exclude_none=True)["tiers"]
    for tier in tiers:
        tier["workloads"] |= {"kind": kind, **workloads}
    return {"tiers": tiers}


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_a_good_version_is_probed_beside_and_delivered_to_workloads_of_the_kind(kind: str):
    world = of_kind(kind)
    world.judge.answer = NON_INFERIOR
    world.apply("v2", **tiers_of(kind)).run_until(lambda w: w.status.stable.name == "v2")
    assert world.versions == ("v2", "v2", "v2")
    assert world.twins == set()
    probes = [action for action in world.fleet.actions if isinstance(action, ApplyTwin)]
    deliveries = [action for action in world.fleet.actions if isinstance(action, Deliver)]
    assert {action.kind for action in (*probes, *deliveries)} == {kind}
    assert [action.replicas for action in probes] == [1, 2, 3]  # of 4, 8 and 12 pods


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_a_regression_rolls_back_without_a_write_to_the_workload(kind: str):
    world = of_kind(kind)
    world.judge.answer = REGRESSED
    world.apply("v2", **tiers_of(kind)).run_until(lambda w: bool(w.fleet.rollouts) and w.rollout.result == "RolledBack")
    assert world.twins == set()
    assert not any(isinstance(action, Deliver) for action in world.fleet.actions)


def test_a_workload_of_another_kind_with_the_same_labels_is_not_of_the_tier():
    world = of_kind("StatefulSet")
    world.add_workload("web-3", 3, version="v0")
    world.run(5)
    assert world.health == ("Ready", "AtRest")
    assert {
        view.name
        for tier in world.fleet.list_tiers(world.fleet.get_deployment("default", NAME))
        for view in tier.workloads
    } == {"bot-3", "bot-2", "bot-1"}
