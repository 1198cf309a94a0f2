"""Delivered tiers and their past at the same times: more traffic, or one more tier delivered to, is no regression."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.rollout.world import T0
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

HOT = (2000, 4000)  # seconds of the day


def is_hot(at):
    return HOT[0] <= at.second % 86_400 < HOT[1]


def six_times_as_much_today(at):
    """Within the hot window only."""
    return (60 if at.second >= 0 else 10) if is_hot(at) else 20


def by_hour(at):
    return 0.25 if is_hot(at) else 0.05


ESTIMATED = [
    (TierLog, {}),
    (BothLabels, metrics("mcc", absolute=0.02)),
]


@pytest.mark.parametrize(("kind", "rules"), ESTIMATED)
def test_more_traffic_at_a_bad_hour_is_no_regression(kind, rules):
    world = rolling(kind(by_hour, per_second=six_times_as_much_today), **rules).run_until(is_completed)
    world.run(HOT[1])
    found = world.rollout.verification
    assert found.looks > 45
    assert found.verdict == "Verifying"
    assert found.worst[0].log10_e < 1
    assert world.status.stable.name == "v2"


@pytest.mark.parametrize(("kind", "rules"), ESTIMATED)
def test_a_regression_is_found_all_the_same(kind, rules):
    log = kind(by_hour, per_second=six_times_as_much_today)
    world = rolling(log, **rules).run_until(is_completed)
    log.rate = lambda at: by_hour(at) * (1.6 if at.version == "v2" else 1.0)
    world.run_until(lambda w: w.status.stable.name == "v1", 4500)
    assert world.rollout.reason == "RegressedAfterPromotion"


def before_the_last(rate_after):
    """Tiers of 10, 100 and 10 rows/s of which two are delivered; `rate_after(at)` holds a minute later."""
    changed = {"at": float("inf")}

    def rate(at):
        odds = 0.11 * (rate_after(at) if at.second > changed["at"] else 1.0)
        return odds / (1 + odds)

    log = TierLog(rate, per_second=lambda at: 100 if at.tier == "tier-2" else 10)
    world = rolling(log, wait="tier-2")
    world.judge.by_tier["tier-1"] = None
    world.run(400)
    del world.judge.by_tier["tier-2"]
    changed["at"] = (world.clock.now() - T0).total_seconds() + 60
    return world


def test_a_change_everywhere_just_after_a_large_tier_was_delivered_is_no_regression():
    world = before_the_last(lambda _: 1.6)
    world.run(600)
    assert world.rollout.result == "Progressing"
    found = world.rollout.verification
    assert found.looks > 80
    assert all(row.log10_e < 1 for row in found.worst)


def test_a_change_of_the_version_alone_is_found_after_a_large_tier_was_delivered():
    world = before_the_last(lambda at: 2.0 if at.version == "v2" else 1.0)
    world.run_until(lambda w: w.rollout.result == "RolledBack", 600)
    assert world.rollout.reason == "RegressedAfterPromotion"


def test_worse_than_the_time_just_before_the_rollout_is_told_and_not_rolled_back():
    """Five hours of past: at noon the rate of everyone rises."""
    world = rolling(TierLog(lambda at: 0.16 if at.second > 1500 else 0.1, past=timedelta(hours=5)))
    world.run_until(is_completed)
    found = ended(world)
    assert found.verdict == "NotVerified"
    assert "accuracy on all traffic" in found.message
    assert "just before the rollout" in found.message
    assert "nothing is rolled back" in found.message
    world.run(600)
    assert world.status.stable.name == "v2"
    assert len(world.fleet.rollouts) == 1


def test_beside_other_tiers_a_past_at_other_hours_rolls_nothing_back_either():
    world = rolling(TierLog(worse, past=timedelta(hours=5)), wait="tier-2")
    assert ended(world, 2000).verdict == "NotVerified"
    assert world.rollout.result == "Progressing"


@pytest.mark.parametrize("rows_per_second", [0.001, 0.2])
def test_a_day_with_a_few_rows_in_a_quarter_does_not_count(rows_per_second):
    """Half an hour of the day before has so many rows; the quarters beside it have all."""

    def with_a_hole(at):
        return rows_per_second if -84_600 <= at.second < -82_800 else 20

    world = rolling(TierLog(same, per_second=with_a_hole)).run_until(is_completed)
    world.run(300)
    assert world.rollout.verification.past_days == [2, 3, 4, 5, 6, 7, 8]
