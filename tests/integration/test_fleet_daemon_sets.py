"""What only DaemonSets do, on a real API server: pods are deleted, a few at a time."""

from __future__ import annotations

import pytest

from tests.support.fleet_world import V1, World

pytestmark = pytest.mark.needs_cluster


@pytest.fixture
def kind() -> str:
    return "DaemonSet"


@pytest.mark.usefixtures("five_pods")
def test_no_more_pods_are_away_at_a_time_than_the_own_strategy_allows(world: World):
    own = world.workload().update_strategy
    before = {pod["metadata"]["uid"] for pod in world.pods_of(V1)}
    world.fleet.apply(world.deployment(), world.deliver(pods=4, update_strategy=own))
    live = world.kubectl.get("pods", "-l", "workload=w")["items"]
    staying = {pod["metadata"]["uid"] for pod in live if "deletionTimestamp" not in pod["metadata"]}
    assert len(before - staying) == 1
