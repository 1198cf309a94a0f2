"""Recovery after a rollback: verified only on workloads and log, beside everything else."""

from datetime import timedelta

import pytest

from tests.unit.rollout.world import NAME, REGRESSED, World
from tierwise.api.reasons import Reason
from tierwise.monitoring.checks.concern import Concern
from tierwise.rollout.state.observation import RecoveryLog, Running

UNREADABLE = Concern(Reason.STORE_UNREACHABLE, "the store does not respond")


def rolled_back(verify: str = "5m", **changes: object) -> World:
    """v2 was delivered to tier 3 and rolled back in tier 2; v1 runs everywhere again."""
    world = World().adopted(rollback={"verifyRecovery": verify}, **changes)
    world.judge.by_tier["tier-2"] = REGRESSED
    world.apply("v2", rollback={"verifyRecovery": verify}, **changes)
    return world.run_until(lambda w: bool(w.fleet.rollouts) and w.rollout.result == "RolledBack")


def recovered(world: World) -> tuple[str, str]:
    """The condition of the ModelRollout: status and reason."""
    found = next(c for c in world.rollout.conditions if c.type == "Recovered")
    return found.status, found.reason


def test_recovery_is_verified_when_workloads_and_log_stayed_at_the_baseline_for_all_of_it():
    world = rolled_back()
    since = world.rollout.recovery.since
    world.run(290)
    assert world.rollout.recovery.verified_at is None
    assert recovered(world) == ("Unknown", "VerifyingRecovery")
    world.run(30)
    assert world.rollout.recovery.verified_at >= since + timedelta(minutes=5)
    assert recovered(world) == ("True", "RecoveryVerified")
    assert "2 workloads stayed at v1 for 5m, 100 predictions of v1, none of v2" in world.rollout.recovery.message
    assert world.event_reasons().count("RecoveryVerified") == 2  # once per object


def test_the_rollback_is_over_for_people_while_recovery_is_checked_and_the_message_says_how_far_it_is():
    world = rolled_back()
    world.run(10)
    assert world.rollout.result == "RolledBack"
    assert world.status.rollout is None
    assert world.health == ("Stalled", "VersionRejected")
    assert world.status.summary.status == "RolledBack"
    assert "recovery checked until" in world.condition("Stalled").message
    world.run(320)
    assert "recovery verified" in world.condition("Stalled").message
    assert world.condition("Recovered").status == "True"


def test_after_the_check_nothing_is_written_any_more():
    world = rolled_back()
    world.run(400)
    writes = world.fleet.writes
    world.run(400)
    assert world.fleet.writes == writes


def test_predictions_of_the_rejected_version_after_the_rollback_fail_it():
    world = rolled_back()
    world.judge.recovered = RecoveryLog(world.clock.now(), candidate_rows=12, baseline_rows=900)
    world.run(30)
    assert recovered(world) == ("False", "RecoveryFailed")
    assert "12 predictions of v2 since the rollback" in world.rollout.recovery.message
    assert world.event_reasons().count("RecoveryFailed") == 2
    world.judge.recovered = None
    world.run(600)
    assert world.rollout.recovery.verified_at is None


def test_a_baseline_that_is_silent_fails_it():
    world = rolled_back()
    world.judge.recovered = RecoveryLog(world.rollout.recovery.since + timedelta(minutes=5), 0, 0)
    world.run(320)
    assert "no predictions of v1 since the rollback" in world.rollout.recovery.message
    assert recovered(world)[0] == "False"


@pytest.mark.parametrize("seconds", [400, 4000])
def test_a_store_that_cannot_be_reached_leaves_it_open_and_says_so_however_long(seconds: int):
    world = rolled_back()
    world.judge.recovered = UNREADABLE
    world.run(seconds)
    assert recovered(world) == ("Unknown", "VerifyingRecovery")
    assert "cannot be read (StoreUnreachable): the store does not respond" in world.rollout.recovery.message
    world.judge.recovered = None
    world.run(30)
    assert recovered(world)[0] == "True"


def test_a_log_that_ended_before_the_period_did_leaves_it_open():
    world = rolled_back()
    world.judge.recovered = RecoveryLog(world.clock.now() + timedelta(minutes=4), 0, 500)
    world.run(600)
    assert recovered(world)[0] == "Unknown"
    assert "the log must be complete until" in world.rollout.recovery.message


def test_a_workload_that_leaves_the_baseline_fails_it_naming_the_writer():
    world = rolled_back()
    workload = world.fleet.workloads["bot-3"]
    environment = {**workload.running.environment, "MODEL_VERSION": "v0"}
    workload.set_running(Running(workload.running.image, environment), world.clock.now(), "argocd")
    world.run(20)
    assert recovered(world)[0] == "False"
    assert "bot-3 no longer runs v1" in world.rollout.recovery.message
    assert "argocd" in world.rollout.recovery.message


def test_pods_that_are_down_are_waited_for_until_the_deadline():
    world = rolled_back()
    world.fleet.workloads["bot-3"].blocked = "no node"
    world.run(330)
    assert "bot-3 has 0 of 4 pods ready" in world.rollout.recovery.message
    assert recovered(world)[0] == "Unknown"
    again = world.copy()
    again.fleet.workloads["bot-3"].blocked = None
    again.run(30)
    assert recovered(again)[0] == "True"
    world.run(120)
    assert recovered(world)[0] == "False"


def test_a_new_version_starts_at_once_and_ends_the_check_without_a_verdict():
    world = rolled_back()
    world.run(20)
    world.judge.by_tier.clear()
    before = world.clock.now()
    world.apply("v3", rollback={"verifyRecovery": "5m"})
    world.settle()
    assert (world.clock.now(), len(world.fleet.rollouts)) == (before, 2)
    old = world.fleet.rollouts[f"{NAME}-1"].status.recovery
    assert (old.superseded_by, old.verified_at, old.failed_at) == ("v3", None, None)
    world.run_until(lambda w: w.status.stable.name == "v3")
    assert world.fleet.rollouts[f"{NAME}-1"].status.recovery == old


def test_a_spec_that_goes_back_to_stable_is_ready_while_recovery_is_still_checked():
    world = rolled_back()
    world.apply("v1", rollback={"verifyRecovery": "5m"}).run(5)
    assert world.health == ("Ready", "AtRest")
    world.run(330)
    assert recovered(world)[0] == "True"


def test_the_return_to_the_previous_stable_version_is_checked_too():
    world = World().adopted().apply("v2").run_until(lambda w: w.status.stable.name == "v2")
    world.fleet.annotate(NAME, rollback="complaints")
    world.run(700)
    assert world.rollout.recovery.verified_at is not None
    assert "3 workloads stayed at v1" in world.rollout.recovery.message


def test_without_a_period_nothing_is_checked_and_after_superseding_neither():
    assert rolled_back("0s").rollout.recovery is None
    world = World().adopted()
    world.judge.answer = None
    world.apply("v2").run(20)
    world.apply("v1").run(30)
    assert (world.rollout.result, world.rollout.recovery) == ("Superseded", None)


def test_history_keeps_a_rollout_whose_recovery_is_open():
    world = rolled_back(historyLimit=0)
    world.run(200)
    assert list(world.fleet.rollouts) == [f"{NAME}-1"]
    world.run(200)
    assert world.fleet.rollouts == {}
    assert world.event_reasons().count("RecoveryVerified") == 2
