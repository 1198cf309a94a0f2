"""Counts by answer derived from counts by bin."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.monitoring.query.test_query import T0
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.monitoring.counts.model import Block, Distributions
from tierwise.monitoring.counts.thresholds import cells_of
from tierwise.monitoring.query.log.binning import binning_of


def _distributions(spec: MonitoringDatasetSpec, scores: np.ndarray, *, single_precision: bool) -> Distributions:
    edges = binning_of(spec, single_precision=single_precision).edges
    stored = edges.astype(scores.dtype)
    bins = np.minimum(np.searchsorted(stored, scores, side="right") - 1, len(edges) - 2)
    counts = np.zeros((1, 2, 3, len(edges)), dtype=np.int64)
    np.add.at(counts, (0, 1, 0, bins), 1)
    counts[0, 0, 2, -1] = 4  # invalid scores of the baseline, unlabelled
    return Distributions(Block(T0, T0), ("",), counts, edges)


@pytest.mark.parametrize("positive", ["AtOrAbove", "Below"])
@pytest.mark.parametrize("threshold", [0.0, 0.5, 0.57, 0.123456, 2.0])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_answers_from_bins_equal_comparing_each_score_with_the_threshold(positive, threshold, dtype):
    spec = MonitoringDatasetSpec(table="t", threshold=threshold, positive=positive)
    edges = (np.arange(101) / 100).astype(dtype)
    scores = np.concatenate([edges, np.nextafter(edges[1:], dtype(0)), np.array([threshold], dtype).clip(0, 1)])
    cells = cells_of(_distributions(spec, scores, single_precision=dtype is np.float32), spec)
    at_or_above = int((scores >= dtype(threshold)).sum())
    positives = at_or_above if positive == "AtOrAbove" else len(scores) - at_or_above
    assert cells.counts[0, 0, 1, 0].tolist() == [len(scores) - positives, positives, 0]
    assert cells.counts[0, 0, 0, 2].tolist() == [0, 0, 4]


def test_a_threshold_at_the_domains_maximum_is_left_to_the_rows():
    spec = MonitoringDatasetSpec(table="t", threshold=1.0)
    assert cells_of(_distributions(spec, np.array([1.0, 0.995]), single_precision=False), spec) is None
