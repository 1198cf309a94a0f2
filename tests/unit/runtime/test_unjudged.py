"""A log of which nothing can be judged is told with its cause, and others are let through."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.monitoring.builders import a_dataset, an_analysis
from tierwise.errors import SpecError
from tierwise.runtime.offline.unjudged import require_judged


def counts(*, right=0, without_label=0, invalid=0):
    found = np.zeros((3, 3), dtype=np.int64)
    found[0, 0], found[2, 0], found[1, 2] = right, without_label, invalid
    return found


def check(*per_dataset, metric="accuracy"):
    analyses = [an_analysis(metrics=(metric,), name=f"d{i}") for i, _ in enumerate(per_dataset)]
    require_judged(
        analyses,
        {each.name: a_dataset(each) for each in analyses},
        {each.name: found for each, found in zip(analyses, per_dataset, strict=True)},
    )


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (counts(invalid=5000), r"no row has a valid score, of 5000.*0 … 1"),
        (counts(invalid=5000, right=2), r"2 rows have a valid score"),
        (counts(without_label=5000), r"no row has a valid label, of 5000"),
        (counts(without_label=3000, invalid=2000), r"no row has a valid score and a label: 3000 of 5000"),
    ],
)
def test_a_log_without_rows_that_count_is_told_with_its_cause(found, message):
    with pytest.raises(SpecError, match=message):
        check(found)


def test_one_dataset_that_can_be_judged_is_enough():
    check(counts(invalid=5000), counts(right=5000))


def test_some_rows_that_count_are_enough_and_so_are_metrics_without_labels():
    check(counts(invalid=5000, right=100))
    check(counts(right=3))
    check(counts(without_label=5000), metric="positive-rate")
