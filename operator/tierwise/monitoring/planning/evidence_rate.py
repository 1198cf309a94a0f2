"""Computes how fast the evidence on one metric grows in every slice, with the traffic of the past. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from tierwise.arrays import FloatArray
from tierwise.metrics.metric import Metric, Proportion
from tierwise.monitoring.counts.measures import compared, counted, expected_variance, worse_sign
from tierwise.monitoring.planning.drop import bad_rate, own_value
from tierwise.monitoring.planning.expectations import range_width, ranges
from tierwise.monitoring.planning.history import TierHistory
from tierwise.monitoring.planning.power import absolute_gap, kept_gap, margin_that_keeps
from tierwise.monitoring.planning.tier_plan import DatasetPlan
from tierwise.stats import delay, power
from tierwise.stats.mixture import log_mixture
from tierwise.stats.overdispersion import widened

_LONGEST = 10 * 365 * 86_400.0  # seconds; a longer time counts as never
_STEPS = 60


class Speed(Protocol):
    """One metric of one dataset; arrays are over its slices, values in the metric's own direction."""

    @property
    def per_second(self) -> FloatArray:
        """What the metric counts per second, in both arms together."""
        ...

    @property
    def values(self) -> FloatArray:
        """The baseline's values; NaN where none can be computed."""
        ...

    def tolerance(self, before: float) -> float:
        """The tolerance as a difference, for this value of the baseline."""
        ...

    def seconds(self, slot: int, exposure: float, before: float, after: float, log_threshold: float) -> float:
        """Seconds until a regression to `after` is expected to be decided; infinite for never."""
        ...

    def smallest(self, exposure: float, log_threshold: FloatArray, seconds: float) -> FloatArray:
        """The best value of the candidate that is still rolled back in time; NaN if none is."""
        ...

    def pass_seconds(self, exposure: float, worse: FloatArray | None = None) -> FloatArray:
        """Until half of the candidates have passed that are equal, or `worse` by so much (in the margin's unit)."""
        ...

    def margin(self, before: float) -> float:
        """The margin as a difference, at this value of the baseline."""
        ...

    def worse(self, before: float, after: float) -> float:
        """How much worse `after` is than `before`, in the margin's unit."""
        ...

    def last_promoted(self, exposure: float) -> FloatArray:
        """The candidate's value from which on it is never shown to be within the margin."""
        ...

    def margin_needed(self, exposure: float, seconds: float) -> FloatArray:
        """The margin, as a difference, at which the slice would be powered."""
        ...


def speed_of(plan: DatasetPlan, row: int, past: TierHistory, seconds: float) -> Speed | None:
    """The speed of a metric; None for a shift, which has no value. `past` covers `seconds`."""
    metric, size = plan.metric(row), len(plan.slices)
    phi = np.asarray(plan.phi[row, :size], dtype=np.float64)
    match plan.engine(row):
        case "betting":
            n = counted(metric, past.window)[0].sum(axis=-1)
            return _Bets(plan, row, metric, n / seconds, np.asarray(plan.prior_rates[row], dtype=np.float64), phi)
        case "mixture":
            # The variance of one second's observations of both arms. An arm with a share s of them has 1/s of it.
            value, variance, _ = expected_variance(metric, past.window, (1 / seconds, 1 / seconds))
            found = compared(metric, past.window)
            taus = found.taus if found.taus.ndim == 2 else np.repeat(found.taus[:, None], size, axis=1)
            mixture = _Mixture(plan, row, metric, found.units.sum(axis=-1) / seconds, value, variance * phi, taus)
            # With sample weights a proportion is estimated too, by its share of bad.
            return _WeightedShares(mixture) if isinstance(metric.measure, Proportion) else mixture
        case "shift":
            return None


