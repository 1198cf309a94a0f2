"""Rollback, supersede, delete."""

from tests.unit.rollout.world import NAME, NON_INFERIOR, REGRESSED, World
from tierwise.rollout.state.actions import Annotate, DeleteTwin, Deliver


def second_tier() -> World:
    world = World().adopted()
    world.judge.by_tier["tier-2"] = None
    return world.apply("v2").run_until(lambda w: bool(w.fleet.rollouts) and w.tier(2).phase == "Judging")


def test_the_rejected_version_is_recorded_before_anything_is_undone():
    world = second_tier()
    seen = []

    class Watch:
        def before(self, write: str) -> None:
            if write in ("apply DeleteTwin", "apply Deliver"):
                seen.append([entry.name for entry in world.status.rejected])

        def after(self, write: str) -> None:
            return None

    world.fleet.faults = Watch()
    world.judge.by_tier["tier-2"] = REGRESSED
    world.run_until(lambda w: w.rollout.result == "RolledBack")
    assert seen == [["v2"], ["v2"]]


def test_rollback_touches_twins_and_delivered_workloads_at_once_and_nothing_else():
    world = second_tier()
    world.fleet.actions.clear()
    world.judge.by_tier["tier-2"] = REGRESSED
    before = world.clock.now()
    world.run_until(lambda w: w.versions[0] == "v1" and not w.twins)
    assert (world.clock.now() - before).total_seconds() <= 5
    touched = {
        getattr(a, "workload_name", getattr(a, "twin_name", None))
        for a in world.fleet.actions
        if not isinstance(a, Annotate)
    }
    assert touched == {"bot-2-candidate", "bot-3"}


def test_rollback_needs_no_analysis():
    world = second_tier()
    world.judge.by_tier["tier-2"] = REGRESSED
    world.run(10, until=lambda w: w.rollout.result == "RollingBack")
    looks = world.judge.looks
    world.run_until(lambda w: w.rollout.result == "RolledBack")
    assert world.judge.looks == looks


def test_a_rollback_annotation_works_in_every_phase_and_is_executed_once():
    for phase in ("Probing", "Judging", "Delivering"):
        world = World(ready_seconds=7).adopted()
        world.apply("v2").run_until(lambda w, p=phase: bool(w.fleet.rollouts) and w.tier(3).phase == p)
        world.fleet.annotate(NAME, rollback="looks wrong 1")
        world.run_until(lambda w: w.rollout.result == "RolledBack")
        assert world.rollout.reason == "RollbackRequested"
        assert "looks wrong 1" in world.status.rejected[0].reason
        assert world.status.handled["rollback"] == "looks wrong 1"
        world.apply("v3").run(20)
        assert world.rollout.result == "Progressing"


def test_rollback_with_nothing_in_flight_returns_to_the_previous_stable_version_at_once():
    world = World().adopted()
    world.apply("v2").run_until(lambda w: w.status.stable.name == "v2")
    world.run(5)
    looks = world.judge.looks
    world.fleet.annotate(NAME, rollback="complaints")
    world.run(15)

    assert world.versions == ("v1", "v1", "v1")
    assert world.status.stable.name == "v1"
    assert world.status.previous_stable is None
    assert [entry.name for entry in world.status.rejected] == ["v2"]
    assert world.health == ("Stalled", "VersionRejected")
    assert world.judge.looks == looks
    world.run(600)
    assert len(world.fleet.rollouts) == 2


def test_rollback_with_nothing_to_go_back_to_is_recorded_and_does_nothing():
    world = World().adopted()
    world.fleet.annotate(NAME, rollback="just so")
    world.run(10)
    assert world.status.handled["rollback"] == "just so"
    assert world.fleet.rollouts == {}
    assert world.health == ("Ready", "AtRest")


def test_a_stalled_rollback_says_so_and_ends_when_the_pods_are_back():
    world = second_tier()
    world.fleet.unready.add("v1")
    world.fleet.annotate(NAME, rollback="no")
    world.run(200)
    assert world.health == ("Stalled", "RollingBack")
    found = "after progressDeadline 2m: Deployment bot-3 has 0 of 4 pods ready, 4 of the old ones left"
    assert found in world.condition("Stalled").message
    world.fleet.unready.clear()
    world.run_until(lambda w: w.rollout.result == "RolledBack")
    assert "requested by annotation: no" in world.rollout.message


