"""Intervals that belong to the decision: the differences that the same block bets do not reject, at any size.

A difference Δ is rejected from below once the bets against μa − μb ≤ Δ reach the threshold, and from above once those
against μa − μb ≥ Δ do. Bets are fixed before their block, so that P(the true Δ is ever rejected) ≤ 1/threshold for each
side: exact for independent rows, whatever the rates do from block to block. With φ above 1 logs are divided by it.

The bets are those of `stats.betting`, over blocks that are joined as time passes (`is_kept`): the interval follows with
a delay of a twelfth of the time at most, and costs as little for a tier of days as for one of hours.

Source: Waudby-Smith and Ramdas, "Estimating means of bounded random variables by betting", JRSS-B 2024 (intervals by
inversion of bets).

Slices with little evidence have a normal mixture instead: as wide, asymptotic, and much cheaper.
"""

from __future__ import annotations

import numpy as np

from tierwise.arrays import FloatArray
from tierwise.stats import betting

MIN_EVENTS = 10
_TAU = 0.02  # scale of differences (fractions) at which the interval is narrowest
_GRID = 9  # differences in the second and third pass, between two of the pass before
_REACHES: FloatArray = np.array([1e9, 64, 16, 8, 5, 3.5, 2.5, 2, 1.6, 1.3, 1.1, 0.9, 0.7, 0.5, 0.3, 0.0])
_WIDEST = 0.999  # differences beyond it leave the null no room
_KEPT_ALONE = 12  # twice as many blocks stay alone; later ones are joined to a twelfth of the time so far


