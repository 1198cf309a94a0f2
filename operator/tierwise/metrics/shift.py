"""Whether the distribution of the score moved, without labels: block bets at deciles of the past, and PSI to report."""

from __future__ import annotations

import numpy as np

from tierwise.api.common import Margin
from tierwise.metrics.metric import Metric, Needs, Shift
from tierwise.metrics.tally import FloatArray, IntArray, Tally

POINTS = 9


def deciles(history: IntArray, points: int = POINTS) -> IntArray:
    """Indices (points,) of the edges that split `history` into `points` + 1 parts as equal as its bins allow.

    `history` (labels, bins + 1) are counts of scores before the rollout, the last bin invalid. An edge has at least a
    row on either side where there are that many bins with rows; with coarse bins neighbours may be the same edge. All
    edges are 0 without rows: nothing lies below, and nothing is ever bet.
    """
    below = np.concatenate([[0], np.cumsum(history[..., :-1].reshape(-1, history.shape[-1] - 1).sum(axis=0))])
    total = below[-1]
    inner = np.flatnonzero((below > 0) & (below < total))
    if not len(inner):
        return np.zeros(points, dtype=np.int64)
    wanted = total * np.arange(1, points + 1) / (points + 1)
    nearest = np.abs(below[inner][np.newaxis] - wanted[:, np.newaxis]).argmin(axis=1)
    return np.asarray(inner[nearest], dtype=np.int64)


def _below(tally: Tally, at: IntArray) -> tuple[IntArray, IntArray]:
    """Numbers of valid scores (...), and of those below each edge (..., points)."""
    if tally.bins is None:
        raise ValueError("the distribution of the score is missing")
    return _below_edges(tally.bins, at)


def _below_edges(bins: IntArray, at: IntArray) -> tuple[IntArray, IntArray]:
    below = np.cumsum(bins[..., :-1].sum(axis=-2), axis=-1)
    below = np.concatenate([np.zeros((*below.shape[:-1], 1), dtype=np.int64), below], axis=-1)
    return below[..., -1], below[..., at]


def psi(candidate: IntArray, baseline: IntArray, at: IntArray) -> FloatArray:
    """Population stability index (...) between the parts that the edges `at` make, less what chance alone adds.

    Counts are (..., labels, bins + 1). PSI = Σ (pa − pb)·ln(pa/pb) has expectation (B − 1)(1/na + 1/nb) when nothing
    moved, with B parts; half a row is added to every part. NaN where an arm has no rows. A figure for reports: it never
    gates. Rules of thumb call 0.1 a moderate and 0.25 a large shift.
    """
    edges = np.unique(at)
    shares, sizes = [], []
    for bins in (candidate, baseline):
        n, below = _below_edges(bins, edges)
        parts = np.diff(below, axis=-1, prepend=0, append=n[..., np.newaxis])
        shares.append((parts + 0.5) / (n + 0.5 * parts.shape[-1])[..., np.newaxis])
        sizes.append(n)
    (pa, pb), (na, nb) = shares, sizes
    some = (na > 0) & (nb > 0)
    chance = len(edges) * (1 / np.maximum(na, 1) + 1 / np.maximum(nb, 1))
    return np.where(some, ((pa - pb) * np.log(pa / pb)).sum(axis=-1) - chance, np.nan)


METRICS = (
    Metric(
        "score-shift",
        "Either",
        Shift(_below, POINTS),
        Margin(absolute=0.05),
        Needs(labels=False, bins=True),
        "Largest move of a decile: for nine scores that had 10 %, 20 %, … of all rows below them before the rollout, "
        "how far the candidate's share below differs from the baseline's. Bets on either side of each, averaged.",
        unit="difference of shares of rows",
        not_for="A model that is meant to score differently, such as a recalibrated one; and promotion, which it never "
        "waits for. PSI is in reports only.",
        kinds=("Binary", "Number"),
    ),
)
