"""Counts by answer from counts by bin: a look then needs one query for both. Pure."""

from __future__ import annotations

import numpy as np

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.monitoring.cells import ANSWER_INVALID, ANSWER_NEGATIVE, ANSWER_POSITIVE, Cells, Distributions


def cells_of(distributions: Distributions, spec: MonitoringDatasetSpec) -> Cells | None:
    """The same Cells as a query of its own would give for this block, to the last count.

    The threshold is an edge of the bins by construction. None where it is the domain's maximum: a score on it is
    positive and shares its bin with lower ones, so only the rows can tell.
    """
    edges, threshold = distributions.edges, spec.threshold
    if threshold == edges[-1]:
        return None
    # An edge of its own is there exactly; one of the scale may differ in float64 and be the same Float32.
    same = np.flatnonzero(edges == threshold)
    if not len(same):
        same = np.flatnonzero(edges.astype(np.float32) == np.float32(threshold))
    # A threshold beyond the domain leaves every valid score on one side.
    first = int(same[0]) if len(same) else min(int(np.searchsorted(edges, threshold)), len(edges) - 1)
    counts = distributions.counts
    above, below = counts[..., first:-1].sum(axis=-1), counts[..., :first].sum(axis=-1)
    out = np.zeros((*counts.shape[:-1], 3), dtype=np.int64)
    positive, negative = (above, below) if spec.positive == "AtOrAbove" else (below, above)
    out[..., ANSWER_POSITIVE], out[..., ANSWER_NEGATIVE] = positive, negative
    out[..., ANSWER_INVALID] = counts[..., -1]
    return Cells((distributions.block,), distributions.slices, out[np.newaxis])