@dataclass(frozen=True, slots=True, eq=False)
class _Bets:
    """A proportion, judged by block bets: evidence grows by the divergence of the arms' rates from the tolerance."""

    plan: DatasetPlan
    row: int
    metric: Metric
    per_second: FloatArray
    rate: FloatArray
    phi: FloatArray

    @property
    def values(self) -> FloatArray:
        return np.array([own_value(self.metric.name, float(rate)) for rate in self.rate])

    def tolerance(self, before: float) -> float:
        tolerance = self.plan.metrics[self.row].tolerance
        return float(absolute_gap(tolerance, np.array([bad_rate(self.metric.name, before)]))[0])

    def seconds(self, slot: int, exposure: float, before: float, after: float, log_threshold: float) -> float:
        na, nb = (float(rows[slot]) for rows in self._arms(exposure))
        base, worse = bad_rate(self.metric.name, before), bad_rate(self.metric.name, after)
        counts = np.array([[na], [na * worse], [nb], [nb * base]])
        needed = np.array([log_threshold * self.phi[slot]])
        null = self._null(np.array([base]), self._bias(exposure)[slot : slot + 1])
        return float(delay.seconds_to_regression(counts, *null, needed)[0])

    def smallest(self, exposure: float, log_threshold: FloatArray, seconds: float) -> FloatArray:
        null = self._null(self.rate, self._bias(exposure))
        found = delay.smallest_regression(self._arms(exposure), self.rate, *null, log_threshold * self.phi, seconds)
        return np.array([own_value(self.metric.name, float(rate)) if rate == rate else math.nan for rate in found])

    def pass_seconds(self, exposure: float, worse: FloatArray | None = None) -> FloatArray:
        gap = self._gap(exposure) if worse is None else np.maximum(self._gap(exposure) - worse, 0.0)
        return self.phi * delay.seconds_to_pass(self._arms(exposure), self.rate, gap)

    def margin(self, before: float) -> float:
        margin = self.plan.metrics[self.row].margin
        return float(absolute_gap(margin, np.array([bad_rate(self.metric.name, before)]))[0])

    def worse(self, before: float, after: float) -> float:
        return bad_rate(self.metric.name, after) - bad_rate(self.metric.name, before)

    def last_promoted(self, exposure: float) -> FloatArray:
        last = np.minimum(self.rate + self._gap(exposure), 1.0)
        return np.array([own_value(self.metric.name, float(rate)) for rate in last])

    def margin_needed(self, exposure: float, seconds: float) -> FloatArray:
        rows = power.harmonic(*self._arms(exposure)) * seconds
        spread = power.POWER_FACTOR * 4 * self.phi * self.rate * (1 - self.rate) * math.log(power.PASS_AT)
        net = np.sqrt(np.where(rows > 0, spread / np.where(rows > 0, rows, 1.0), np.inf))
        return margin_that_keeps(self.plan.metrics[self.row].margin, self.rate, self._bias(exposure), net)

    def _arms(self, exposure: float) -> tuple[FloatArray, FloatArray]:
        return self.per_second * exposure, self.per_second * (1 - exposure)

    def _gap(self, exposure: float) -> FloatArray:
        """What is left of the margin."""
        gap = kept_gap(self.plan.metrics[self.row].margin, self.rate, self._bias(exposure))
        return _within_ranges(self.plan, self.metric, gap)

    def _bias(self, exposure: float) -> FloatArray:
        """How far pods and users make the arms differ without a difference of versions: log-odds (slices,)."""
        return np.maximum(self.plan.apart[self.row, : len(self.rate)], self.plan.pod_bias(self.row, exposure))

    def _null(self, rate: FloatArray, bias: FloatArray) -> tuple[FloatArray, FloatArray]:
        tolerance = self.plan.metrics[self.row].tolerance
        ratio, delta = (
            np.full(len(rate), 1 + (tolerance.relative or 0.0)),
            np.full(len(rate), tolerance.absolute or 0.0),
        )
        return widened(ratio, delta, rate, bias)