def is_kept(block: int, last: int) -> bool:
    """Whether the counts after `block` (from 1) are kept, `last` being the last that were: fixed in advance."""
    return block - last >= max(1, last // _KEPT_ALONE)


def difference_interval(
    blocks: FloatArray, prior: FloatArray, phi: FloatArray, alpha: float
) -> tuple[FloatArray, FloatArray]:
    """Interval (low, high), each (H,), of μa − μb that covers at every look with probability 1 − alpha or more.

    `blocks` (T, 4, H) are counts (candidate n and bad, baseline n and bad) of the blocks that `is_kept` joins, matched
    (`matched.joined`): no whole numbers where several are one. `prior` (H,) rates and `phi` (H,) are as for the bets.
    −1 and 1 where nothing is rejected yet.
    """
    log_threshold = float(np.log(2 / alpha))
    low = _lowest(blocks, prior, phi, log_threshold)
    na, ka, nb, kb = np.moveaxis(blocks, 1, 0)
    mirrored = np.stack([na, na - ka, nb, nb - kb], axis=1)
    return low, -_lowest(mirrored, 1 - prior, phi, log_threshold)


def _lowest(blocks: FloatArray, prior: FloatArray, phi: FloatArray, log_threshold: float) -> FloatArray:
    """The largest difference up to which every one is rejected from below (H,); −1 where the lowest is not.

    Searched on a grid that is finer the nearer to the seen difference, then twice between two of its points.
    """
    na, ka, nb, kb = blocks.sum(axis=0)
    seen = (na > 0) & (nb > 0)
    size = np.where(seen, na * nb / np.maximum(na + nb, 1), 1.0)
    rate = (ka + kb + 1) / (na + nb + 2)
    difference = np.where(seen, ka / np.maximum(na, 1) - kb / np.maximum(nb, 1), 0.0)
    top = np.clip(difference, -_WIDEST, _WIDEST)
    # About as far as the bets need: the best of them gains d²·size/(2·rate·(1 − rate)).
    reach = np.sqrt(2 * phi * log_threshold * rate * (1 - rate) / size) + phi * log_threshold / size
    grid = np.clip(top - reach * _REACHES[:, None], -_WIDEST, _WIDEST)
    grid[0] = -_WIDEST
    low, at = np.full(len(prior), -1.0), np.arange(len(prior))
    for _ in range(3):
        rejected = _rejected(blocks, grid, prior, phi, log_threshold)
        last = np.logical_and.accumulate(rejected, axis=0).sum(axis=0) - 1
        low = np.where(last >= 0, grid[np.maximum(last, 0), at], low)
        bottom, up = np.maximum(low, -_WIDEST), grid[np.minimum(last + 1, len(grid) - 1), at]
        grid = bottom + (up - bottom) * np.linspace(0, 1, _GRID)[:, None]
    return low


def _rejected(
    blocks: FloatArray, grid: FloatArray, prior: FloatArray, phi: FloatArray, log_threshold: float
) -> FloatArray:
    """Which differences (G, H) the bets against μa − μb ≤ Δ ever reject."""
    points, size = grid.shape
    null = betting.Boundary(np.ones(points * size), grid.ravel())
    priors, phis = np.tile(prior, points), np.tile(phi, points)
    logs = np.zeros((betting.REGRESSION_ALTERNATIVES, points * size))
    past, pending = np.zeros((4, size)), np.zeros((4, size))
    most = np.zeros(points * size)
    for block in blocks:
        pending = pending + block
        ready = betting.ready(pending)
        if not ready.any():
            continue
        lanes = np.flatnonzero(np.tile(ready, points))
        now, before = np.tile(pending, (1, points))[:, lanes], np.tile(past, (1, points))[:, lanes]
        part = logs[:, lanes]
        betting.add_regression(part, now, before, null.part(lanes), priors[lanes], phi=phis[lanes])
        logs[:, lanes] = part
        past, pending = np.where(ready, past + pending, past), np.where(ready, 0.0, pending)
        most = np.maximum(most, betting.log_mean(logs, betting.REGRESSION_LOG_WEIGHTS))
    return np.asarray((most >= log_threshold).reshape(points, size))


def rate_difference_variance(counts: FloatArray) -> FloatArray:
    """Variance of candidate − baseline: the larger of pooled and unpooled, because either alone is too small at times.

    `counts` is (4, H): candidate n, bad, baseline n, bad, with n > 0.
    """
    na, ka, nb, kb = counts
    pa, pb = ka / na, kb / nb
    pooled = (ka + kb) / (na + nb)
    return np.asarray(np.maximum(pooled * (1 - pooled) * (1 / na + 1 / nb), pa * (1 - pa) / na + pb * (1 - pb) / nb))


def rate_difference_interval(
    counts: FloatArray, *, alpha: float, tau: float = _TAU, phi: FloatArray | float = 1.0
) -> tuple[FloatArray, FloatArray]:
    """Time-uniform interval for μa − μb, (low, high) of shape (H,), NaN where there are too few events.

    `counts` (4, H) are cumulative. The interval covers at *every* look with probability about 1 − alpha (normal mixture
    boundary, valid asymptotically: from 10 events and 10 non-events in all on). Variances are multiplied by `phi`.
    Bounds are within [−1, 1].

    Source: Robbins' normal mixture; non-coverage at any of 500 looks is simulated in tests/calibration.
    """
    na, ka, nb, kb = counts
    enough = (ka + kb >= MIN_EVENTS) & (na + nb - ka - kb >= MIN_EVENTS) & (na > 0) & (nb > 0)
    safe = np.where(enough, counts, np.array([2.0, 1.0, 2.0, 1.0])[:, None])
    variance = phi * rate_difference_variance(safe)
    low, high = _boundary(safe[1] / safe[0] - safe[3] / safe[2], variance, alpha, tau)
    return np.where(enough, np.maximum(low, -1.0), np.nan), np.where(enough, np.minimum(high, 1.0), np.nan)


def _boundary(difference: FloatArray, variance: FloatArray, alpha: float, tau: float) -> tuple[FloatArray, FloatArray]:
    """D̂ ± √(V(1 + V/τ²)(ln(1 + τ²/V) − 2 ln α)), narrowest for differences near τ."""
    square = tau**2
    half = np.sqrt(variance * (1 + variance / square) * (np.log1p(square / variance) - 2 * np.log(alpha)))
    return difference - half, difference + half
