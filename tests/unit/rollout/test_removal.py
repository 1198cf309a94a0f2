"""The twins' end after delivery: at once, or in steps beside an autoscaled workload."""

from tests.unit.rollout.world import World
from tierwise.rollout.state.actions import DeleteTwin, ScaleTwin


def delivered(*, autoscaled: bool, replicas: int = 40, **world: object) -> World:
    """Tier 3 has its delivery behind it and its twin (a fifth of all pods) still before it."""
    made = World(**world).adopted()
    workload = made.fleet.workloads["bot-3"]
    workload.replicas, workload.autoscaled = replicas, autoscaled
    made.apply("v2").run_until(lambda w: w.versions[0] == "v2")
    made.fleet.actions.clear()
    return made


def removals(world: World) -> list[int]:
    """Pods that the twin of tier 3 was brought to; 0 where it was deleted."""
    return [
        action.replicas if isinstance(action, ScaleTwin) else 0
        for action in world.fleet.actions
        if isinstance(action, ScaleTwin | DeleteTwin) and action.twin_name == "bot-3-candidate"
    ]


def test_the_twin_of_a_workload_that_nothing_scales_goes_at_once():
    world = delivered(autoscaled=False)
    world.run_until(lambda w: w.tier(3).phase == "Delivered")
    assert removals(world) == [0]


def test_the_twin_of_an_autoscaled_workload_goes_in_steps_with_time_between():
    world = delivered(autoscaled=True)
    start = world.clock.now()
    world.run_until(lambda w: w.tier(3).phase == "Delivered")
    assert removals(world) == [5, 2, 1, 0]
    assert (world.clock.now() - start).total_seconds() >= 90
    assert world.fleet.workloads["bot-3"].replicas == 40  # never written


def test_a_step_waits_until_the_pods_that_the_autoscaler_asked_for_are_ready():
    world = delivered(autoscaled=True, ready_seconds=3)
    world.run(5, until=lambda w: removals(w) == [5])
    workload = world.fleet.workloads["bot-3"]
    workload.replicas, workload.blocked = 50, "no node yet"
    world.run(100)
    assert removals(world) == [5]
    workload.blocked = None
    world.run_until(lambda w: w.tier(3).phase == "Delivered")
    assert removals(world) == [5, 2, 1, 0]


def test_the_deadline_of_delivery_does_not_count_the_steps():
    world = delivered(autoscaled=True, replicas=400)  # progressDeadline is 2 minutes, the steps take three
    world.run_until(lambda w: w.tier(3).phase == "Delivered")
    assert removals(world) == [50, 25, 12, 6, 3, 1, 0]
    assert world.rollout.result == "Progressing"


def test_a_rollback_meanwhile_deletes_the_twin_at_once():
    world = delivered(autoscaled=True)
    world.run_until(lambda w: removals(w) == [5])
    world.fleet.annotate("bot-score", rollback="no")
    world.run(2)
    assert removals(world) == [5, 0]
