"""Tests without labels whether the distribution of the score moved: block bets at deciles of the past, and the PSI."""

from __future__ import annotations

import numpy as np

from tierwise.api.common import Margin
from tierwise.arrays import FloatArray, IntArray
from tierwise.metrics.metric import Metric, Needs, Shift
from tierwise.metrics.tally import Tally

POINTS = 9


def deciles(history: IntArray, points: int = POINTS) -> IntArray:
    """Indices (points,) of the edges that split `history` into `points` + 1 parts as equal as its bins allow.

    `history` (labels, bins + 1) are counts of scores before the rollout; the last bin is invalid. An edge has at least
    one row on either side. With coarse bins neighbours may be the same edge. Without rows, or with all rows in one bin,
    the edges are evenly spaced.
    """
    below = np.concatenate([[0], np.cumsum(history[..., :-1].reshape(-1, history.shape[-1] - 1).sum(axis=0))])
    total = below[-1]
    inner = np.flatnonzero((below > 0) & (below < total))
    if not len(inner):
        return np.asarray(np.arange(1, points + 1) * (len(below) - 1) // (points + 1), dtype=np.int64)
    wanted = total * np.arange(1, points + 1) / (points + 1)
    nearest = np.abs(below[inner][np.newaxis] - wanted[:, np.newaxis]).argmin(axis=1)
    return np.asarray(inner[nearest], dtype=np.int64)


def _below(tally: Tally, at: IntArray) -> tuple[IntArray, IntArray]:
    """Numbers of valid scores (...), and of those below each edge (..., points)."""
    if tally.bins is None:
        raise ValueError("the distribution of the score is missing")
    below = np.cumsum(tally.bins[..., :-1].sum(axis=-2), axis=-1)
    below = np.concatenate([np.zeros((*below.shape[:-1], 1), dtype=np.int64), below], axis=-1)
    return below[..., -1], below[..., at]


def psi(candidate: FloatArray, candidate_n: FloatArray, baseline: FloatArray, baseline_n: FloatArray) -> FloatArray:
    """Population stability index (...) between the parts that edges make, minus what chance alone adds.

    `candidate` and `baseline` (points, ...) are rows below each edge, of n rows (...). PSI = Σ (pa − pb)·ln(pa/pb) has
    expectation (B − 1)(1/na + 1/nb) when nothing moved, with B parts that have rows; half a row is added to each. NaN
    where an arm has no rows, or all are in one part. A figure for reports: it never gates. Rules of thumb call 0.1 a
    moderate and 0.25 a large shift.

    Source: Yurdakul and Naranjo, "Statistical properties of the population stability index", 2020.
    """
    sizes = (candidate_n, baseline_n)
    parts = [
        np.diff(below, axis=0, prepend=0 * below[:1], append=n[np.newaxis])
        for below, n in zip((candidate, baseline), sizes, strict=True)
    ]
    used = (parts[0] + parts[1]) > 0  # two edges may be the same
    count = used.sum(axis=0)
    shares = [(part + 0.5) / np.maximum(n + 0.5 * count, 1) for part, n in zip(parts, sizes, strict=True)]
    distance = np.where(used, (shares[0] - shares[1]) * np.log(shares[0] / shares[1]), 0.0).sum(axis=0)
    chance = (count - 1) * (1 / np.maximum(candidate_n, 1) + 1 / np.maximum(baseline_n, 1))
    return np.where((candidate_n > 0) & (baseline_n > 0) & (count > 1), distance - chance, np.nan)


METRICS = (
    Metric(
        "score-shift",
        "Either",
        Shift(_below, POINTS),
        Margin(absolute=0.05),
        Needs(labels=False, bins=True),
        "Largest move of a decile: for nine scores that had 10 %, 20 %, … of all rows below them before the rollout, "
        "how far the candidate's share below differs from the baseline's. Bets on both sides of each are averaged.",
        unit="difference of shares of rows",
        not_for="A model that should score differently, such as a recalibrated one; and promotion, which never waits "
        "for it. The PSI beside it, without its chance part, is for reports and decides nothing.",
        kinds=("Binary", "Number"),
    ),
)
