"""Two versions on one validation set: false rejections stay within α, whether errors agree or not; harm is found."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from scipy.stats import beta

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.strategy import DatasetAnalysis
from tierwise.monitoring.counts.model import Block, Cells, Dataset
from tierwise.monitoring.verdicts.judgement import Judgement
from tierwise.monitoring.verdicts.validation import judge_validation

SLICES, ROWS, ALPHA, MARGIN, RATE = 20, 10_000, 0.05, 0.04, 0.1
DAY = Block(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC) + timedelta(days=1))
SPEC = MonitoringDatasetSpec.model_validate(
    {"table": "t", "dimensions": [{"name": "browser", "expression": "browser"}]}
)
DATASET = Dataset("validation", SPEC, (("browser",),))
ANALYSIS = DatasetAnalysis.model_validate(
    {"name": "validation", "metrics": [{"name": "accuracy", "margin": {"absolute": MARGIN}}]}
)


def judged(rng: np.random.Generator, rates: np.ndarray, agreement: float) -> Judgement:
    """Both versions answer the same requests, and err together on a share of them. `rates` are the candidate's."""
    shape = (SLICES, ROWS // SLICES)
    together, common = rng.random(shape) < agreement, rng.random(shape)
    counts = np.zeros((1, SLICES + 1, 2, 3, 3), dtype=np.int64)
    for arm, rate in enumerate((np.full(SLICES, RATE), rates)):
        wrong = (np.where(together, common, rng.random(shape)) < rate[:, None]).sum(axis=1)
        counts[0, 1:, arm, 1, 0], counts[0, 1:, arm, 1, 1] = wrong, shape[1] - wrong
    counts[0, 0] = counts[0, 1:].sum(axis=0)
    slices = ("", *(f"browser=b{i:02}" for i in range(SLICES)))
    return judge_validation(ANALYSIS, DATASET, Cells((DAY,), slices, counts), ALPHA)


@pytest.mark.parametrize("agreement", [0.0, 0.8])
def test_a_version_at_its_tolerance_everywhere_is_rejected_at_most_as_often_as_was_said(agreement: float):
    rng = np.random.default_rng(1)
    at_tolerance = np.full(SLICES, RATE + MARGIN / 2)
    runs = 80
    rejected = sum(judged(rng, at_tolerance, agreement).regressed for _ in range(runs))
    assert beta.ppf(0.95, rejected + 1, runs - rejected) <= ALPHA  # Clopper-Pearson, one-sided


def test_a_version_that_is_worse_in_one_slice_of_twenty_is_rejected_and_the_slice_named():
    rates = np.full(SLICES, RATE)
    rates[7] = 0.3
    found = judged(np.random.default_rng(2), rates, 0.8)
    assert found.regressed
    assert [dict(result.slice) for result in found.culprits] == [{"browser": "b07"}]


def test_an_equal_version_passes_on_enough_rows():
    assert judged(np.random.default_rng(3), np.full(SLICES, RATE), 0.8).non_inferior
