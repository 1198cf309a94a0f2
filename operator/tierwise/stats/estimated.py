"""Compares estimates that have no concurrent control: with the past of their own place, or within strata.

`beyond_past`: as stats/history, of estimates: expected is the mean over D days before. With the change elsewhere taken
off, as a difference (before + elsewhere now − elsewhere before) or as a factor (before · elsewhere now / elsewhere
before), the variance is by the delta method. All windows grow alike, so that the increments of the estimate are
independent in information time.

`within_strata`: the null is "within tolerance in every stratum". So any mean of the strata's differences is within
tolerance too, if its weights do not depend on the outcomes. The weights are na·nb/(na + nb), those of Mantel and
Haenszel. Estimates that are not means have a bias of the order of 1/n in a stratum of n rows. A mean over S strata of N
rows together has a bias S times as large, c·S/N, and a standard error of σ/√N. So only the S largest strata are used,
with S such that each has `PER_STRATUM`·S observations in either arm. Then the bias is at most (c/σ)/√`PER_STRATUM`
standard errors, for any number of strata.

Asymptotic, by the Gaussian mixture (stats/mixture).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tierwise.arrays import BoolArray, FloatArray

PER_STRATUM = 30.0


@dataclass(frozen=True, slots=True, eq=False)
class Moments:
    """Estimates and their variances, shape (H,), of days (D, H); NaN where there is too little."""

    value: FloatArray
    variance: FloatArray


def beyond_past(
    now: Moments,
    days: Moments,
    sign: int,
    ratio: FloatArray,
    *,
    elsewhere: tuple[Moments, Moments] | None = None,
    as_factor: bool = False,
) -> tuple[FloatArray, FloatArray, Moments]:
    """sign·(now − R·expected) (H,), its variance, and what each day expects; NaN where an estimate is missing.

    `elsewhere` is (now, days) where the baseline still serves. As a factor it is known where all are positive. A day's
    variance is without that of elsewhere now, which all days share.
    """
    expected, by_day, common = days.value, days.variance, np.zeros(days.value.shape[1:])
    if elsewhere is not None:
        after, ahead = elsewhere
        if as_factor:
            known = (days.value > 0) & (after.value > 0) & (ahead.value > 0)
            one, two, three = (np.where(known, x.value, np.nan) for x in (days, after, ahead))
            expected = one * two / three
            by_day = expected**2 * (days.variance / one**2 + ahead.variance / three**2)
            common = expected.mean(axis=0) ** 2 * after.variance / two[0] ** 2
        else:
            expected = days.value + after.value - ahead.value
            by_day, common = days.variance + ahead.variance, after.variance
    variance = by_day.mean(axis=0) / len(expected) + common
    beyond = sign * (now.value - ratio * expected.mean(axis=0))
    return beyond, now.variance + ratio**2 * variance, Moments(expected, by_day)


def used_strata(units: FloatArray, owner: npt.NDArray[np.intp], owners: int) -> BoolArray:
    """Which strata are used (P,).

    These are, per owner, the S largest with `PER_STRATUM`·S observations each, for the largest possible S. `units`
    (P, 2) are observations of the two arms. `owner` (P,) is the hypothesis of each stratum, in 0 … owners − 1.
    """
    smaller = units.min(axis=1)
    order = np.lexsort((-smaller, owner))
    first = np.searchsorted(owner[order], np.arange(owners))
    rank = np.arange(len(order)) - first[owner[order]] + 1
    used = np.zeros(len(units), dtype=np.bool_)
    # Sorted by size, the condition is true for the first strata of each owner.
    used[order] = smaller[order] >= PER_STRATUM * rank
    return used


def within_strata(
    difference: FloatArray, variance: FloatArray, units: FloatArray, owner: npt.NDArray[np.intp], owners: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The common difference (owners,), its variance, and each stratum's weight (P,), which is 0 if it is not used.

    `difference` and `variance` (P,) are those of the strata, NaN where there are too few observations. The result is
    NaN for an owner without strata.
    """
    known = np.isfinite(difference) & np.isfinite(variance)
    used = used_strata(np.where(known[:, np.newaxis], units, 0.0), owner, owners)
    one, two = units[:, 0], units[:, 1]
    weight = np.where(used, one * two / np.where(used, one + two, 1.0), 0.0)
    total = np.bincount(owner, weights=weight, minlength=owners)
    share = weight / np.where(total > 0, total, 1.0)[owner]
    common = np.bincount(owner, weights=share * np.where(used, difference, 0.0), minlength=owners)
    spread = np.bincount(owner, weights=share**2 * np.where(used, variance, 0.0), minlength=owners)
    return np.where(total > 0, common, np.nan), np.where(total > 0, spread, np.nan), share
