"""Rows in blocks without the other version: told, and no pass where an arm's lack the labels of its other rows."""

import numpy as np
import pytest

from tests.unit.monitoring.builders import a_plan, an_analysis, halves, message_of, some_cells
from tierwise.api.reasons import Reason
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE, Cells
from tierwise.monitoring.evidence.fold import begin, fold
from tierwise.monitoring.verdicts.judge import judge

EARLY, BLOCKS = 3, 30


def judged(arm: int, *, labelled: float, labelled_early: float):
    """Of the first blocks only one arm has rows, and of these another share is labelled."""
    cells = some_cells(np.random.default_rng(3), {"": (0.1, 0.1)}, blocks=BLOCKS, labelled=(labelled, labelled))
    early = some_cells(np.random.default_rng(4), {"": (0.1, 0.1)}, blocks=EARLY, labelled=(labelled_early,) * 2)
    counts = cells.counts.copy()
    counts[:EARLY] = early.counts
    counts[:EARLY, :, 1 - arm] = 0
    plan = a_plan(an_analysis(slices=()))
    return judge(fold(begin(plan), {"flights": Cells(cells.blocks, cells.slices, counts)}, halves(cells) * np.nan))


@pytest.mark.parametrize(("arm", "name"), [(BASELINE, "baseline"), (CANDIDATE, "candidate")])
def test_rows_alone_without_the_labels_of_the_others_are_told(arm, name):
    found = judged(arm, labelled=0.9, labelled_early=0.0).concerns
    messages = [concern.message for concern in found if concern.reason is Reason.LABELING_DIFFERS]
    expected = f"rows of the {name} in blocks without the other version have no label (100.0%, "
    assert any(expected in message for message in messages)


@pytest.mark.parametrize(("labelled", "labelled_early"), [(0.9, 0.9), (0.6, 1.0), (0.9, 0.85)])
def test_a_baseline_that_was_served_before_and_labelled_alike_is_no_reason_to_hold(labelled, labelled_early):
    found = judged(BASELINE, labelled=labelled, labelled_early=labelled_early)
    assert message_of(found, Reason.LABELING_DIFFERS) is None
    assert not any("in blocks without the baseline" in note for note in found.notes)


def test_a_candidate_with_rows_of_its_own_times_is_noted():
    found = judged(CANDIDATE, labelled=0.9, labelled_early=0.9)
    assert any("rows are in blocks without the baseline, 0 of the baseline's" in note for note in found.notes)
