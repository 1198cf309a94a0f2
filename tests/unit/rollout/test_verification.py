"""After promotion: delivered tiers are watched, nothing waits for it, and it can still roll everything back."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.rollout.world import NAME, REGRESSED, World, a_result, a_spec
from tierwise.api.names import Verdict
from tierwise.api.reasons import Reason
from tierwise.monitoring.checks.concern import Concern
from tierwise.rollout.state.observation import VerificationLook

UNREADABLE = Concern(Reason.STORE_UNREACHABLE, "the store does not respond")


def rules(verification="10m", *, automatic=True):
    analysis = {**a_spec().analysis.to_wire(), "verification": verification}
    return {"analysis": analysis, "rollback": {"automatic": automatic, "verifyRecovery": "0s"}}


WEEK = (1, 2, 3, 4, 5, 6, 7)


def a_look(*, days=WEEK, **changes):
    """A look at a complete log that found nothing."""

    def look(request):
        record = request.rollout.status.verification
        if record is None:
            return None
        if record.shift_seconds is None:
            return VerificationLook("history", shift_seconds=86_400.0, past_days=days)
        done = min(request.now, record.until or request.now)
        known = {"looks": 3, "until": done, "complete_until": done, "has_compared": True, **changes}
        return VerificationLook("history", shift_seconds=record.shift_seconds, past_days=days, **known)

    return look


FOUND = {"regressed": True, "results": (a_result(Verdict.REGRESSED, control="history"),)}
WORSE = a_look(**FOUND)


def delivered(look, **changes) -> World:
    """v2 was delivered to all tiers."""
    world = World().adopted(**rules(**changes))
    world.judge.verified = look
    world.apply("v2", **rules(**changes))
    return world.run_until(lambda w: bool(w.fleet.rollouts) and w.rollout.result == "Completed")


def record(world):
    return world.fleet.rollouts[f"{NAME}-1"].status.verification


def test_a_rollout_is_completed_and_ready_while_its_version_is_still_watched():
    world = delivered(a_look())
    world.run(5)
    assert world.rollout.result == "Completed"
    assert world.status.stable.name == "v2"
    assert world.health == ("Ready", "AtRest")
    assert (record(world).stage, record(world).verdict) == ("AfterRollout", "Verifying")
    assert world.condition("Verified").status == "Unknown"


def test_without_a_regression_it_ends_after_its_time_and_then_nothing_is_written():
    world = delivered(a_look())
    world.run(650)
    assert record(world).verdict == "NoRegression"
    assert (
        "no regression found in 10m00s after promotion, compared with the same hours of 7 days, 1 to 7 days before"
        in (record(world).message)
    )
    assert world.condition("Verified").status == "True"
    assert world.event_reasons().count("Verified") == 2  # once per object
    writes = world.fleet.writes
    world.run(600)
    assert world.fleet.writes == writes


def test_a_regression_after_the_rollout_returns_everything_to_the_previous_version():
    world = delivered(a_look())
    world.run(60)
    world.judge.verified = WORSE
    world.run(120)
    assert record(world).verdict == "Regressed"
    assert world.versions == ("v1", "v1", "v1")
    assert (world.rollout.result, world.rollout.reason) == ("RolledBack", "RegressedAfterPromotion")
    assert "v2 got worse after promotion: accuracy on carrier=HA" in world.rollout.message
    assert "compared with the same hours of 7 days, 1 to 7 days before" in world.rollout.message
    assert world.status.stable.name == "v1"
    assert [entry.name for entry in world.status.rejected] == ["v2"]
    assert world.health == ("Stalled", "VersionRejected")


@pytest.mark.parametrize(("days", "told"), [((2,), "2 days before"), ((1, 2, 3, 5), "of 4 days, 1 to 5 days before")])
def test_worse_than_a_few_days_is_told_and_not_rolled_back(days, told):
    world = delivered(a_look(days=days))
    world.run(60)
    world.judge.verified = a_look(days=days, **FOUND)
    world.run(120)
    assert record(world).verdict == "NotVerified"
    assert f"compared with the same hours {told}, and how much days differ by themselves" in record(world).message
    assert "nothing is rolled back" in record(world).message
    assert world.versions == ("v2", "v2", "v2")
    assert world.condition("Verified").status == "Unknown"


def test_a_regression_beside_the_tiers_to_come_rolls_the_rollout_back_in_flight():
    world = World().adopted(**rules())
    world.judge.by_tier["tier-2"] = None
    world.judge.verified = a_look()
    world.apply("v2", **rules())
    world.run_until(lambda w: bool(w.fleet.rollouts) and w.tier(2).phase == "Judging")
    assert record(world).stage == "BesideOtherTiers"
    assert "less the change in the tiers to come" in record(world).message
    world.judge.verified = WORSE
    world.run(60)
    assert (world.rollout.result, world.rollout.reason) == ("RolledBack", "RegressedAfterPromotion")
    assert world.versions == ("v1", "v1", "v1")
    assert world.twins == set()


def test_a_rollout_that_goes_back_for_another_reason_is_not_watched_any_more():
    world = World().adopted(**rules())
    world.judge.by_tier["tier-2"] = REGRESSED
    world.judge.verified = a_look()
    world.apply("v2", **rules())
    world.run_until(lambda w: bool(w.fleet.rollouts) and w.rollout.result == "RolledBack")
    assert world.rollout.reason == "Regressed"
    assert (record(world).verdict, record(world).finished_at) == ("Superseded", world.rollout.rolling_back_since)


def test_observe_only_records_it_tells_people_and_keeps_the_version():
    world = delivered(WORSE, automatic=False)
    world.run(300)
    assert world.rollout.result == "Completed"
    assert world.versions == ("v2", "v2", "v2")
    assert record(world).verdict == "Regressed"
    assert world.health == ("Ready", "AtRest")
    assert "got worse after promotion" in world.condition("Ready").message
    assert "RegressedAfterPromotion" in world.event_reasons()


def test_the_shares_of_alpha_add_up_to_the_rate_of_false_rollbacks():
    world = World().adopted(**rules())
    world.judge.verified = a_look()
    world.apply("v2", **rules())
    world.run_until(lambda w: bool(w.fleet.rollouts) and record(w) is not None)
    beside = record(world).alpha
    world.run_until(lambda w: w.rollout.result == "Completed")
    tiers = 3 * 0.9 * 0.05 / 3
    assert tiers + beside + record(world).alpha == pytest.approx(0.05)


def test_a_new_version_ends_it_and_starts_at_once():
    world = delivered(a_look())
    world.run(20)
    before = world.clock.now()
    world.apply("v3", **rules())
    world.settle()
    assert (world.clock.now(), len(world.fleet.rollouts)) == (before, 2)
    assert (record(world).verdict, record(world).finished_at) == ("Superseded", before)
    assert "the rollout of v3 begins" in record(world).message


def test_a_person_may_roll_back_while_it_is_watched():
    world = delivered(a_look())
    world.run(20)
    world.fleet.annotate(NAME, rollback="complaints")
    world.run(60)
    assert record(world).verdict == "Superseded"
    assert world.rollout.reason == "RollbackRequested"
    assert world.versions == ("v1", "v1", "v1")


@pytest.mark.parametrize("look", [UNREADABLE, a_look(complete_until=None, looks=0), a_look(has_compared=False)])
def test_missing_data_never_becomes_a_verified_version_and_holds_nothing(look):
    world = delivered(look)
    assert world.health == ("Ready", "AtRest")
    world.run(1300)
    assert record(world).verdict in ("NotVerified", "Verifying")
    assert world.versions == ("v2", "v2", "v2")
    assert world.condition("Verified").status == "Unknown"


def test_a_log_that_ends_early_is_waited_for_and_then_told():
    world = delivered(a_look())
    since = record(world).since
    world.judge.verified = a_look(complete_until=since + timedelta(minutes=4))
    world.run(660)
    assert record(world).verdict == "Verifying"
    world.run(700)
    assert record(world).verdict == "NotVerified"
    assert "the log is not complete" in record(world).message


def test_it_is_off_without_a_time_and_where_nothing_is_compared():
    world = delivered(a_look(), verification="0s")
    assert record(world) is None
    captured = World()
    captured.fleet.workloads.clear()
    for tier in (3, 2, 1):
        captured.add_workload(f"bot-{tier}", tier, version="v0")
    captured.judge.verified = WORSE
    captured.apply("v1", **rules()).run_until(lambda w: bool(w.fleet.rollouts) and w.rollout.result == "Completed")
    assert captured.rollout.verification is None


def test_history_keeps_a_rollout_whose_version_is_watched():
    world = World().adopted(**rules(), historyLimit=0)
    world.judge.verified = a_look()
    world.apply("v2", **rules(), historyLimit=0).run_until(lambda w: w.status.stable.name == "v2")
    world.run(200)
    assert list(world.fleet.rollouts) == [f"{NAME}-1"]
    world.run(500)
    assert world.fleet.rollouts == {}


def test_a_version_that_was_rolled_back_and_is_retried_is_watched_anew():
    world = delivered(a_look())
    world.judge.verified = WORSE
    world.run(120)
    world.judge.verified = a_look()
    world.fleet.annotate(NAME, retry="again")
    world.run_until(lambda w: w.status.stable.name == "v2")
    world.run(30)
    assert world.rollout.verification.verdict == "Verifying"
    assert world.versions == ("v2", "v2", "v2")
