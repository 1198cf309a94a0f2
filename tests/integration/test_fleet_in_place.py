"""Candidate pods in place on a real API server: to some pods, to more of them, to all, and back; the own strategy."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.support.fleet_world import V1, V2, World
from tests.support.polling import eventually
from tierwise.api.workload_kinds import WorkloadKind
from tierwise.errors import ConflictError
from tierwise.rollout.delivery.converge import is_done

pytestmark = pytest.mark.needs_cluster

OWN: dict[str, dict[str, Any]] = {  # update strategies that keep pods back by themselves
    "StatefulSet": {"rollingUpdate": {"partition": 2}},
    "DaemonSet": {"type": "OnDelete", "rollingUpdate": None},
}


@pytest.fixture(params=[kind for kind in WorkloadKind if kind.facts.in_place])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def places(world: World) -> set[str]:
    """Where the candidate is: names of pods, or of nodes, which stay when a pod is made anew."""
    pods = world.pods_of(V2)
    return {pod["spec"]["nodeName"] if world.kind == "DaemonSet" else pod["metadata"]["name"] for pod in pods}


@pytest.mark.usefixtures("five_pods")
def test_some_pods_get_the_candidate_then_more_and_later_all_do(world: World):
    own = world.workload().update_strategy
    world.deliver_to(1, own)
    first = places(world)
    world.deliver_to(2, own)
    assert world.pod_counts() == {"v1": 3, "v2": 2}
    assert first < places(world)  # the group grows
    seen = eventually(lambda: (view := world.workload()).updating == 2 and len(view.groups) == 2 and view, within=10)
    assert {group.running.image: group.pods.ready for group in seen.groups} == {V1.image: 3, V2.image: 2}
    settled = world.generation()
    world.fleet.apply(world.deployment(), world.deliver(pods=2, update_strategy=own))
    assert world.generation() == settled  # the second time writes nothing
    assert world.pod_counts() == {"v1": 3, "v2": 2}  # and deletes nothing
    world.fleet.apply(world.deployment(), world.deliver(update_strategy=own))
    eventually(lambda: world.pod_counts() == {"v2": 5} and is_done(world.workload()), within=60)
    assert world.workload().update_strategy == own


@pytest.mark.usefixtures("five_pods")
def test_the_old_version_comes_back_to_the_touched_pods_alone(world: World):
    own = world.workload().update_strategy
    world.deliver_to(2, own)
    untouched = {pod["metadata"]["uid"] for pod in world.pods_of(V1)}
    world.fleet.apply(world.deployment(), world.deliver(V1, update_strategy=own))
    eventually(lambda: world.pod_counts() == {"v1": 5} and is_done(world.workload()), within=60)
    assert len(untouched) == 3
    assert untouched <= {pod["metadata"]["uid"] for pod in world.pods_of(V1)}
    assert world.workload().update_strategy == own


@pytest.mark.usefixtures("five_pods")
def test_a_strategy_that_keeps_pods_back_by_itself_is_overridden_and_comes_back(world: World, kind: str):
    world.patch({"updateStrategy": OWN[kind]})
    own = world.workload().update_strategy
    world.fleet.apply(world.deployment(), world.deliver(update_strategy=own))
    eventually(lambda: world.pod_counts() == {"v2": 5} and is_done(world.workload()), within=60)
    assert world.workload().update_strategy != own
    for _ in range(2):
        world.fleet.apply(world.deployment(), world.restore(own))
    assert world.workload().update_strategy == own
    eventually(lambda: is_done(world.workload()), within=10)
    assert world.pod_counts() == {"v2": 5}


def test_a_restoration_of_a_workload_made_anew_is_a_conflict(world: World):
    with pytest.raises(ConflictError):
        world.fleet.apply(world.deployment(), replace(world.restore("{}"), workload_uid="another"))
