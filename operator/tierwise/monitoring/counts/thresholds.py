"""Computes counts by answer from counts by bin, so that a look needs one query for both. Pure."""

from __future__ import annotations

import numpy as np

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.arrays import FloatArray, IntArray
from tierwise.metrics.counts import ANSWER_INVALID, ANSWER_NEGATIVE, ANSWER_POSITIVE, POSITIVE, UNKNOWN
from tierwise.monitoring.counts.model import Cells, Distributions, Reads

_NOTHING = Reads()


def cells_of(distributions: Distributions, spec: MonitoringDatasetSpec, reads: Reads = _NOTHING) -> Cells | None:
    """The Cells of this block, exactly as a separate query would give them.

    The threshold is an edge of the bins by construction. The result is None if the threshold is the domain's maximum: a
    score on it is positive but shares its bin with lower scores, so the rows are needed.
    """
    counts = (
        confusion_answers(distributions.counts)
        if spec.scale.kind == "Classes"
        else answers_at(distributions.counts, distributions.edges, spec.threshold, spec.positive)
    )
    if counts is None:
        return None
    read = distributions.map_arrays(lambda values, first: np.expand_dims(values, first))  # one block
    changes: dict[str, object] = {
        "counts": counts[np.newaxis],
        "bins": read.counts if reads.bins else None,
        "edges": read.edges if reads.bins and len(read.edges) else None,
        "sums": {one.name: read.sums[one.name] for one in reads.sums},
        "weights": read.weights if reads.weights else None,
    }
    return Cells(blocks=(read.block,), slices=read.slices, **{**read.contents, **changes})


def answers_at(bins: IntArray, edges: FloatArray, threshold: float, positive: str) -> IntArray | None:
    """Counts by answer at a threshold, int64 (..., labels, 3 answers), from counts by bin (..., labels, bins + 1).

    Exact for `spec.threshold` and those of `spec.thresholds`, which are edges. `positive` is as in the spec. None if
    the threshold is the domain's maximum and has no edge of its own.
    """
    if threshold == edges[-1] and edges[-2] != edges[-1]:
        return None
    # An edge of its own is there exactly; one of the scale may differ in float64 and be the same Float32.
    same = np.flatnonzero(edges == threshold)
    if not len(same):
        same = np.flatnonzero(edges.astype(np.float32) == np.float32(threshold))
    # A threshold beyond the domain leaves every valid score on one side.
    first = int(same[0]) if len(same) else min(int(np.searchsorted(edges, threshold)), len(edges) - 1)
    above, below = bins[..., first:-1].sum(axis=-1), bins[..., :first].sum(axis=-1)
    out = np.zeros((*bins.shape[:-1], 3), dtype=bins.dtype)
    yes, no = (above, below) if positive == "AtOrAbove" else (below, above)
    out[..., ANSWER_POSITIVE], out[..., ANSWER_NEGATIVE] = yes, no
    out[..., ANSWER_INVALID] = bins[..., -1]
    return out


def confusion_answers(confusion: IntArray) -> IntArray:
    """Counts (..., 3 labels, 3 answers) from counts by class of label and answer (..., classes + 1, classes + 1).

    A right answer counts as positive with a positive label. A wrong answer, or one without a label, counts as negative.
    """
    known, unknown = confusion[..., :-1, :], confusion[..., -1, :]
    right = np.trace(known[..., :-1], axis1=-2, axis2=-1)
    out = np.zeros((*confusion.shape[:-2], 3, 3), dtype=np.int64)
    out[..., POSITIVE, ANSWER_POSITIVE] = right
    out[..., POSITIVE, ANSWER_NEGATIVE] = known[..., :-1].sum(axis=(-2, -1)) - right
    out[..., POSITIVE, ANSWER_INVALID] = known[..., -1].sum(axis=-1)
    out[..., UNKNOWN, ANSWER_NEGATIVE] = unknown[..., :-1].sum(axis=-1)
    out[..., UNKNOWN, ANSWER_INVALID] = unknown[..., -1]
    return out
