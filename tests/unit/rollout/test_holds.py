"""Holds with their reason, the soak, the longest time, and going on by itself."""

import pytest

from tests.unit.rollout.world import INCONCLUSIVE, NAME, NON_INFERIOR, REGRESSED, World
from tierwise.api.reasons import Reason
from tierwise.monitoring.checks.concern import Concern

HOLDS = [
    Reason.STORE_UNREACHABLE,
    Reason.STORE_ACCESS_DENIED,
    Reason.UNKNOWN_TABLE,
    Reason.QUERY_OVER_LIMITS,
    Reason.QUERY_FAILED,
    Reason.NO_ROWS,
    Reason.NO_LABELS,
    Reason.STALE_LOG,
    Reason.BASELINE_MISSING,
    Reason.CANDIDATE_MISSING,
]


def judging(answer=None, **changes) -> World:
    world = World().adopted(**changes)
    world.judge.answer = None
    world.apply("v2", **changes).run_until(lambda w: bool(w.fleet.rollouts) and w.tier(3).phase == "Judging")
    world.judge.answer = answer
    return world


@pytest.mark.parametrize("reason", HOLDS)
def test_what_cannot_be_read_holds_never_promotes_and_goes_on_by_itself(reason: Reason):
    world = judging(Concern(reason, "cannot be judged"))
    world.run(120)
    assert world.health == ("Reconciling", reason)
    assert world.condition("AnalysisHealthy").status == "False"
    assert world.condition("AnalysisHealthy").reason == reason
    assert world.versions == ("v1", "v1", "v1")

    world.run(600)
    assert world.health == ("Stalled", reason)
    assert "held longer than maxDuration 10m" in world.condition("Stalled").message

    world.judge.answer = NON_INFERIOR
    world.run_until(lambda w: w.status.stable.name == "v2")


def test_a_stall_that_a_person_ends_stalls_at_once_and_goes_on_by_itself():
    world = judging(Concern(Reason.UNKNOWN_COLUMN, "column 'is_bot' is not in requests", stalled=True))
    world.run(10)
    assert world.health == ("Stalled", "UnknownColumn")
    world.judge.answer = NON_INFERIOR
    world.run_until(lambda w: w.status.stable.name == "v2")


def test_while_nothing_can_be_planned_no_candidate_pod_exists():
    world = World().adopted()
    world.judge.answer = Concern(Reason.STORE_UNREACHABLE, "no answer")
    world.apply("v2").run(60)
    assert world.health == ("Reconciling", "StoreUnreachable")
    assert world.twins == set()
    world.judge.answer = NON_INFERIOR
    world.run_until(lambda w: w.status.stable.name == "v2")


def test_no_tier_is_promoted_before_its_soak_is_over_whatever_the_evidence():
    world = judging(NON_INFERIOR)
    since = world.tier(3).judging_since
    world.run(20)
    assert world.condition("Reconciling").reason == "Soaking"
    world.run_until(lambda w: w.tier(3).phase != "Judging")
    assert (world.tier(3).delivering_since - since).total_seconds() >= 30


def test_inconclusive_at_max_duration_waits_for_a_person_and_keeps_judging():
    world = judging(INCONCLUSIVE)
    world.run(100)
    assert world.health == ("Reconciling", "Inconclusive")
    world.run(700)
    assert world.health == ("Stalled", "MaxDuration")
    looks = world.judge.looks
    world.run(60)
    assert world.judge.looks > looks
    world.judge.answer = REGRESSED
    world.run(30)
    assert world.rollout.result == "RolledBack"


@pytest.mark.parametrize(("choice", "result"), [("Promote", "Completed"), ("RollBack", "RolledBack")])
def test_on_inconclusive_decides_at_max_duration(choice: str, result: str):
    from tests.unit.rollout.world import a_spec

    analysis = {**a_spec().analysis.to_wire(), "onInconclusive": choice}
    world = judging(INCONCLUSIVE, analysis=analysis)
    world.run(500)
    assert world.rollout.result == "Progressing"
    world.run(2200)
    assert world.rollout.result == result


