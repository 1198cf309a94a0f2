"""The history waits for the store, but not for ever."""

from __future__ import annotations

from tests.unit.rollout.world import NAME, World
from tests.unit.runtime.keeping import NO_TABLE, KeptWorld
from tierwise.rollout.state.actions import DeleteRollout


def with_versions(world: World, *versions: str) -> None:
    for version in versions:
        world.apply(version, historyLimit=1).run_until(lambda w: w.rollout.result == "Completed").settle()


def names(world: World) -> list[str]:
    return sorted(world.fleet.rollouts)


def test_history_waits_for_the_store_and_goes_on_when_it_is_back():
    world = KeptWorld(patience=0.05)
    world.store.error = NO_TABLE
    with_versions(world.adopted(), "v2", "v3", "v4")
    assert names(world) == [f"{NAME}-{n}" for n in (1, 2, 3)]
    world.mended()
    world.run(60)
    assert names(world) == [f"{NAME}-3"]
    assert world.store.of(f"{NAME}-1").rollout.status.result == "Completed"
    assert "EvidenceLost" not in world.event_reasons()


def test_history_does_not_wait_for_ever_and_says_what_is_lost():
    world = KeptWorld(patience=0.05)
    world.store.error = NO_TABLE
    with_versions(world.adopted(), "v2", "v3")
    world.run(8 * 86400)
    assert names(world) == [f"{NAME}-2"]
    (lost,) = [event for event in world.fleet.events if event.reason == "EvidenceLost"]
    assert f"{NAME}-1 is deleted (historyLimit), and ml_verdicts has not got its Start, tier-3/Promote" in lost.message


def test_history_is_pruned_as_before_where_no_verdicts_are_stored():
    world = World()
    with_versions(world.adopted(), "v2", "v3", "v4")
    assert names(world) == [f"{NAME}-3"]
    assert [type(action) for action in world.fleet.actions].count(DeleteRollout) == 2
