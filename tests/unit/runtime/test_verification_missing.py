"""Delivered tiers whose log stops, or lacks what the version would fail by: told, and never a verified version."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.rollout.world import T0
from tests.unit.runtime.tier_log import TierLog, ended, is_completed, rolling, same
from tierwise.monitoring.counts.model import CANDIDATE

WRONG, RIGHT, INVALID = 0, 1, 2  # answers of rows whose label is positive
LABELLED, UNLABELLED = 1, 2


class Failing(TierLog):
    """From `fails_at` (seconds after T0) on `spoil(tier, country, rows)` changes what the candidate logs.

    `wrong` is the candidate's share of errors from then on; `heals_at` ends it.
    """

    def __init__(self, spoil, wrong=0.1):
        super().__init__(self._rate)
        self.spoil, self.wrong = spoil, wrong
        self.fails_at = self.heals_at = float("inf")

    def _rate(self, at):
        return self.wrong if at.version == "v2" and self._is_failing(at.second) else 0.1

    def _is_failing(self, second):
        return self.fails_at <= second < self.heals_at

    def _draw(self, tier, country, block):
        arm, drawn = super()._draw(tier, country, block)
        if arm == CANDIDATE and self._is_failing((block.start - T0).total_seconds()):
            self.spoil(tier, country, drawn)
        return arm, drawn


def without_labels(tier, country, rows):
    rows[UNLABELLED] += rows[LABELLED]
    rows[LABELLED] = 0


def without_two_tiers_and_a_country(tier, country, rows):
    if tier != "tier-1" or country == "B":
        rows[:] = 0


def wrong_ones_without_an_answer(tier, country, rows):
    rows[LABELLED, INVALID] += rows[LABELLED, WRONG]
    rows[LABELLED, WRONG] = 0


def wrong_ones_without_a_label(tier, country, rows):
    rows[UNLABELLED, WRONG] += rows[LABELLED, WRONG]
    rows[LABELLED, WRONG] = 0


def nothing_of_a_country(tier, country, rows):
    if country == "B":
        rows[:] = 0


def failing(spoil, *, wrong=0.1, after=60, lasts=float("inf")):
    """v2 was delivered, is watched for ten minutes, and its log fails `after` seconds."""
    log = Failing(spoil, wrong)
    world = rolling(log, verification="10m").run_until(is_completed)
    log.fails_at = (world.clock.now() - T0).total_seconds() + after
    log.heals_at = log.fails_at + lasts
    return world


@pytest.mark.parametrize(
    ("spoil", "wrong", "told"),
    [
        (without_labels, 0.5, ["the version (dataset 'humans') has a label on"]),
        (
            without_two_tiers_and_a_country,
            0.1,
            [
                f"{who} (dataset 'humans') has {what} since"
                for who, what in (("tier-2", "0 rows"), ("country=B", "no row"))
            ],
        ),
        (wrong_ones_without_an_answer, 0.4, ["the version (dataset 'humans') has a valid answer on 6"]),
        (wrong_ones_without_a_label, 0.4, ["the version (dataset 'humans') has a label on 6"]),
    ],
)
def test_what_is_missing_after_promotion_is_told_and_never_a_verified_version(spoil, wrong, told):
    world = failing(spoil, wrong=wrong)
    world.run(300)
    found = world.rollout.verification
    assert found.verdict == "Verifying"
    assert "; not verified so far: " in found.message
    assert all(text in found.message for text in told)
    assert ended(world).verdict == "NotVerified"
    assert all(text in world.rollout.verification.message for text in told)
    verified = next(one for one in world.rollout.conditions if one.type == "Verified")
    assert (verified.status, verified.reason) == ("Unknown", "NotVerified")
    assert verified.message == world.rollout.verification.message
    assert world.status.stable.name == "v2"


def test_a_hole_that_has_ended_is_told_with_its_time():
    world = failing(without_two_tiers_and_a_country, after=100, lasts=150)
    found = ended(world)
    assert found.verdict == "NotVerified"
    assert "tier-3 (dataset 'humans') has 0 rows from 12:" in found.message


def test_a_regression_in_the_rows_there_are_still_rolls_back():
    world = failing(nothing_of_a_country, wrong=0.3)
    world.run_until(lambda w: w.status.stable.name == "v1", 1200)
    assert world.rollout.reason == "RegressedAfterPromotion"


def test_a_good_version_with_all_its_rows_is_verified():
    world = failing(lambda *_: None)
    found = ended(world)
    assert found.verdict == "NoRegression"
    assert "so far" not in found.message


def test_rows_without_a_time_are_asked_for_at_the_end():
    world = failing(lambda *_: None)
    world.log.read_untimed = lambda *_: (0, 5000)
    found = ended(world)
    assert found.verdict == "NotVerified"
    assert "5000 rows have no time" in found.message


def test_a_past_that_is_used_up_verifies_no_more_than_it_reaches():
    log = TierLog(same, past=timedelta(minutes=6))
    world = rolling(log, verification="10m").run_until(is_completed)
    found = ended(world)
    assert found.verdict == "NotVerified"
    assert "the past is used up" in found.message
