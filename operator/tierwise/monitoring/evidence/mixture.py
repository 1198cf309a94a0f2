"""The Gaussian mixture on cumulative tallies: the evidence of estimated metrics is a function of all rows so far.

Both versions count alike in every block, whatever their shares of the traffic were (counts/matching): where the split
changes with the hour, and the metric does too, totals would compare different hours.

Late-onset copies see the rows since a snapshot. A tally with bins is large, so there are fewer copies of these than of
bets, further apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from tierwise.arrays import FloatArray
from tierwise.metrics.metric import Metric
from tierwise.metrics.tally import Tally
from tierwise.monitoring.counts.matching import MatchedTallies, fold_tallies
from tierwise.monitoring.counts.measures import Compared, compared, worse_sign
from tierwise.monitoring.planning.bounds import Bounds
from tierwise.stats.betting import copy_log_weights, log_mean
from tierwise.stats.mixture import log_mixture

MOST_COPIES = 6


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """The hypotheses of a metric of a dataset. `hypothesis` is that of the first slot; φ and bounds are per slot."""

    dataset: int
    metric: Metric
    hypothesis: int
    slots: int
    phi: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Mixtures:
    """What mixtures need of the blocks so far: per dataset all rows, and the sums that are matched block by block.

    `late` is what the matched sums were when each late copy began. Logs are over all K hypotheses, 0 where a hypothesis
    is not a mixture's.
    """

    tallies: tuple[Tally, ...]
    matched: tuple[MatchedTallies, ...]
    late: tuple[tuple[MatchedTallies, ...], ...]
    log_regression: FloatArray
    log_non_inferior: FloatArray
    log_improved: FloatArray


def copies_of(copies: int) -> tuple[int, int]:
    """The number of copies of mixtures if bets have `copies`, and the distance of two copies in intervals of bets."""
    every = math.ceil(copies / MOST_COPIES)
    return math.ceil(copies / every), every


def with_copy(mixtures: Mixtures) -> Mixtures:
    """A further late-onset copy begins; before the first block it would see the same rows as the first."""
    return replace(mixtures, late=(*mixtures.late, mixtures.matched))


def look(
    estimates: tuple[Estimates, ...],
    mixtures: Mixtures,
    block: tuple[Tally, ...],
    bounds: tuple[Bounds, Bounds, Bounds],
    copies: int,
) -> Mixtures:
    """After one more block, given its tallies per dataset.

    `bounds` are tolerance, margin and equality over all hypotheses.

    Raises:
        MetricFailedError: a metric's code failed.
    """
    tallies = tuple(one + two for one, two in zip(mixtures.tallies, block, strict=True))
    before = mixtures.matched or (None,) * len(block)
    matched = tuple(fold_tallies(one, (two,)) for one, two in zip(before, block, strict=True))
    tolerance, margin, equal = bounds
    regression, non_inferior = mixtures.log_regression.copy(), mixtures.log_non_inferior.copy()
    improved = mixtures.log_improved.copy()
    weights = copy_log_weights(copies)
    waiting = math.log(max(float(np.exp(weights[len(mixtures.late) + 1 :]).sum()), 1e-300))
    for each in estimates:
        here = slice(each.hypothesis, each.hypothesis + each.slots)
        whole = matched[each.dataset]
        found = compared(each.metric, whole.effective[0])
        sign = worse_sign(each.metric)
        within = tolerance.part(here)
        parts = [weights[0] + log_worse(found, sign, within, each.phi)]
        for copy, earlier in enumerate(mixtures.late, start=1):
            since = compared(each.metric, whole.since(earlier[each.dataset]).effective[0])
            parts.append(weights[copy] + log_worse(since, sign, within, each.phi))
        parts.append(np.full(each.slots, waiting))
        regression[here] = log_mean(np.stack(parts), np.zeros(len(parts)))
        non_inferior[here] = log_better(found, sign, margin.part(here), each.phi)
        better = log_better(found, sign, equal.part(here), each.phi)
        improved[here] = np.where(margin.part(here).is_two_sided, 0.0, better)
    return Mixtures(tallies, matched, mixtures.late, regression, non_inferior, improved)


def log_worse(found: Compared, sign: int, bounds: Bounds, phi: FloatArray) -> FloatArray:
    """Log e-values (slots,) against H0 "within the bounds"; with two bounds, both sides are averaged."""
    bounds = bounds.beside(found.baseline)
    upper = log_mixture(*worseness(found, sign, bounds.ratio, phi), bounds.delta, found.taus)
    if not bounds.is_two_sided.any():
        return upper
    difference, variance = worseness(found, -sign, bounds.lower_ratio, phi)
    lower = log_mixture(difference, variance, bounds.lower_delta, found.taus)
    return np.where(bounds.is_two_sided, np.logaddexp(upper, lower) - np.log(2), upper)


def log_better(found: Compared, sign: int, bounds: Bounds, phi: FloatArray) -> FloatArray:
    """Log e-values (slots,) of H0: at or beyond the bounds. Where there are two, the smaller one."""
    bounds = bounds.beside(found.baseline)
    difference, variance = worseness(_as_at_margin(found, sign, bounds), sign, bounds.ratio, phi)
    upper = log_mixture(-difference, variance, -bounds.delta, found.taus)
    if not bounds.is_two_sided.any():
        return upper
    difference, variance = worseness(found, -sign, bounds.lower_ratio, phi)
    lower = log_mixture(-difference, variance, -bounds.lower_delta, found.taus)
    return np.where(bounds.is_two_sided, np.minimum(upper, lower), upper)


def _as_at_margin(found: Compared, sign: int, bounds: Bounds) -> Compared:
    """With the candidate's variance as it would be at its margin, of an area or share that is near its best, 1.

    While no badly ranked row has been seen the estimate looks surer than it is. One observation in `units` is taken as
    the least that can be told.
    """
    if sign > 0 or not found.is_area:
        return found
    best = np.fmax(found.candidate, found.baseline)
    least = 1 / np.maximum(found.units.min(axis=-1), 1.0)
    gap = np.maximum((1 - bounds.ratio) * found.baseline + bounds.delta, 0.0)
    factor = (1 - found.baseline + gap + least) / np.maximum(1 - best + least, 1e-12)
    return replace(found, candidate_variance=found.candidate_variance * np.maximum(factor, 1.0))


def worseness(found: Compared, sign: int, ratio: FloatArray, phi: FloatArray) -> tuple[FloatArray, FloatArray]:
    """How much worse the candidate is, sign·(a − R·b), and its variance times φ; NaN with too few observations."""
    difference = np.where(found.enough, sign * (found.candidate - ratio * found.baseline), np.nan)
    variance = phi * (found.candidate_variance + ratio**2 * found.baseline_variance)
    return difference, np.where(found.enough, variance, np.nan)
