"""Rows with scores, sample weights and sums as cells, for the metrics that counts alone do not give."""

from __future__ import annotations

import numpy as np

from tests.unit.monitoring.builders import SPEC, T0, an_analysis, some_blocks
from tierwise.metrics.weighted import WEIGHED
from tierwise.monitoring.counts.model import Cells, Dataset
from tierwise.monitoring.planning.required_reads import reads_of
from tierwise.monitoring.planning.tier_plan import TierTerms, groupings_of, plan_tier

BINS = 50
SPEC_OF_SCORES = SPEC.model_copy(update={"scale": SPEC.scale.model_copy(update={"bins": BINS})})


def a_dataset_of(analysis, spec=SPEC_OF_SCORES):
    return Dataset(analysis.name, spec, groupings_of(analysis, spec), reads=reads_of(analysis, spec))


def scored(seed, blocks=30, rows=300, *, skill=(1.0, 1.0), shift=0.0, start=T0, weighted=False, seconds=60):
    """Two carriers' rows: HA's candidate separates labels with `skill[1]` and scores `shift` higher; UA is untouched.

    With `weighted` half of the rows have weight 3.
    """
    rng = np.random.default_rng(seed)
    keys = ("", "carrier=HA", "carrier=UA")
    bins = np.zeros((blocks, 3, 2, 3, BINS + 1), dtype=np.int64)
    counts = np.zeros((blocks, 3, 2, 3, 3), dtype=np.int64)
    weights = np.zeros((2, blocks, 3, 2, 3, 3))
    bin_weights = np.zeros((2, *bins.shape))
    for b, s, arm in np.ndindex(blocks, 2, 2):
        changed = arm == 1 and s == 0
        label = (rng.random(rows) < 0.4).astype(int)
        logit = rng.normal(size=rows) + (skill[1] if changed else skill[0]) * (2 * label - 1) + shift * changed
        score = 1 / (1 + np.exp(-logit))
        at = np.minimum((score * BINS).astype(int), BINS - 1)
        answer = (score >= 0.5).astype(int)
        w = np.where(rng.random(rows) < 0.5, 3.0, 1.0)
        np.add.at(bins[b, s + 1, arm], (label, at), 1)
        np.add.at(counts[b, s + 1, arm], (label, answer), 1)
        np.add.at(weights[0, b, s + 1, arm], (label, answer), w)
        np.add.at(weights[1, b, s + 1, arm], (label, answer), w * w)
        np.add.at(bin_weights[0, b, s + 1, arm], (label, at), w)
        np.add.at(bin_weights[1, b, s + 1, arm], (label, at), w * w)
    for values, axis in ((bins, 1), (counts, 1), (weights, 2), (bin_weights, 2)):
        whole = np.moveaxis(values, axis, 0)
        whole[0] = whole[1] + whole[2]
    return Cells(
        some_blocks(blocks, start, seconds),
        keys,
        counts,
        bins,
        np.linspace(0, 1, BINS + 1),
        {WEIGHED.name: counts.sum(axis=(3, 4)).astype(float)} if weighted else {},
        weights if weighted else None,
        bin_weights if weighted else None,
    )


def past(cells):
    """The same rows without a candidate."""
    for values in (cells.counts, cells.bins):
        values[:, :, 1] = 0
    if cells.weights is not None:
        cells.weights[:, :, :, 1] = 0
        cells.bin_weights[:, :, :, 1] = 0
        cells.sums[WEIGHED.name][:, :, 1] = 0
    return cells


def a_plan_of(
    analysis, *, history=None, spec=SPEC_OF_SCORES, hours=1, spread=None, weighted=False, expected_share=20.0
):
    dataset = a_dataset_of(analysis, spec)
    known = past(scored(99, weighted=weighted)) if history is None else history
    return plan_tier(
        [analysis],
        {analysis.name: dataset},
        {analysis.name: known},
        TierTerms(alpha=0.045, expected_share=expected_share, candidate_share=0.5, max_duration_seconds=hours * 3600),
        spread={} if spread is None else {analysis.name: spread},
    )


__all__ = ["BINS", "SPEC_OF_SCORES", "T0", "a_dataset_of", "a_plan_of", "an_analysis", "past", "scored"]
