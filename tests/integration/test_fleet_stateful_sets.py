"""What only StatefulSets do, on a real API server: ordinals, a broken pod that blocks its controller, scaling."""

from __future__ import annotations

import pytest

from tests.support.fleet_world import V1, V2, World
from tests.support.polling import eventually
from tierwise.rollout.delivery.converge import is_done

pytestmark = pytest.mark.needs_cluster


@pytest.fixture
def kind() -> str:
    return "StatefulSet"


def test_an_autoscaler_that_targets_it_is_seen_while_a_twin_is_there(world: World):
    world.fleet.apply(world.deployment(), world.apply_twin(world.rollout()))
    assert not world.workload().autoscaled
    world.kubectl("autoscale", "statefulset", "w", "--min=2", "--max=9", "--cpu=50%")
    assert world.workload().autoscaled


def test_a_change_of_its_pods_wakes_the_model_deployment(world: World):
    world.woken.clear()
    world.kubectl("scale", "statefulset/w", "--replicas=3")
    eventually(lambda: (world.namespace, "model") in world.woken, within=10)
    eventually(lambda: world.workload().pods.ready == 3, within=30)


def test_in_place_the_highest_ordinals_get_the_candidate(world: World):
    world.fleet.apply(world.deployment(), world.deliver(pods=1))
    eventually(lambda: world.pods_by_image() == {"v1": ["w-0"], "v2": ["w-1"]}, within=30)


def test_a_broken_candidate_in_place_is_taken_away_although_its_controller_waits_for_it(world: World):
    world.patch({"template": {"metadata": {"annotations": {"local.tierwise.io/crash-loop": V2.image}}}})
    eventually(lambda: is_done(world.workload()), within=60)
    world.fleet.apply(world.deployment(), world.deliver(pods=1))
    eventually(lambda: sum(group.pods.crash_looping for group in world.workload().groups) == 1, within=30)
    world.fleet.apply(world.deployment(), world.deliver(V1))

    def is_back() -> bool:
        """As the decision asks for it: while pods are stuck, it is delivered again."""
        if world.workload().stuck:
            world.fleet.apply(world.deployment(), world.deliver(V1))
        return is_done(world.workload())

    eventually(is_back, within=60)
    assert world.pods_by_image() == {"v1": ["w-0", "w-1"]}
