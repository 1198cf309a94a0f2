"""Compares estimates and weighted shares without a concurrent control: with the past, and within strata. Pure.

A tally here has the past, or the tiers to come, as its baseline arm, and the version as its candidate arm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tierwise.arrays import BoolArray, FloatArray
from tierwise.metrics.metric import Proportion
from tierwise.metrics.tally import Tally
from tierwise.metrics.weighted import weighted
from tierwise.monitoring.counts.measures import Compared, compared, worse_sign
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE
from tierwise.monitoring.planning.bounds import Bounds, tolerance_of
from tierwise.monitoring.verification.hypotheses import Group, Hypotheses
from tierwise.stats.days import MIN_DAYS, day_bound
from tierwise.stats.estimated import Moments, beyond_past, within_strata
from tierwise.stats.history import ENOUGH
from tierwise.stats.mixture import log_mixture

_Worse = Callable[[int, FloatArray, FloatArray], FloatArray]  # side, R, Δ -> log e-values


@dataclass(frozen=True, slots=True, eq=False)
class Days:
    """How many past days a group of hypotheses is set beside, and what their differences take off what is seen."""

    count: int
    of: Hypotheses
    group: Group

    def bound(self, days: Moments, apart: FloatArray, variance: FloatArray) -> FloatArray:
        """As `stats.days.day_bound`, (slots,); 0 with too few days."""
        if self.count < MIN_DAYS:
            return np.zeros(self.group.slots)
        return day_bound(days, apart, variance, self.of.levels(self.group), self.of.day_tail)


@dataclass(frozen=True, slots=True, eq=False)
class Beyond:
    """Differences beyond the bounds and their variances (2, slots), worse and its mirror; NaN with too few rows.

    `taus` (T, slots or 1) are the mixture's scales.
    """

    difference: FloatArray
    variance: FloatArray
    taus: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Standardised:
    """Both arms' values within strata, with the same weights, (slots,); `units` (slots, 2) of the strata that count."""

    candidate: FloatArray
    baseline: FloatArray
    units: FloatArray


def past_shares(group: Group, tally: Tally) -> FloatArray:
    """(4, slots): effective n and bad, now and before, of a proportion with sample weights.

    n is p(1 − p)/Var(p), the number of independent rows with the same variance.
    """
    assert isinstance(group.metric.measure, Proportion)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = weighted(group.metric.measure, tally)
        n = np.nan_to_num(found.value * (1 - found.value) / found.variance, posinf=0.0)
    bad = n * np.nan_to_num(found.value)
    return np.stack([n[:, CANDIDATE], bad[:, CANDIDATE], n[:, BASELINE], bad[:, BASELINE]])


def past_beyond(group: Group, tallies: Sequence[Tally], bounds: Bounds, days: Days) -> Beyond:
    """How far an estimate is worse than the past lets expect, days that differ and the tolerance taken off; its mirror.

    `tallies` are of now beside each day, of the version's place and, where there are some, of the tiers to come: the
    change there is taken off as a factor where the tolerance is relative, else as a difference.

    Raises:
        MetricFailedError: the metric's code failed.
    """
    found = [compared(group.metric, tally) for tally in tallies]
    now, before = _moments(found[: days.count])
    others = _moments(found[days.count :]) if len(tallies) > days.count else None
    as_factor = bool(tolerance_of(group.spec).relative)
    sign = worse_sign(group.metric)

    def beyond(side: int, ratio: FloatArray, delta: FloatArray) -> tuple[FloatArray, FloatArray]:
        difference, variance, by_day = beyond_past(now, before, side, ratio, elsewhere=others, as_factor=as_factor)
        variance = days.of.phi * variance
        apart = np.sqrt(1 + np.square(ratio) / days.count)
        return difference - delta - days.bound(by_day, apart, variance), variance

    sides = (beyond(sign, bounds.ratio, bounds.delta), beyond(-sign, bounds.lower_ratio, bounds.lower_delta))
    taus = np.asarray(found[0].taus, dtype=np.float64)
    return Beyond(
        np.stack([difference for difference, _ in sides]),
        np.stack([variance for _, variance in sides]),
        taus if taus.ndim == 2 else taus[:, np.newaxis],
    )


