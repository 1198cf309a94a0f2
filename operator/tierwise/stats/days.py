"""How much rates differ from day to day beyond chance, learned from the days before that a version is compared with.

Rates move from one day to the next by more than rows drawn one by one do, so a single day says nothing of what is
usual today. With D days at the same hours, today differs from their mean by σ·√(1 + 1/D), one standard deviation;
more rows take nothing off that. σ² is DerSimonian and Laird's between-day variance of the days' values so far. Its
sums are added over the slices of a metric that have as many dimensions, as smaller slices may differ by more. A slice
whose own σ² exceeds that by more than two standard deviations of chance has its own.

Today may be off by σ times Student's quantile t with D − 1 degrees of freedom, as slices may move together. It may be
off by at least the normal quantile for that many slices, as each may move by itself. A σ of 0 may be luck while the
days differ by little more than chance. So what is seen must also exceed t times the whole spread of the days, chance
included. The evidence itself takes care of z·√V of that: z = √(2 ln(1/tail)) is the least that an e-value of 1/tail
asks for.

Source: DerSimonian and Laird, "Meta-analysis in clinical trials", 1986. Arrays are over hypotheses, (H,), and days.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri, stdtrit

from tierwise.arrays import BoolArray, FloatArray
from tierwise.stats.estimated import Moments

MIN_DAYS = 5  # with fewer nothing is known of how days differ
MOST_DAYS = 7  # each day of the week once


def day_bound(
    days: Moments, apart: FloatArray, variance: FloatArray, levels: npt.NDArray[np.intp], tail: float
) -> FloatArray:
    """How far days alone may put today off what is expected (H,), exceeded with probability `tail`; 0 if not known.

    `days` (D, H) are the values of past days with their variances by chance, `apart` (H,) is √(1 + 1/D), `variance`
    (H,) that of what is compared with the bound, `levels` (H,) which hypotheses are pooled.
    """
    known, squared, slices = _spread(days, levels)
    typical = np.where(known, days.variance.mean(axis=0), 0.0)
    quantile = _quantile(len(days.value), tail, slices)
    beyond_chance = quantile * np.sqrt(np.maximum(squared, 0.0)) * apart
    in_all = quantile * np.sqrt(np.maximum(squared + typical, 0.0)) * apart
    told = math.sqrt(-2 * math.log(tail)) * np.sqrt(np.where(known, variance, 0.0))
    return np.asarray(np.where(known, np.maximum(beyond_chance, in_all - told), 0.0))


def two_days_apart(days: Moments, levels: npt.NDArray[np.intp], tail: float) -> FloatArray:
    """How far two days may be apart beyond chance (H,), exceeded with probability `tail`; 0 if not known.

    `days` (D, H) and `levels` (H,) as for `day_bound`.
    """
    known, squared, slices = _spread(days, levels)
    quantile = _quantile(len(days.value), tail, slices)
    return np.asarray(np.where(known, quantile * np.sqrt(2 * np.maximum(squared, 0.0)), 0.0))


def _quantile(count: int, tail: float, slices: FloatArray) -> FloatArray:
    return np.maximum(float(stdtrit(max(count - 1, 1), 1 - tail)), -ndtri(tail / slices))


def _spread(days: Moments, levels: npt.NDArray[np.intp]) -> tuple[BoolArray, FloatArray, FloatArray]:
    """Of which hypotheses all days are known, σ² of each, below 0 where days agree by luck, and slices in its level."""
    count = len(days.value)
    known: BoolArray = np.asarray((np.isfinite(days.value) & (days.variance > 0)).all(axis=0))
    if count < 2:
        return np.zeros_like(known), np.zeros(len(known)), np.ones(len(known))
    value, by_chance = (np.where(known, x, fill) for x, fill in ((days.value, 0.0), (days.variance, 1.0)))
    pooled, slices = _between_days(value, by_chance, known, levels)
    own, _ = _between_days(value, by_chance, known, np.arange(len(known)))
    chance = 2 * math.sqrt(2 / (count - 1)) * (np.maximum(pooled, 0.0) + by_chance.mean(axis=0))
    return known, np.where(own > pooled + chance, own, pooled), slices


def _between_days(
    value: FloatArray, variance: FloatArray, known: BoolArray, levels: npt.NDArray[np.intp]
) -> tuple[FloatArray, FloatArray]:
    """Σ excess/Σ scale (H,) of each hypothesis' level, below 0 where days agree by luck, and how many are in it."""
    weight = 1 / variance
    total = weight.sum(axis=0)
    centre = (weight * value).sum(axis=0) / total
    excess = (weight * (value - centre) ** 2).sum(axis=0) - (len(value) - 1)
    scale = total - (weight**2).sum(axis=0) / total
    sums = [np.bincount(levels, weights=known * each)[levels] for each in (excess, scale, np.ones(len(known)))]
    return sums[0] / np.where(sums[1] > 0, sums[1], 1.0), np.maximum(sums[2], 1.0)
