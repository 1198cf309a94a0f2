"""What persistently differs between two halves of one version's pods, slice by slice: sticky users, shards, places.

Requests of one user go to one pod, so an arm has its own users: its rates differ for good from the other arm's, by
more the fewer users a slice has. Scatter in time (φ) does not see that, and the pods' σ sees it in the whole only. The
halves of the past are such arms without a difference of versions. D of a slice, the difference of the halves'
log-odds over all of the past, has the variance V of independent rows (times φ) plus σ²; σ² = a + c/m is fitted over
the slices to D² − V, m the information of a slice, so that slices lend each other strength. Two halves of one past say
too little of a few slices: with fewer than `MIN_SLICES` nothing is learned.
"""

from __future__ import annotations

import math

import numpy as np
from scipy.special import chdtri

from tierwise.arrays import FloatArray
from tierwise.stats.overdispersion import pod_quantile

MIN_SLICES = 8
_LEVEL = 0.01  # halves of independent rows are taken for different ones as rarely


def persistent_bound(
    difference: FloatArray, variance: FloatArray, size: FloatArray, disjoint: int | None = None
) -> FloatArray:
    """How far two halves of equal size may persistently differ (S,), by slice; 0 where nothing persists.

    `difference` of the halves, in log-odds of a rate or in a value's own unit, its `variance` by chance and `size` m
    (S,) are over all of the past; NaN where a half has no rows. σ is a moment fit, weighted by the variance of D²,
    2(V + σ²)²; the bound is σ times Student's quantile, as for pods (`overdispersion.pod_quantile`), with as many
    degrees as `disjoint` slices give: those that overlap say the same twice.
    """
    known = np.isfinite(difference) & (variance > 0) & (size > 0)
    count = int(known.sum())
    nothing = np.zeros(len(difference))
    if count < MIN_SLICES:
        return nothing
    d2, v, m = difference[known] ** 2, variance[known], size[known]
    if float((d2 / v).sum()) <= float(chdtri(count, _LEVEL)):
        return nothing
    a = c = 0.0
    inverse = 1 / m
    for _ in range(6):  # the weights follow the fit
        weight = 1 / np.square(v + a + c * inverse)
        a, c = _non_negative_fit(weight, inverse, d2 - v)
    return np.asarray(
        pod_quantile(max(min(count, disjoint or count) - 1, 1)) * np.sqrt(a + c / np.where(size > 0, size, np.inf))
    )


def _non_negative_fit(weight: FloatArray, x: FloatArray, y: FloatArray) -> tuple[float, float]:
    """A ≥ 0 and c ≥ 0 of y ≈ a + c·x by weighted least squares."""
    total, mean_x, mean_y = (float((weight * each).sum()) for each in (np.ones_like(x), x, y))
    mean_x, mean_y = mean_x / total, mean_y / total
    spread = float((weight * (x - mean_x) ** 2).sum())
    c = float((weight * (x - mean_x) * (y - mean_y)).sum()) / spread if spread > 0 else 0.0
    a = mean_y - c * mean_x
    if c < 0:
        return max(mean_y, 0.0), 0.0
    if a < 0:
        return 0.0, max(float((weight * x * y).sum()) / float((weight * x * x).sum()), 0.0)
    return a, c


def of_split(share: float) -> float:
    """How many times as much σ is where a share of the units is on one side: halves have the least, 1."""
    return 0.5 / math.sqrt(share * (1 - share)) if 0 < share < 1 else 1.0