def strata_evidence(of: Hypotheses, group: Group, tally: Tally, bounds: Bounds) -> FloatArray:
    """Log e-values (slots,) of "worse than the tolerance in some stratum" from a tally of pairs; 0 with too few rows.

    Raises:
        MetricFailedError: the metric's code failed.
    """
    owner = of.pairs[group.dataset].slot
    if not len(owner):
        return np.zeros(group.slots)
    found = compared(group.metric, tally)
    sign, enough = worse_sign(group.metric), _is_enough(group, found)

    def worse(side: int, ratio: FloatArray, delta: FloatArray) -> FloatArray:
        at = ratio[owner]
        difference = np.where(enough, side * (found.candidate - at * found.baseline), np.nan)
        variance = found.candidate_variance + at**2 * found.baseline_variance
        common, spread, share = within_strata(difference, variance, found.units, owner, group.slots)
        if group.how == "weighted":
            common = np.where(_has_events(found, share, owner, group.slots), common, np.nan)
        taus = found.taus
        if taus.ndim == 2:
            taus = np.stack([np.bincount(owner, share * np.nan_to_num(row), group.slots) for row in taus])
        return log_mixture(common, of.phi * spread, delta, taus)

    return _either_way(worse, sign, bounds)


def standardised(of: Hypotheses, group: Group, tally: Tally) -> Standardised:
    """The values that the comparison within strata compares."""
    owner = of.pairs[group.dataset].slot
    found = compared(group.metric, tally)
    enough = _is_enough(group, found)
    difference = np.where(enough, found.candidate - found.baseline, np.nan)
    variance = found.candidate_variance + found.baseline_variance
    common, _, share = within_strata(difference, variance, found.units, owner, group.slots)
    used = np.where((share > 0)[:, np.newaxis], found.units, 0.0)
    values = [
        np.bincount(owner, np.nan_to_num(share * x), group.slots).astype(np.float64)
        for x in (found.candidate, found.baseline)
    ]
    one, two = (np.where(np.isfinite(common), value, np.nan) for value in values)
    rows = [np.bincount(owner, used[:, arm], group.slots).astype(np.float64) for arm in (BASELINE, CANDIDATE)]
    return Standardised(one, two, np.stack(rows, axis=1))


def _either_way(worse: _Worse, sign: int, bounds: Bounds) -> FloatArray:
    upper = worse(sign, bounds.ratio, bounds.delta)
    if not bounds.is_two_sided.any():
        return upper
    lower = worse(-sign, bounds.lower_ratio, bounds.lower_delta)
    return np.where(bounds.is_two_sided, np.logaddexp(upper, lower) - np.log(2), upper)


def _moments(found: Sequence[Compared]) -> tuple[Moments, Moments]:
    """Of now, which all pairs have, and of each day before (D, slots)."""

    def known(values: Sequence[FloatArray]) -> FloatArray:
        return np.stack([np.where(one.enough, value, np.nan) for one, value in zip(found, values, strict=True)])

    now = Moments(
        np.where(found[0].enough, found[0].candidate, np.nan),
        np.where(found[0].enough, found[0].candidate_variance, np.nan),
    )
    return now, Moments(known([one.baseline for one in found]), known([one.baseline_variance for one in found]))


def _is_enough(group: Group, found: Compared) -> BoolArray:
    """Strata with enough rows. For shares only the number of rows decides: waiting for errors would bias the shares."""
    if group.how == "weighted":
        return np.isfinite(found.candidate) & np.isfinite(found.baseline)
    return found.enough


def _has_events(found: Compared, share: FloatArray, owner: npt.NDArray[np.intp], slots: int) -> BoolArray:
    """Whether the strata together have at least 30 bad and 30 good effective rows in each arm."""
    enough = np.ones(slots, dtype=np.bool_)
    for arm, value in ((CANDIDATE, found.candidate), (BASELINE, found.baseline)):
        rows = np.where(share > 0, found.units[:, arm], 0.0)
        for part in (np.nan_to_num(value), 1 - np.nan_to_num(value)):
            enough &= np.bincount(owner, rows * part, slots) >= ENOUGH
    return enough
