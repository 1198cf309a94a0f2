"""Computes how long evidence takes to grow: from rates of observations to the time of a decision."""

from __future__ import annotations

import numpy as np

from tierwise.arrays import FloatArray
from tierwise.stats import power

# Plug-in bets must learn the rates, so they need this much longer than the best bet with hindsight (tests/calibration).
LEARNING = 1.5


def seconds_to_regression(
    per_second: FloatArray, ratio: FloatArray, delta: FloatArray, log_threshold: FloatArray
) -> FloatArray:
    """Seconds until a regression is expected to be decided; infinite within tolerance, or without rows in an arm.

    `per_second` (4, H) has the expected observations and bad observations of the candidate and of the baseline per
    second. `log_threshold` is the evidence needed, ln(K/(w·α)). The evidence of the best bet grows by the divergence of
    the true rates from the null (`growth`, linear in the counts). The result is 1.5 times the time of this best
    bet. Simulated medians were 0.73 to 1.15 of the result, over rates of .001 to .2, odds of 1.3 to 5 and arms of 1:1
    and 1:9.
    """
    some = (per_second[0] > 0) & (per_second[2] > 0)
    safe = np.where(some, per_second, np.array([1.0, 0.0, 1.0, 0.0])[:, None])
    rate = growth(safe, ratio, delta)
    growing = some & (rate > 0)
    return np.asarray(np.where(growing, LEARNING * log_threshold / np.where(growing, rate, 1.0), np.inf))


def smallest_regression(
    rows: tuple[FloatArray, FloatArray],
    rate: FloatArray,
    ratio: FloatArray,
    delta: FloatArray,
    log_threshold: FloatArray,
    seconds: float,
) -> FloatArray:
    """The smallest rate of `bad` of the candidate that is expected to be decided within `seconds`; NaN if none is.

    `rows` are observations per second of the candidate and of the baseline. `rate` is the baseline's rate. All are
    (H,).
    """
    low, high = np.clip(ratio * rate + delta, 0.0, 1.0), np.ones_like(rate)
    reachable = _seconds(rows, rate, high, ratio, delta, log_threshold) <= seconds
    for _ in range(24):
        middle = (low + high) / 2
        fits = _seconds(rows, rate, middle, ratio, delta, log_threshold) <= seconds
        low, high = np.where(fits, low, middle), np.where(fits, middle, high)
    return np.asarray(np.where(reachable, high, np.nan))


def _seconds(
    rows: tuple[FloatArray, FloatArray],
    rate: FloatArray,
    candidate: FloatArray,
    ratio: FloatArray,
    delta: FloatArray,
    log_threshold: FloatArray,
) -> FloatArray:
    na, nb = rows
    return seconds_to_regression(np.stack([na, na * candidate, nb, nb * rate]), ratio, delta, log_threshold)


def seconds_to_pass(rows: tuple[FloatArray, FloatArray], rate: FloatArray, gap: FloatArray) -> FloatArray:
    """Seconds until half of the candidates that are truly equal are shown to be non-inferior.

    After `power.POWER_FACTOR` times as long, 99.7 % of them are.

    `rows` is as above. `gap` is the margin as a difference of rates. The result is infinite if `gap` is zero or an arm
    has no rows.
    """
    speed = power.harmonic(*rows)
    needed = power.needed_per_arm(rate, gap)
    return np.asarray(np.where(speed > 0, needed / np.where(speed > 0, speed, 1.0), np.inf))


def growth(counts: FloatArray, ratio: FloatArray, delta: FloatArray) -> FloatArray:
    """Log-likelihood ratio of cumulative counts (4, H) against the nearest means with μa ≤ R·μb + Δ; 0 within the null.

    This is the best value that any bet on these counts could have reached with hindsight. Both arms need observations.
    """
    na, ka, nb, kb = counts
    pa, pb = ka / na, kb / nb
    low = np.maximum(0.0, -delta / ratio)
    high = np.minimum(1.0, (1.0 - delta) / ratio)

    def divergence(cb: FloatArray) -> FloatArray:
        ca = ratio * cb + delta
        return np.asarray(
            _xlogy(ka, pa, ca) + _xlogy(na - ka, 1 - pa, 1 - ca) + _xlogy(kb, pb, cb) + _xlogy(nb - kb, 1 - pb, 1 - cb)
        )

    left = np.clip(np.minimum(pb, (pa - delta) / ratio), low, high)
    right = np.clip(np.maximum(pb, (pa - delta) / ratio), low, high)
    # The divergence is convex in cb, so a golden-section search between the arms' own rates finds its minimum.
    shrink = (np.sqrt(5.0) - 1) / 2
    for _ in range(60):
        x1, x2 = right - shrink * (right - left), left + shrink * (right - left)
        lower = divergence(x1) < divergence(x2)
        left, right = np.where(lower, left, x1), np.where(lower, x2, right)
    found = divergence((left + right) / 2)
    return np.asarray(np.where(pa > ratio * pb + delta, np.maximum(found, 0.0), 0.0))


def _xlogy(count: FloatArray, p: FloatArray, q: FloatArray) -> FloatArray:
    """count·ln(p/q) with 0·ln 0 = 0; q is kept above zero."""
    odds = np.where(count > 0, p, 1.0) / np.where(count > 0, np.maximum(q, 1e-300), 1.0)
    return np.asarray(np.where(count > 0, count * np.log(odds), 0.0))