def test_a_new_version_returns_every_touched_workload_before_it_starts_at_the_first_tier():
    world = second_tier()
    world.judge.by_tier.clear()
    world.apply("v3").run_until(lambda w: len(w.fleet.rollouts) == 2)

    assert world.fleet.rollouts[f"{NAME}-1"].status.result == "Superseded"
    assert world.fleet.rollouts[f"{NAME}-1"].status.superseded_by == "v3"
    assert world.versions == ("v1", "v1", "v1")
    assert world.status.stable.name == "v1"
    assert world.status.rejected == []
    world.run(10, until=lambda w: bool(w.twins))
    assert world.twins == {"bot-3-candidate"}
    assert (world.tier(3).look, world.tier(3).pods_changes) == (0, [])
    assert world.tier(3).frozen.at >= world.fleet.rollouts[f"{NAME}-2"].created_at
    world.run_until(lambda w: w.status.stable.name == "v3")


def test_two_three_two_quickly_ends_at_the_last_spec_with_stable_unchanged_meanwhile():
    world = second_tier()
    world.apply("v3").run(2)
    world.apply("v2").run(1)
    assert world.status.stable.name == "v1"
    world.judge.by_tier.clear()
    world.run_until(lambda w: w.status.stable.name == "v2")
    assert world.versions == ("v2", "v2", "v2")


def test_superseding_does_not_wait_for_ever_for_a_broken_baseline():
    world = second_tier()
    world.fleet.unready.add("v1")
    world.apply("v3").run(200)
    assert world.fleet.rollouts[f"{NAME}-1"].status.result == "Superseded"
    assert len(world.fleet.rollouts) == 2


def test_deleting_removes_twins_leaves_workloads_and_releases_the_object():
    world = second_tier()
    world.judge.answer = world.judge.by_tier["tier-2"] = None
    world.fleet.delete_deployment(NAME)
    assert NAME in world.fleet.deployments
    looks = world.judge.looks
    world.run(10)

    assert NAME not in world.fleet.deployments
    assert world.fleet.rollouts == {}
    assert set(world.fleet.workloads) == {"bot-3", "bot-2", "bot-1"}
    assert world.versions == ("v2", "v1", "v1")
    assert world.judge.looks == looks


def test_a_deleted_rollout_restores_what_it_touched_and_starts_anew():
    world = second_tier()
    world.fleet.rollouts[f"{NAME}-1"].deleting = True
    world.fleet.rollouts[f"{NAME}-1"].version += 1
    world.judge.by_tier.clear()
    world.run_until(lambda w: f"{NAME}-2" in w.fleet.rollouts)
    assert world.versions == ("v1", "v1", "v1")
    world.run(2)
    assert f"{NAME}-1" not in world.fleet.rollouts
    world.run_until(lambda w: w.status.stable.name == "v2")


def test_a_tier_that_the_new_spec_no_longer_has_is_still_restored():
    world = second_tier()
    tiers = [tier.to_wire() for tier in world.fleet.deployments[NAME].spec.tiers[1:]]
    world.apply("v3", tiers=tiers)
    world.judge.by_tier.clear()
    world.run_until(lambda w: len(w.fleet.rollouts) == 2)
    assert world.versions == ("v1", "v1", "v1")


def test_the_annotations_are_set_after_the_status():
    world = second_tier()
    world.judge.by_tier["tier-2"] = REGRESSED
    world.run(5, until=lambda w: bool(w.fleet.deployments[NAME].annotations.get("tierwise.io/rolled-back-from")))
    assert world.status.rejected[0].name == "v2"
    assert any(isinstance(action, Annotate) for action in world.fleet.actions)
    assert any(isinstance(action, DeleteTwin | Deliver) for action in world.fleet.actions)
    annotations = world.fleet.deployments[NAME].annotations
    assert annotations["tierwise.io/rollback-at"].endswith("Z")


def test_after_a_rollback_the_next_version_rolls_out():
    world = second_tier()
    world.judge.by_tier["tier-2"] = REGRESSED
    world.run_until(lambda w: w.rollout.result == "RolledBack")
    world.judge.by_tier.clear()
    world.judge.answer = NON_INFERIOR
    world.apply("v3").run_until(lambda w: w.status.stable.name == "v3")
    assert world.status.previous_stable.name == "v1"
