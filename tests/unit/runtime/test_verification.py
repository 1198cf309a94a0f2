"""Delivered tiers on a log in memory: strata, the tiers' own past, what is a place's and what the version's."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from tests.unit.rollout.world import NAME, T0
from tests.unit.runtime.tier_log import (
    BothLabels,
    TierLog,
    ended,
    is_completed,
    metrics,
    rolling,
    same,
    worse,
)
from tierwise.api.frozen import FrozenDataset
from tierwise.api.modelrollout import PodsChange


def test_a_version_as_good_as_its_past_is_watched_to_the_end():
    world = rolling(TierLog(same)).run_until(is_completed)
    found = ended(world)
    assert (found.verdict, found.control) == ("NoRegression", "history")
    assert "the same hours of 7 days, 1 to 7 days before" in found.message
    assert found.looks > 50
    assert found.worst[0].control == "history"


def test_a_day_worse_than_usual_is_no_regression_where_days_differ_by_as_much():
    """Each day's odds are off by a factor of its own; today's by the largest of a week."""
    factors = (1.0, 1.1, 0.9, 0.85, 1.15, 1.2, 0.8, 1.0, 1.1)

    def rate(at):
        days_before = int(-at.second // 86_400) + 1 if at.second < 0 else 0
        odds = 0.11 * (1.25 if days_before == 0 else factors[days_before % 9])
        return odds / (1 + odds)

    world = rolling(TierLog(rate)).run_until(is_completed)
    assert ended(world).verdict == "NoRegression"
    assert world.rollout.verification.worst[0].log10_e < 1


@pytest.mark.parametrize(("days", "told"), [(2, "of 2 days"), (4, "of 4 days")])
def test_worse_than_fewer_than_five_days_is_told_and_not_rolled_back(days, told):
    log = TierLog(same, past=timedelta(days=days, hours=3))
    world = rolling(log).run_until(is_completed)
    log.rate = worse
    found = ended(world)
    assert found.verdict == "NotVerified"
    assert f"the same hours {told}" in found.message
    assert "accuracy on all traffic" in found.message
    assert (world.status.stable.name, len(world.fleet.rollouts)) == ("v2", 1)


def test_what_gets_worse_only_under_full_load_is_rolled_back_after_the_rollout():
    log = TierLog(same)
    world = rolling(log).run_until(is_completed)
    log.rate = worse
    world.run_until(lambda w: w.status.stable.name == "v1", 3000)
    assert world.rollout.reason == "RegressedAfterPromotion"
    assert "accuracy on all traffic 89.7 % → 84 %" in world.rollout.message
    assert world.versions == ("v1", "v1", "v1")


def test_a_delivered_tier_that_gets_worse_rolls_back_while_the_next_one_is_judged():
    world = rolling(TierLog(worse), wait="tier-2")
    world.run_until(lambda w: bool(w.fleet.rollouts) and w.rollout.result == "RolledBack", 2000)
    assert world.rollout.reason == "RegressedAfterPromotion"
    assert [tier.phase for tier in world.rollout.tiers] == ["RolledBack", "RolledBack", "Untouched"]


def test_a_change_of_the_world_is_taken_off_by_the_tiers_to_come():
    """All tiers get worse alike, tier-3 from a rate twice as high: neither the place nor the time is the version's."""

    def rate(at):
        odds = (0.25 if at.tier == "tier-3" else 0.11) * (1.6 if at.second > 120 else 1.0)
        return odds / (1 + odds)

    world = rolling(TierLog(rate), wait="tier-2")
    world.run(550)
    found = world.rollout.verification
    assert (found.stage, found.verdict) == ("BesideOtherTiers", "Verifying")
    assert found.looks > 20
    assert found.worst[0].log10_e < 2


@pytest.mark.parametrize(("factor", "expected"), [(1.0, "Verifying"), (1.5, "Regressed")])
def test_another_mix_of_a_confounder_is_no_regression_and_one_within_its_values_is(factor, expected):
    """tier-3 has mostly country B, which errs four times as often with either version."""

    def mixed(at):
        return 30 if (at.tier == "tier-3") == (at.country == "B") else 5

    def rate(at):
        return (0.2 if at.country == "B" else 0.05) * (factor if at.version == "v2" else 1.0)

    log = TierLog(rate, per_second=mixed, past=timedelta(hours=5))
    world = rolling(log, wait="tier-2", confounders=["country"])
    world.run(500)
    found = world.rollout.verification
    assert (found.control, found.verdict) == ("stratified", expected)
    assert found.worst[0].control == "stratified"
    assert "within the confounders' values" in found.message