@dataclass(frozen=True, slots=True, eq=False)
class _Mixture:
    """An estimate, judged by the Gaussian mixture. V falls as 1/t.

    The time is 1.5 times the time of the evidence on the expected path. The factor is needed because the past's
    variance is too small for a worse candidate, and the test uses the larger of two estimates of it. `variance` is that
    of one second's observations of both arms pooled, with φ. `taus` is (T, slices).
    """

    plan: DatasetPlan
    row: int
    metric: Metric
    per_second: FloatArray
    values: FloatArray
    variance: FloatArray
    taus: FloatArray

    def tolerance(self, before: float) -> float:
        return float(absolute_gap(self.plan.metrics[self.row].tolerance, np.array([before]))[0])

    def seconds(self, slot: int, exposure: float, before: float, after: float, log_threshold: float) -> float:
        difference = worse_sign(self.metric) * (after - before)
        only = slice(slot, slot + 1)
        beyond = difference - self.tolerance(before) - self._apart[only]
        least = self._seconds(beyond, np.array([log_threshold]), self._variance(exposure)[only], only)
        return delay.LEARNING * float(least[0])

    def smallest(self, exposure: float, log_threshold: FloatArray, seconds: float) -> FloatArray:
        variance = self._variance(exposure) * delay.LEARNING / seconds
        low, high = np.zeros_like(variance), np.sqrt(2 * variance * (log_threshold + 40))
        for _ in range(_STEPS):
            middle = (low + high) / 2
            enough = log_mixture(middle, variance, 0.0, self.taus) >= log_threshold
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        tolerance = np.array([self.tolerance(float(value)) for value in self.values])
        return np.asarray(self.values + worse_sign(self.metric) * (high + tolerance + self._apart))

    def pass_seconds(self, exposure: float, worse: FloatArray | None = None) -> FloatArray:
        gap = self._gap() if worse is None else self._gap() - worse
        needed = 2 * math.log(power.PASS_AT) * self._variance(exposure)
        return np.where((gap > 0) & np.isfinite(needed), needed / np.where(gap > 0, gap, 1.0) ** 2, np.inf)

    def margin_needed(self, exposure: float, seconds: float) -> FloatArray:
        needed = power.POWER_FACTOR * 2 * math.log(power.PASS_AT) * self._variance(exposure)
        return np.sqrt(np.where(np.isfinite(needed), needed, np.inf) / seconds) + self._apart

    def margin(self, before: float) -> float:
        return float(absolute_gap(self.plan.metrics[self.row].margin, np.array([before]))[0])

    def worse(self, before: float, after: float) -> float:
        return worse_sign(self.metric) * (after - before)

    def last_promoted(self, exposure: float) -> FloatArray:  # noqa: ARG002  # of shares it decides
        return np.asarray(self.values + worse_sign(self.metric) * np.maximum(self._gap(), 0.0))

    @property
    def _apart(self) -> FloatArray:
        """How far the arms' own users differ without a difference of versions (slices,)."""
        return self.plan.apart[self.row, : len(self.values)]

    def _gap(self) -> FloatArray:
        """What is left of the margin."""
        gap = absolute_gap(self.plan.metrics[self.row].margin, self.values) - self._apart
        return _within_ranges(self.plan, self.metric, gap)

    def _variance(self, exposure: float) -> FloatArray:
        return np.asarray(self.variance * (1 / exposure + 1 / (1 - exposure)))

    def _seconds(self, beyond: FloatArray, threshold: FloatArray, variance: FloatArray, slots: slice) -> FloatArray:
        low, high = np.zeros_like(beyond), np.full_like(beyond, math.log(_LONGEST))
        taus = self.taus[:, slots]
        reached = (beyond > 0) & (log_mixture(beyond, variance / _LONGEST, 0.0, taus) >= threshold)
        for _ in range(_STEPS):
            middle = (low + high) / 2
            enough = log_mixture(beyond, variance / np.exp(middle), 0.0, taus) >= threshold
            low, high = np.where(enough, low, middle), np.where(enough, middle, high)
        return np.where(reached, np.exp(high), np.inf)


@dataclass(frozen=True, slots=True, eq=False)
class _WeightedShares:
    """A proportion with sample weights: a mixture of shares of bad, with values in the metric's own direction."""

    shares: _Mixture

    @property
    def per_second(self) -> FloatArray:
        return self.shares.per_second

    @property
    def values(self) -> FloatArray:
        return self._own(self.shares.values)

    def tolerance(self, before: float) -> float:
        return self.shares.tolerance(self._bad(before))

    def seconds(self, slot: int, exposure: float, before: float, after: float, log_threshold: float) -> float:
        return self.shares.seconds(slot, exposure, self._bad(before), self._bad(after), log_threshold)

    def smallest(self, exposure: float, log_threshold: FloatArray, seconds: float) -> FloatArray:
        return self._own(self.shares.smallest(exposure, log_threshold, seconds))

    def pass_seconds(self, exposure: float, worse: FloatArray | None = None) -> FloatArray:
        return self.shares.pass_seconds(exposure, worse)

    def margin(self, before: float) -> float:
        return self.shares.margin(self._bad(before))

    def worse(self, before: float, after: float) -> float:
        return self.shares.worse(self._bad(before), self._bad(after))

    def last_promoted(self, exposure: float) -> FloatArray:
        return self._own(np.clip(self.shares.last_promoted(exposure), 0.0, 1.0))

    def margin_needed(self, exposure: float, seconds: float) -> FloatArray:
        return self.shares.margin_needed(exposure, seconds)

    def _bad(self, value: float) -> float:
        return bad_rate(self.shares.metric.name, value) if math.isfinite(value) else math.nan

    def _own(self, shares: FloatArray) -> FloatArray:
        """Values in the metric's own direction; NaN for a share that is unknown or above 1, which is impossible."""
        name = self.shares.metric.name
        return np.array([own_value(name, float(x)) if 0 <= x <= 1 else math.nan for x in shares])


def _within_ranges(plan: DatasetPlan, metric: Metric, gap: FloatArray) -> FloatArray:
    """Half of a wanted range stands in the place of the margin."""
    for slot, wish in ranges(plan.expect, metric.name, plan.slices).items():
        gap[slot] = range_width(wish) / 2
    return gap
