"""Learns from the past of one metric: its rates, which slices have enough rows, where a shift is judged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tierwise.api.common import Margin
from tierwise.arrays import BoolArray, FloatArray
from tierwise.metrics.kinds.shift import deciles
from tierwise.metrics.metric import Metric, Proportion, Shift
from tierwise.monitoring.counts.measures import counted, engine_of, expected_variance, metric_for, worse_sign
from tierwise.monitoring.counts.model import BASELINE, Dataset
from tierwise.monitoring.planning.history import TierHistory
from tierwise.stats import overdispersion, power
from tierwise.stats.split import PRESENCE_TOLERANCE

DEFAULT_RATE = 0.05  # p0 without history
_ROUNDS = 8  # of a fixed point
_OWN = 10  # the rate of a small slice is computed with this many rows at the rate of the whole added


@dataclass(frozen=True, slots=True, eq=False)
class Known:
    """What the past tells of one metric. The arrays are (slices,); `points` are a shift's edges.

    `prior` is the rate of bad rows (0: there is none); `powered` is whether a slice has enough rows. A slice would be
    powered with `times` as much traffic as is expected, or with a margin of `margin` (a difference of rates of bad,
    or of values). Each is infinite where it never would help, as for a shift.
    """

    prior: FloatArray
    powered: BoolArray
    times: FloatArray
    margin: FloatArray
    rate: FloatArray
    points: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Allowed:
    """How much worse a metric may be: the margin, and by slot half the width of a wanted range in its place.

    Two arms differ even with the same version, which uses up a part of the margin. `apart` (slices,) is how far they
    differ by their users (log-odds for a rate, its own unit for an estimate), `pods` by their pods (log-odds).
    """

    margin: Margin
    halves: Mapping[int, float]
    apart: FloatArray
    pods: float


def of_metric(
    metric: Metric,
    dataset: Dataset,
    past: TierHistory,
    allowed: Allowed,
    shares: tuple[float, float],
    phi: FloatArray,
) -> Known:
    """The facts that are known before the start.

    `shares` is the expected number of rows of each arm (candidate, baseline) until maxDuration, divided by the number
    of the past's rows. `phi` is (slices,).
    """
    size = len(past.slices)
    if isinstance(metric.measure, Shift):
        bins = past.before.bins
        none = np.zeros((1, dataset.spec.scale.bins + 1), dtype=np.int64)
        at = deciles(none if bins is None else bins[0], metric.measure.points)
        never = np.full(size, np.inf)
        return Known(np.zeros(size), np.zeros(size, dtype=np.bool_), never, never, np.zeros(size), tuple(at.tolist()))
    prior, usual, n = np.zeros(size), np.zeros(size), np.zeros(size)
    if isinstance(metric.measure, Proportion):
        before_n, before_bad = (x.astype(np.float64) for x in counted(metric, past.before))
        # Three digits keep the status small and the round trip exact.
        prior = np.array([float(f"{r:.3g}") for r in _rates(before_n, before_bad)])
        window_n, window_bad = counted(metric, past.window)
        usual = _rates(*(x[..., BASELINE].astype(np.float64) for x in (window_n, window_bad)))
        n = window_n.sum(axis=-1).astype(np.float64)
    if engine_of(metric, dataset.reads) == "betting":
        bias = np.broadcast_to(np.maximum(allowed.apart, allowed.pods), usual.shape)
        gap = _gap(allowed, kept_gap(allowed.margin, usual, bias))
        na, nb = n * shares[0], n * shares[1]
        times = power.times_needed(na, nb, usual, gap, phi=phi)
        needed = margin_that_keeps(allowed.margin, usual, bias, power.gap_needed(na, nb, usual, phi=phi))
        return Known(prior, power.powered(na, nb, usual, gap, phi=phi), times, needed, usual)
    value, candidate, baseline = expected_variance(metric, past.window, shares)
    gap = _gap(allowed, absolute_gap(allowed.margin, value) - allowed.apart)

    def variance(relative: FloatArray | float) -> FloatArray:
        return np.asarray(candidate + (1 + worse_sign(metric) * relative) ** 2 * baseline)

    now = variance(allowed.margin.relative or 0.0)
    needed = power.gap_needed_by_variance(now, phi=phi) + allowed.apart
    if allowed.margin.relative is not None:  # the larger it is, the more the baseline's own noise counts
        for _ in range(_ROUNDS):
            with np.errstate(divide="ignore", invalid="ignore"):
                needed = power.gap_needed_by_variance(variance(needed / np.abs(value)), phi=phi) + allowed.apart
    times = power.times_needed_by_variance(now, gap, phi=phi)
    return Known(prior, power.powered_by_variance(now, gap, phi=phi), times, needed, np.abs(value))


def _rates(n: FloatArray, bad: FloatArray) -> FloatArray:
    whole = (bad[0] + 0.5) / (n[0] + 1) if n[0] > 0 else DEFAULT_RATE
    return np.asarray((bad + _OWN * whole) / (n + _OWN))


def absolute_gap(margin: Margin, rate: FloatArray) -> FloatArray:
    """A margin as a difference of rates of `bad`, or of values, if the baseline's is `rate`."""
    if margin.relative is not None:
        return np.asarray(margin.relative * np.abs(rate), dtype=np.float64)
    return np.full_like(np.asarray(rate, dtype=np.float64), margin.absolute or 0.0)


