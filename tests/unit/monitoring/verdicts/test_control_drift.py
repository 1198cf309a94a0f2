"""An external cause: the control against its own past, in any pieces, and its return."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest

from tests.unit.monitoring.builders import T0, a_plan, an_analysis, before_the_rollout, some_blocks, some_cells
from tierwise.api.frozen import ControlHistory
from tierwise.monitoring.counts.model import Block, Cells
from tierwise.monitoring.verdicts.control_drift import against_past, begin_control, fold_control, past_block, trouble_of

USUAL = {"carrier=HA": (0.05, 0.05), "carrier=UA": (0.02, 0.02)}
WORSE = {"carrier=HA": (0.3, 0.3), "carrier=UA": (0.02, 0.02)}
DAY = ControlHistory(kind="PreviousDay", ends_at=T0, days=7)


def rows(seed, rates, blocks=40):
    return some_cells(np.random.default_rng(seed), rates, blocks=blocks, per_block=300)


def after(one, two):
    """The blocks of `two` after those of `one`."""
    blocks = some_blocks(len(one.blocks) + len(two.blocks))
    return Cells(blocks, one.slices, np.concatenate([one.counts, two.counts]))


def watched(now, past, size=1000):
    plan = a_plan(an_analysis(), before_the_rollout(past))
    state, states = begin_control(plan), []
    cells = against_past(now, past)
    for start in range(0, len(now.blocks), size):
        part = slice(start, start + size)
        state = fold_control(state, {"flights": Cells(cells.blocks[part], cells.slices, cells.counts[part])})
        states.append(state)
    return states


def test_a_control_that_gets_worse_is_named_with_both_rates_and_the_time():
    found = trouble_of(watched(after(rows(1, USUAL), rows(2, WORSE)), after(rows(3, USUAL), rows(4, USUAL)))[-1], DAY)
    assert found.result.slice == {"carrier": "HA"}
    assert found.result.candidate_value > 0.06 > found.result.baseline_value
    assert T0 + timedelta(minutes=40) < found.since <= T0 + timedelta(minutes=45)
    assert found.past == "the same hours of the day before"


@pytest.mark.parametrize(
    ("kind", "days", "is_sure"), [("PreviousDay", 5, True), ("PreviousDay", 4, False), ("JustBefore", 0, False)]
)
def test_a_past_of_fewer_than_five_days_is_not_sure(kind, days, is_sure):
    history = ControlHistory(kind=kind, ends_at=T0, days=days)
    assert trouble_of(watched(rows(1, WORSE), rows(2, USUAL))[-1], history).is_sure == is_sure


def test_what_days_may_differ_by_is_no_trouble():
    plan = a_plan(an_analysis(), before_the_rollout(rows(3, USUAL)))
    cells = {"flights": against_past(rows(1, WORSE), rows(2, USUAL))}
    metrics = {f"flights/{metric.name}" for dataset in plan.datasets for metric in dataset.metrics}
    wide = DAY.model_copy(update={"apart": {name: [3.0] * 4 for name in metrics}})
    assert fold_control(begin_control(plan, DAY), cells).trouble is not None
    assert fold_control(begin_control(plan, wide), cells).trouble is None


def test_a_candidate_that_is_worse_says_nothing_of_the_control():
    now = rows(5, {"carrier=HA": (0.05, 0.5), "carrier=UA": (0.02, 0.02)})
    assert trouble_of(watched(now, rows(6, USUAL))[-1], DAY) is None


def test_it_is_over_when_the_control_is_back_and_may_come_again():
    now = after(after(rows(1, WORSE, 10), rows(2, USUAL)), rows(7, WORSE, 10))
    past = after(rows(3, USUAL), rows(4, USUAL, 20))
    states = watched(now, past, size=1)
    troubled = [state.trouble is not None for state in states]
    assert troubled[9]
    assert not troubled[48]
    assert troubled[-1]


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_the_pieces_in_which_blocks_are_read_change_nothing(size):
    now = after(after(rows(1, WORSE, 10), rows(2, USUAL)), rows(7, WORSE, 10))
    past = after(rows(3, USUAL), rows(4, USUAL, 20))
    one, other = watched(now, past)[-1], watched(now, past, size)[-1]
    assert one.trouble == other.trouble
    assert one.evidence.blocks == other.evidence.blocks
    assert one.evidence.log_regression.tobytes() == other.evidence.log_regression.tobytes()


def test_a_margin_of_zero_can_end_too():
    now = after(rows(1, WORSE, 10), rows(2, {"carrier=HA": (0.04, 0.04), "carrier=UA": (0.02, 0.02)}, 60))
    past = rows(3, USUAL, 70)
    plan = a_plan(an_analysis(margin={"absolute": 0.0}), before_the_rollout(past))
    state = fold_control(begin_control(plan), {"flights": against_past(now, past)})
    assert state.trouble is None


def test_a_slice_that_only_one_of_the_times_has_keeps_its_counts():
    now, past = rows(1, {"carrier=HA": (0.1, 0.1)}, 2), rows(2, {"carrier=DL": (0.1, 0.1)}, 2)
    cells = against_past(now, past)
    assert cells.slices == ("", "carrier=HA", "carrier=DL")
    np.testing.assert_array_equal(cells.counts[:, 1, 1], now.counts[:, 1, 0])
    assert not cells.counts[:, 1, 0].any()
    np.testing.assert_array_equal(cells.counts[:, 2, 0], past.counts[:, 1, 0])


def test_blocks_are_matched_by_the_time_of_day_or_in_order_just_before():
    first = T0 + timedelta(minutes=2)
    block = Block(first + timedelta(minutes=1), first + timedelta(minutes=2))
    assert past_block(DAY, first, block) == Block(block.start - timedelta(days=1), block.end - timedelta(days=1))
    week = ControlHistory(kind="PreviousWeek", ends_at=T0)
    assert past_block(week, first, block).start == block.start - timedelta(days=7)
    before = ControlHistory(kind="JustBefore", starts_at=T0 - timedelta(minutes=2), ends_at=T0)
    assert past_block(before, first, block) == Block(T0 - timedelta(minutes=1), T0)
    later = Block(block.end, block.end + timedelta(minutes=1))
    assert past_block(before, first, later) is None  # the past is used up
