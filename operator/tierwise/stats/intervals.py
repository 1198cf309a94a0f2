"""Intervals for a difference of proportions that hold at every look."""

from __future__ import annotations

import numpy as np

from tierwise.arrays import FloatArray
from tierwise.stats import mixture

MIN_EVENTS = 10
_TAU = 0.02  # scale of differences (fractions) at which the interval is narrowest


def rate_difference_variance(counts: FloatArray) -> FloatArray:
    """Variance of candidate − baseline: the larger of pooled and unpooled, because either alone is too small at times.

    `counts` is (4, H): candidate n, bad, baseline n, bad, with n > 0.
    """
    na, ka, nb, kb = counts
    pa, pb = ka / na, kb / nb
    pooled = (ka + kb) / (na + nb)
    return np.asarray(np.maximum(pooled * (1 - pooled) * (1 / na + 1 / nb), pa * (1 - pa) / na + pb * (1 - pb) / nb))


def rate_difference_interval(counts: FloatArray, *, alpha: float, tau: float = _TAU) -> tuple[FloatArray, FloatArray]:
    """Time-uniform interval for μa − μb, (low, high) of shape (H,), NaN where there are too few events.

    `counts` (4, H) are cumulative. The interval covers at *every* look with probability about 1 − alpha (normal mixture
    boundary, valid asymptotically: from 10 events and 10 non-events in all on). Bounds are within [−1, 1].

    Source: Robbins' normal mixture; non-coverage at any of 500 looks is simulated in tests/calibration.
    """
    na, ka, nb, kb = counts
    enough = (ka + kb >= MIN_EVENTS) & (na + nb - ka - kb >= MIN_EVENTS) & (na > 0) & (nb > 0)
    safe = np.where(enough, counts, np.array([2.0, 1.0, 2.0, 1.0])[:, None])
    variance = rate_difference_variance(safe)
    low, high = mixture.interval(safe[1] / safe[0] - safe[3] / safe[2], variance, alpha, tau)
    return np.where(enough, np.maximum(low, -1.0), np.nan), np.where(enough, np.minimum(high, 1.0), np.nan)