def kept_gap(margin: Margin, rate: FloatArray, apart: FloatArray | float) -> FloatArray:
    """`absolute_gap` of rates, minus what arms with the same version differ by (`apart`, log-odds); at least 0."""
    if not np.any(apart):
        return absolute_gap(margin, rate)
    ratio = np.full_like(rate, 1 + (margin.relative or 0.0))
    delta = np.full_like(rate, margin.absolute or 0.0)
    ratio, delta = overdispersion.narrowed(ratio, delta, rate, np.broadcast_to(apart, rate.shape))
    return np.asarray(np.maximum((ratio - 1) * rate + delta, 0.0))


def margin_that_keeps(margin: Margin, rate: FloatArray, bias: FloatArray, net: FloatArray) -> FloatArray:
    """The inverse of `kept_gap`: the margin, as a difference, of which `net` is left."""
    if margin.relative is not None:
        return np.asarray((rate + net) * np.exp(bias) - rate)
    worst = np.clip(rate + net, 1e-9, 1 - 1e-9)
    return np.where(net < np.inf, net + overdispersion.odds_step(worst, bias), np.inf)


def _gap(allowed: Allowed, gap: FloatArray) -> FloatArray:
    for slot, half in allowed.halves.items():
        gap[slot] = half
    return gap


_SMALLEST = 1e-4  # a difference that no log is free of
_PART = 0.5  # of a tolerance: what missing labels alone may do to a rate


def presence_tolerance(dataset: Dataset, past: TierHistory, tolerances: Mapping[str, Margin]) -> float:
    """The difference in the share of labelled rows that moves no metric by more than half its tolerance.

    In the worst case all the additional labels of one arm are of errors. For example, an error rate of 1 % with a
    relative tolerance of 1/8 may move by 1/16 of a percentage point, and so may the share of labelled rows. Never
    above `PRESENCE_TOLERANCE`.
    """
    whole = past.window.counts[0, BASELINE].astype(np.float64)
    rows = whole.sum()
    if rows == 0 or past.window.weights is not None:
        return PRESENCE_TOLERANCE
    found = [PRESENCE_TOLERANCE]
    for name, tolerance in tolerances.items():
        metric = metric_for(name, dataset.spec)
        if not metric.needs_labels or not isinstance(metric.measure, Proportion):
            continue
        n, bad = (float(x[0, BASELINE]) for x in counted(metric, past.window))
        if n > 0:
            gap = float(absolute_gap(tolerance, np.array([(bad + 0.5) / (n + 1)]))[0])
            found.append(_PART * gap * n / rows)
    return float(f"{max(min(found), _SMALLEST):.3g}")