def test_a_paused_rollout_never_promotes_still_rolls_back_and_stalls_in_the_end():
    world = judging(NON_INFERIOR)
    world.apply("v2", paused=True).run(300)
    assert world.health == ("Reconciling", "Paused")
    assert world.condition("Paused").status == "True"
    assert world.status.summary.status == "Paused"
    world.run(600)
    assert world.health == ("Stalled", "Paused")

    world.judge.answer = REGRESSED
    world.run(30)
    assert world.rollout.result == "RolledBack"


def test_unpausing_goes_on():
    world = judging(NON_INFERIOR)
    world.apply("v2", paused=True).run(120)
    world.apply("v2").run_until(lambda w: w.status.stable.name == "v2")


def test_without_automatic_rollback_a_regression_is_observed_and_a_person_decides():
    world = judging(REGRESSED, rollback={"automatic": False})
    world.run(60)
    assert world.health == ("Reconciling", "RegressionObserved")
    world.fleet.annotate(NAME, promote=f"{NAME}-1/tier-3")
    world.run_until(lambda w: w.versions == ("v2", "v1", "v1"))
    world.run(60)
    assert world.condition("Reconciling").reason == "RegressionObserved"
    world.fleet.annotate(NAME, rollback="the chart says so")
    world.run_until(lambda w: w.rollout.result == "RolledBack")
    assert world.versions == ("v1", "v1", "v1")


def test_a_changed_strategy_restarts_a_stalled_rollout_and_leaves_a_moving_one_alone():
    world = judging(INCONCLUSIVE)
    tiers = [{**tier.to_wire(), "maxDuration": "1h"} for tier in world.fleet.deployments[NAME].spec.tiers]
    world.apply("v2", tiers=tiers).run(60)
    assert len(world.fleet.rollouts) == 1
    assert world.tier(3).phase == "Judging"

    world.run(900)
    assert world.fleet.rollouts[f"{NAME}-1"].status.result == "Superseded"
    assert world.rollout.result == "Progressing"
    assert world.fleet.rollouts[f"{NAME}-2"].spec.strategy.tiers[0].max_duration == "1h"


def test_a_tick_that_finds_nothing_new_writes_nothing():
    world = judging(INCONCLUSIVE)
    world.run(60)
    writes = world.fleet.writes
    world.run(300)
    assert world.fleet.writes == writes


def test_evidence_is_in_the_status():
    world = judging(INCONCLUSIVE)
    world.run(60)
    tier = world.tier(3)
    assert (tier.look, tier.labels) == (3, 5000)
    assert tier.coverage.slices == 1
    assert tier.coverage.inconclusive == 1
    assert tier.worst[0].slice == {"carrier": "HA"}
    assert world.status.summary.worst_slice == "accuracy carrier=HA"
    assert world.status.summary.tier == "tier-3"
    assert world.status.summary.until is not None


def quota(world: World, *, is_so: bool) -> None:
    world.fleet.workloads["bot-3-candidate"].blocked = "exceeded quota" if is_so else None


def broken_control(world: World, *, is_so: bool) -> None:
    (world.fleet.broken.add if is_so else world.fleet.broken.discard)("v1")


def observed_regression(world: World, *, is_so: bool) -> None:
    world.judge.answer = REGRESSED if is_so else NON_INFERIOR


def nothing_mature(world: World, *, is_so: bool) -> None:
    world.judge.answer = None if is_so else NON_INFERIOR


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (quota, Reason.PROBE_UNAVAILABLE),
        (broken_control, Reason.BASELINE_UNREADY),
        (observed_regression, Reason.REGRESSION_OBSERVED),
        (nothing_mature, Reason.WARMING_UP),
    ],
)
def test_a_hold_for_any_reason_that_outlasts_max_duration_stalls_and_goes_on_when_its_cause_is_gone(cause, reason):
    world = judging(NON_INFERIOR, rollback={"automatic": False})
    cause(world, is_so=True)
    world.run(300)
    assert world.health == ("Reconciling", reason)
    world.run(400)
    assert world.health == ("Stalled", reason)
    assert "held longer than maxDuration 10m" in world.condition("Stalled").message
    assert world.versions == ("v1", "v1", "v1")
    cause(world, is_so=False)
    world.run_until(lambda w: w.status.stable.name == "v2")
