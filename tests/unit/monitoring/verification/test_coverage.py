"""What a log lacks beside its past: rows, labels, answers, by tier, slice and time; and what is no lack."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np

from tierwise.monitoring.counts.model import BASELINE, CANDIDATE, Block, Cells
from tierwise.monitoring.verification.coverage import Named, begin_coverage, covered, missing

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
TIERS = ("tier-1", "tier-2")


def cells(rows, labelled, *, arm, shift, key=""):
    """One block an hour; answers are all valid."""
    counts = np.zeros((24, 1, 2, 3, 3), dtype=np.int64)
    counts[:, 0, arm, 1, 1] = labelled
    counts[:, 0, arm, 2, 1] = rows - labelled
    blocks = tuple(Block(START + i * HOUR - shift, START + (i + 1) * HOUR - shift) for i in range(24))
    return Cells(blocks, (key,), counts)


def told(now, before, *, labels=None, usual_labels=None, key="", shift=DAY):
    """What is missing where all is as before, but in tier-2, or in the slice `key`."""
    now, before = np.broadcast_to(now, 24), np.broadcast_to(before, 24)

    def sides(one, other, labels, usual, key=""):
        return (
            cells(one, labels, arm=CANDIDATE, shift=timedelta(0), key=key),
            cells(other, usual, arm=BASELINE, shift=shift, key=key),
        )

    usual = np.full(24, 1000)
    found = begin_coverage(START, START + DAY, HOUR / 4, shift, {"humans": {}})
    for name in (Named("humans"), *(Named("humans", tier) for tier in TIERS)):
        if key or name.tier != "tier-2":
            found = covered(found, name, *sides(usual, usual, usual, usual))
    other = sides(now, before, now if labels is None else labels, before if usual_labels is None else usual_labels, key)
    found = covered(found, Named("humans", "" if key else "tier-2"), *other)
    return [of.text for of in missing(found, TIERS)]


def hours(value, **other):
    """`value` in every hour but in some: h3=0."""
    found = np.full(24, value)
    for hour, rows in other.items():
        found[int(hour[1:])] = rows
    return found


def test_a_log_that_goes_on_lacks_nothing():
    assert told(900, 1000) == []


def test_an_hour_without_rows_of_a_tier_is_told():
    assert told(hours(900, h3=0), 1000) == [
        "tier-2 (dataset 'humans') has 0 rows from 15:00:00Z to 16:00:00Z, 1000 in the same time before"
    ]


def test_a_tier_with_few_rows_is_missed_when_twenty_would_have_come():
    assert told(np.random.default_rng(1).poisson(2, 24), 2) == []
    stops = hours(2)
    stops[12:] = 0
    assert told(stops, 2) == ["tier-2 (dataset 'humans') has 0 rows since 00:00:00Z, 24 in the same time before"]


def test_a_tier_without_any_row_is_told_whatever_was_before():
    assert "tier-2 (dataset 'humans') has 0 rows" in told(0, 0)[0]


def test_a_twentieth_of_the_rows_is_no_quiet_day_but_may_be_a_night():
    assert "tier-2 (dataset 'humans') has 50 rows" in told(hours(900, h3=50), 1000)[0]
    assert told(hours(900, h3=50), 1000, shift=timedelta(hours=5)) == []


def test_an_hour_without_labels_is_told():
    assert told(1000, 1000, labels=hours(950, h23=0), usual_labels=hours(950)) == [
        "tier-2 (dataset 'humans') has a label on 0.0% of 1000 rows since 11:00:00Z, on 95.0% before"
    ]


def test_days_may_differ_by_a_percentage_point_of_labels_and_no_more():
    usual = hours(95_000)
    assert told(100_000, 100_000, labels=usual - 900, usual_labels=usual) == []
    assert told(100_000, 100_000, labels=usual - 2000, usual_labels=usual) == [
        "tier-2 (dataset 'humans') has a label on 93.0% of 2400000 rows, on 95.0% before"
    ]


def test_labels_that_never_were_are_not_missed():
    assert told(1000, 1000, labels=hours(0), usual_labels=hours(0)) == []


def test_a_slice_is_missed_after_three_hours():
    assert told(hours(200, h3=0), 200, key="country=B") == []
    gone = hours(200)
    gone[15:] = 0
    assert told(gone, 200, key="country=B") == [
        "country=B (dataset 'humans') has no row since 03:00:00Z, 1800 in the same time before"
    ]
