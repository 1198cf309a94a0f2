"""Compares estimates that have no concurrent control: with the past of their own place, or within strata.

`beyond_past` is stats/history for estimates. The change elsewhere is removed as a difference
(expected = before + elsewhere now − elsewhere before) or as a factor (expected = before · elsewhere now / elsewhere
before). The variance is by the delta method. Both windows grow equally, so that the increments of the estimate are
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
    """Estimates and their variances, shape (H,); NaN where there are too few observations."""

    value: FloatArray
    variance: FloatArray


def beyond_past(
    now: Moments,
    before: Moments,
    sign: int,
    ratio: FloatArray,
    *,
    elsewhere: tuple[Moments, Moments] | None = None,
    as_factor: bool = False,
) -> tuple[FloatArray, FloatArray]:
    """sign·(now − R·expected) (H,) and its variance; NaN if one of the estimates is missing.

    `elsewhere` is (now, before) of the places where the baseline still serves. It can only be used as a factor if all
    three values are positive.
    """
    expected, variance = before.value, before.variance
    if elsewhere is not None:
        after, ahead = elsewhere
        if as_factor:
            known = (before.value > 0) & (after.value > 0) & (ahead.value > 0)
            one, two, three = (np.where(known, x.value, np.nan) for x in (before, after, ahead))
            expected = one * two / three
            parts = (before.variance / one**2, after.variance / two**2, ahead.variance / three**2)
            variance = expected**2 * (parts[0] + parts[1] + parts[2])
        else:
            expected = before.value + after.value - ahead.value
            variance = before.variance + after.variance + ahead.variance
    return sign * (now.value - ratio * expected), now.variance + ratio**2 * variance


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