def test_without_a_past_nothing_is_concluded_and_nothing_is_held():
    world = rolling(TierLog(same, past=timedelta(0))).run_until(is_completed)
    world.run(60)
    assert world.health[0] == "Ready"
    assert "nothing can be compared (NoRows): the log has no past of v1" in world.rollout.verification.message
    assert ended(world).verdict == "NotVerified"


def test_a_restart_resumes_from_the_status_with_the_same_numbers():
    steady, restarted = (rolling(TierLog(same)).run_until(is_completed) for _ in range(2))
    for _ in range(6):
        steady.run(400)
        restarted.judge.restart()
        restarted.run(400)
        restarted.judge.restart()
        restarted.settle()
        assert restarted.rollout == steady.rollout


def test_a_look_at_rest_reads_only_what_is_new():
    world = rolling(TierLog(same)).run_until(is_completed)
    world.run(600)
    world.log.reads = 0
    world.run(600)
    # blocks of 80 s: now and its past of all tiers and of each; nothing is read while no block is mature
    assert world.log.reads <= 2 * (1 + 3) * 8


def test_a_confounder_that_a_dataset_lacks_is_told():
    world = rolling(TierLog(same), confounders=["browser"], wait="tier-2")
    world.run(120)
    assert "no dimension 'browser'" in world.rollout.verification.message


def test_an_estimate_that_falls_after_the_rollout_is_rolled_back():
    log = BothLabels(same)
    world = rolling(log, **metrics("mcc", absolute=0.02)).run_until(is_completed)
    log.rate = worse
    world.run_until(lambda w: w.status.stable.name == "v1", 3000)
    assert world.rollout.reason == "RegressedAfterPromotion"
    assert "mcc on all traffic 0." in world.rollout.message
    record = world.fleet.rollouts[f"{NAME}-1"].status.verification
    assert record.watched == ["humans/mcc"]
    assert record.worst[0].candidate_bad is None


def test_the_message_lists_what_is_not_watched_and_the_status_says_why():
    world = rolling(TierLog(same), **metrics("accuracy", "score-shift", absolute=0.02)).run_until(is_completed)
    world.run(900)
    record = world.rollout.verification
    assert record.watched == ["humans/accuracy"]
    assert "not watched: humans/score-shift" in record.message
    assert record.not_watched[0].startswith("humans/score-shift: scores move with the traffic")


def with_spread(world, sigma, pods):
    """Every tier's judgement had learned that pods differ; `pods` of the baseline were seen beside its twin."""
    known = {"sigma_pod": {"accuracy": sigma}, "pod_degrees": {"accuracy": 10_000}}
    learned = FrozenDataset(name="humans", config_hash="", **known)
    changes = [PodsChange(at=T0, candidate=1, baseline=pods)]
    for name, rollout in world.fleet.rollouts.items():
        tiers = [
            tier.model_copy(
                update={"frozen": tier.frozen.model_copy(update={"datasets": [learned]}), "pods_changes": changes}
            )
            for tier in rollout.status.tiers
        ]
        world.fleet.rollouts[name] = replace(rollout, status=rollout.status.model_copy(update={"tiers": tiers}))
    return world


@pytest.mark.parametrize(("logged", "seen", "expected"), [(40, 40, "v1"), (3, 40, "v2"), (40, 3, "v2")])
def test_what_few_pods_may_make_of_a_rate_is_not_the_versions(logged, seen, expected):
    """10 % of errors become 13.5 %; with σ .2 three pods a side may make 4.4 points of it, forty 1.2."""
    log = TierLog(same)
    log.pods = logged
    world = with_spread(rolling(log).run_until(is_completed), 0.2, seen)
    log.rate = lambda at: 0.135 if at.version == "v2" else 0.1
    world.run_until(lambda w: w.status.stable.name == "v1" or w.rollout.verification.verdict != "Verifying", 8000)
    assert world.status.stable.name == expected
