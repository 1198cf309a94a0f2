"""Computes how many observations a decision needs, and which difference a number of observations can show."""

from __future__ import annotations

import numpy as np

from tierwise.arrays import BoolArray, FloatArray

POWER_FACTOR = 5.0  # over the information-theoretic minimum: 99.7 % of truly equal slices pass
PASS_AT = 20.0  # the e-value at which a slice counts as non-inferior or improved


def harmonic(na: FloatArray, nb: FloatArray) -> FloatArray:
    """2/(1/na + 1/nb): observations per arm in equal arms with the same information; 0 if an arm is empty."""
    return np.asarray(2 * na * nb / np.maximum(na + nb, 1e-300))


def needed_per_arm(rate: FloatArray, gap: FloatArray, *, phi: FloatArray | float = 1.0) -> FloatArray:
    """Fewest observations per arm at which a truly equal candidate is expected to be shown non-inferior.

    `gap` is the margin as a difference of rates at the baseline's `rate`. The result is infinite if `gap` is zero.
    """
    return needed_of_spread(rate * (1 - rate), gap, phi=phi)


def needed_of_spread(spread: FloatArray, gap: FloatArray, *, phi: FloatArray | float = 1.0) -> FloatArray:
    """The same for a value whose observations have the variance `spread`; NaN if it is not known."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(phi * 4 * spread * np.log(PASS_AT) / np.square(np.maximum(gap, 0.0)))


def powered(
    na: FloatArray, nb: FloatArray, rate: FloatArray, gap: FloatArray, *, phi: FloatArray | float = 1.0
) -> BoolArray:
    """Which hypotheses must be non-inferior before promotion. This is decided on expected counts before the start."""
    need = POWER_FACTOR * needed_per_arm(rate, gap, phi=phi)
    return np.asarray((gap > 0) & (harmonic(na, nb) >= np.maximum(need, 1.0)))


def powered_by_variance(variance: FloatArray, gap: FloatArray, *, phi: FloatArray | float = 1.0) -> BoolArray:
    """The same for an estimate. `variance` is the expected variance of the difference at the end; NaN if unknown."""
    with np.errstate(invalid="ignore"):
        needed = POWER_FACTOR * 2 * np.log(PASS_AT) * phi * variance
        return np.asarray((gap > 0) & (variance > 0) & (np.square(gap) >= needed))


def times_needed(
    na: FloatArray, nb: FloatArray, rate: FloatArray, gap: FloatArray, *, phi: FloatArray | float = 1.0
) -> FloatArray:
    """How many times the counts would make it `powered`, at most 1 where it is; infinite without rows or a gap."""
    have = harmonic(na, nb)
    need = np.maximum(POWER_FACTOR * needed_per_arm(rate, gap, phi=phi), 1.0)
    return np.where((gap > 0) & (have > 0), need / np.where(have > 0, have, 1.0), np.inf)


def gap_needed(na: FloatArray, nb: FloatArray, rate: FloatArray, *, phi: FloatArray | float = 1.0) -> FloatArray:
    """The smallest gap at which counts are `powered`; infinite where less than one observation per arm is expected."""
    have = harmonic(na, nb)
    spread = POWER_FACTOR * needed_of_spread(rate * (1 - rate), np.ones_like(rate), phi=phi)
    return np.sqrt(np.where(have >= 1, spread / np.where(have >= 1, have, 1.0), np.inf))


def times_needed_by_variance(variance: FloatArray, gap: FloatArray, *, phi: FloatArray | float = 1.0) -> FloatArray:
    """`times_needed` of an estimate, whose variance falls as rows grow in number."""
    safe = np.where(gap > 0, gap, 1.0)
    with np.errstate(invalid="ignore"):
        times = np.square(gap_needed_by_variance(variance, phi=phi) / safe)
    return np.where(gap > 0, times, np.inf)


def gap_needed_by_variance(variance: FloatArray, *, phi: FloatArray | float = 1.0) -> FloatArray:
    """`gap_needed` of an estimate; infinite where its variance is not known."""
    with np.errstate(invalid="ignore"):
        needed = np.sqrt(POWER_FACTOR * 2 * np.log(PASS_AT) * phi * variance)
        return np.where((variance > 0) & np.isfinite(needed), needed, np.inf)


def smallest_detectable(
    variance: FloatArray, gap: FloatArray, log_threshold: FloatArray, most: FloatArray | float = 1.0
) -> FloatArray:
    """The smallest true difference for the worse that would have been shown, if a difference has `variance` (H,).

    `gap` is the tolerance as a difference, `log_threshold` is ln(K/(w·α)), and no difference exceeds `most`. The result
    is NaN where the variance is. It is approximate: it uses d²/(2V) as the best attainable log e-value.
    """
    return np.asarray(np.minimum(gap + np.sqrt(2 * variance * log_threshold), most))


def labels_needed(
    na: FloatArray,
    nb: FloatArray,
    spread: FloatArray,
    gap: FloatArray,
    log_e: FloatArray,
    *,
    phi: FloatArray | float = 1.0,
) -> FloatArray:
    """Observations still needed, in both arms together at their present proportion, until non-inferiority is expected.

    `spread` is the variance of one observation. If `log_e` is over 1, the result follows from its growth so far, else
    from a truly equal candidate. The result is NaN if the margin is zero, the spread is not known, or there are already
    more observations than an equal candidate would need.
    """
    total = na + nb
    goal = np.log(PASS_AT)
    growing = (log_e > 1.0) & (total > 0)
    by_growth = total * (goal / np.where(growing, log_e, 1.0) - 1.0)
    have = harmonic(na, nb)
    need = needed_of_spread(spread, gap, phi=phi)
    # Without rows yet the arms are taken as equal.
    scale = np.where(have > 0, total / np.where(have > 0, have, 1.0), 2.0)
    equal = np.where(need > have, (need - have) * scale, np.nan)
    return np.asarray(np.where(gap > 0, np.where(growing, np.maximum(by_growth, 0.0), equal), np.nan))
