"""The Gaussian mixture on cumulative tallies: evidence of estimated metrics is a function of all rows so far.

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
from tierwise.monitoring.counts.measures import Compared, compared, worse_sign
from tierwise.monitoring.planning.bounds import Bounds
from tierwise.stats.betting import copy_log_weights, log_mean
from tierwise.stats.mixture import log_mixture

MOST_COPIES = 6


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """One metric's hypotheses of one dataset: `hypothesis` is the first slot's. φ and bounds are over its slots."""

    dataset: int
    metric: Metric
    hypothesis: int
    slots: int
    phi: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Mixtures:
    """What mixtures need of the blocks so far: tallies per dataset, and what they were when each late copy began.

    Logs are over all K hypotheses, 0 where a hypothesis is not a mixture's.
    """

    tallies: tuple[Tally, ...]
    late: tuple[tuple[Tally, ...], ...]
    log_regression: FloatArray
    log_non_inferior: FloatArray
    log_improved: FloatArray


def copies_of(copies: int) -> tuple[int, int]:
    """How many copies mixtures have where bets have `copies`, and how many of their intervals lie between two."""
    every = math.ceil(copies / MOST_COPIES)
    return math.ceil(copies / every), every


def with_copy(mixtures: Mixtures) -> Mixtures:
    """A further late-onset copy begins."""
    return replace(mixtures, late=(*mixtures.late, mixtures.tallies))


def look(
    estimates: tuple[Estimates, ...],
    mixtures: Mixtures,
    block: tuple[Tally, ...],
    bounds: tuple[Bounds, Bounds],
    copies: int,
) -> Mixtures:
    """After one more block, given its tallies per dataset. `bounds` are tolerance and margin over all hypotheses.

    Raises:
        MetricFailedError: a metric's code failed.
    """
    tallies = tuple(one + two for one, two in zip(mixtures.tallies, block, strict=True))
    tolerance, margin = bounds
    regression, non_inferior = mixtures.log_regression.copy(), mixtures.log_non_inferior.copy()
    improved = mixtures.log_improved.copy()
    weights = copy_log_weights(copies)
    waiting = math.log(max(float(np.exp(weights[len(mixtures.late) + 1 :]).sum()), 1e-300))
    for each in estimates:
        here = slice(each.hypothesis, each.hypothesis + each.slots)
        whole = tallies[each.dataset]
        found = compared(each.metric, whole)
        sign = worse_sign(each.metric)
        within = tolerance.part(here)
        parts = [weights[0] + log_worse(found, sign, within, each.phi)]
        for copy, earlier in enumerate(mixtures.late, start=1):
            since = compared(each.metric, whole - earlier[each.dataset])
            parts.append(weights[copy] + log_worse(since, sign, within, each.phi))
        parts.append(np.full(each.slots, waiting))
        regression[here] = log_mean(np.stack(parts), np.zeros(len(parts)))
        non_inferior[here] = log_better(found, sign, margin.part(here), each.phi)
        equal = Bounds.equal(each.slots)
        improved[here] = np.where(margin.part(here).is_two_sided, 0.0, log_better(found, sign, equal, each.phi))
    return Mixtures(tallies, mixtures.late, regression, non_inferior, improved)


def log_worse(found: Compared, sign: int, bounds: Bounds, phi: FloatArray) -> FloatArray:
    """Log e-values (slots,) of H0: within the bounds; both sides averaged where there are two."""
    upper = log_mixture(*worseness(found, sign, bounds.ratio, phi), bounds.delta, found.taus)
    if not bounds.is_two_sided.any():
        return upper
    difference, variance = worseness(found, -sign, bounds.lower_ratio, phi)
    lower = log_mixture(difference, variance, bounds.lower_delta, found.taus)
    return np.where(bounds.is_two_sided, np.logaddexp(upper, lower) - np.log(2), upper)


def log_better(found: Compared, sign: int, bounds: Bounds, phi: FloatArray) -> FloatArray:
    """Log e-values (slots,) of H0: at or beyond the bounds; the smaller one where there are two."""
    difference, variance = worseness(found, sign, bounds.ratio, phi)
    upper = log_mixture(-difference, variance, -bounds.delta, found.taus)
    if not bounds.is_two_sided.any():
        return upper
    difference, variance = worseness(found, -sign, bounds.lower_ratio, phi)
    lower = log_mixture(-difference, variance, -bounds.lower_delta, found.taus)
    return np.where(bounds.is_two_sided, np.minimum(upper, lower), upper)


def worseness(found: Compared, sign: int, ratio: FloatArray, phi: FloatArray) -> tuple[FloatArray, FloatArray]:
    """How much worse the candidate is, sign·(a − R·b), and the variance of that times φ; NaN where it is too few."""
    difference = np.where(found.enough, sign * (found.candidate - ratio * found.baseline), np.nan)
    variance = phi * (found.candidate_variance + ratio**2 * found.baseline_variance)
    return difference, np.where(found.enough, variance, np.nan)
