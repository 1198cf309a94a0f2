"""What a tier's plan will be able to see, and when, at the traffic that the log has. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tierwise.api.common import Margin
from tierwise.api.slices import WHOLE
from tierwise.metrics import registry
from tierwise.monitoring.cells import Cells, FloatArray
from tierwise.monitoring.drop import Drop, bad_rate, is_planned, own_value
from tierwise.monitoring.plan import DatasetPlan, TierPlan, absolute_gap
from tierwise.stats import delay, power
from tierwise.stats.multiplicity import level_weights, log_decision_threshold

EXPOSURES = tuple(percent / 100 for percent in range(1, 91))


@dataclass(frozen=True, slots=True)
class SliceForecast:
    """One slice x metric. `labels_per_hour` is what the metric counts, both arms together.

    `smallest_drop` is the candidate's value, in the metric's own direction, that is just seen within maxDuration; None
    where none is. `pass_seconds`: half of equal candidates have been shown non-inferior, `sure_seconds`: 99.7 %.
    `margin_needed` (a difference of rates) would make it powered.
    """

    dataset: str
    metric: str
    slice: str
    labels_per_hour: float
    value: float
    powered: bool
    smallest_drop: float | None
    pass_seconds: float | None
    sure_seconds: float | None
    margin_needed: float | None


@dataclass(frozen=True, slots=True)
class DropForecast:
    """One drop. `labels` and `seconds` are None where it can never be seen: within the tolerance, or no rows.

    `evidence` is ln(K/(w·α)), what has to be gathered. `exposure_needed` is the smallest exposure, and
    `hypotheses_allowed` the largest K, at which it would fit maxDuration; None where there is none.
    """

    drop: Drop
    dataset: str
    before: float
    labels_per_hour: float
    tolerance: float
    evidence: float
    labels: int | None
    seconds: float | None
    fits: bool
    exposure_needed: float | None
    hypotheses_allowed: int | None


@dataclass(frozen=True, slots=True)
class TierForecast:
    """All of a tier; `not_planned` are metrics that are no proportions."""

    plan: TierPlan
    exposure: float
    max_seconds: float
    drops: tuple[DropForecast, ...]
    slices: tuple[SliceForecast, ...]
    not_planned: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """One metric of one dataset: arrays over its slices."""

    dataset: DatasetPlan
    index: int
    per_second: FloatArray  # observations of both arms
    rate: FloatArray
    log_threshold: FloatArray
    ratio: float
    delta: float
    gap: FloatArray  # the margin

    def arms(self, exposure: float) -> tuple[FloatArray, FloatArray]:
        return self.per_second * exposure, self.per_second * (1 - exposure)


def forecast_tier(
    plan: TierPlan,
    history: Mapping[str, Cells],
    covered_seconds: float,
    *,
    exposure: float,
    max_seconds: float,
    drops: Sequence[Drop] = (),
) -> TierForecast:
    """What the plan made of `history` (baseline rows of so many seconds) can see.

    Every drop must name a metric of the plan; it is told for each dataset that judges it.
    """
    rows = [
        _row(plan, dataset, index, history[dataset.dataset.name], covered_seconds)
        for dataset in plan.datasets
        for index, metric in enumerate(dataset.metrics)
        if is_planned(metric.name)
    ]
    others = [m.name for d in plan.datasets for m in d.metrics if not is_planned(m.name)]
    return TierForecast(
        plan=plan,
        exposure=exposure,
        max_seconds=max_seconds,
        drops=tuple(
            _of_drop(plan, row, drop, exposure, max_seconds)
            for drop in drops
            for row in rows
            if row.dataset.metrics[row.index].name == drop.metric
        ),
        slices=tuple(found for row in rows for found in _of_slices(row, exposure, max_seconds)),
        not_planned=tuple(dict.fromkeys(others)),
    )


def _row(plan: TierPlan, dataset: DatasetPlan, index: int, cells: Cells, seconds: float) -> _Row:
    position = {key: i for i, key in enumerate(cells.slices)}
    total = cells.counts.sum(axis=0)
    counts = np.zeros((len(dataset.slices), *total.shape[1:]), dtype=np.int64)
    for slot, key in enumerate(dataset.slices):
        if key in position:
            counts[slot] = total[position[key]]
    metric = dataset.metrics[index]
    n = registry.get(metric.name).n_bad(counts)[0].sum(axis=-1)
    levels = np.array([0 if key == WHOLE else key.count("=") for key in dataset.slices])
    weights = level_weights(levels, dataset.reserved_slots)[: len(dataset.slices)]
    waits = math.log(2) if plan.copies > 1 else 0.0  # half of the weight is kept for changes that come later
    rate = np.asarray(dataset.prior_rates[index], dtype=np.float64)
    return _Row(
        dataset=dataset,
        index=index,
        per_second=n / seconds,
        rate=rate,
        log_threshold=log_decision_threshold(plan.hypotheses, plan.alpha) - np.log(weights) + waits,
        ratio=1 + (metric.tolerance.relative or 0.0),
        delta=metric.tolerance.absolute or 0.0,
        gap=absolute_gap(metric.margin, rate),
    )


def _of_slices(row: _Row, exposure: float, max_seconds: float) -> list[SliceForecast]:
    metric = row.dataset.metrics[row.index]
    size = len(row.rate)
    arms = row.arms(exposure)
    ratio, delta = np.full(size, row.ratio), np.full(size, row.delta)
    smallest = delay.smallest_regression(arms, row.rate, ratio, delta, row.log_threshold, max_seconds)
    half = delay.seconds_to_pass(arms, row.rate, row.gap)
    expected = power.harmonic(*arms) * max_seconds
    margins = np.sqrt(
        power.POWER_FACTOR * 4 * row.rate * (1 - row.rate) * math.log(power.PASS_AT) / np.maximum(expected, 1e-300)
    )
    return [
        SliceForecast(
            dataset=row.dataset.dataset.name,
            metric=metric.name,
            slice=key,
            labels_per_hour=float(row.per_second[i] * 3600),
            value=own_value(metric.name, float(row.rate[i])),
            powered=bool(row.dataset.powered[row.index, i]),
            smallest_drop=None if math.isnan(smallest[i]) else own_value(metric.name, float(smallest[i])),
            pass_seconds=_finite(half[i]),
            sure_seconds=_finite(half[i] * power.POWER_FACTOR),
            margin_needed=float(margins[i]) if margins[i] <= 1 else None,
        )
        for i, key in enumerate(row.dataset.slices)
    ]


def _of_drop(plan: TierPlan, row: _Row, drop: Drop, exposure: float, max_seconds: float) -> DropForecast:
    name = row.dataset.dataset.name
    tolerance = row.dataset.metrics[row.index].tolerance
    if drop.key not in row.dataset.slices:
        before = drop.before if drop.before is not None else own_value(drop.metric, float(row.rate[0]))
        evidence = float(row.log_threshold.max())
        gap = _gap(tolerance, bad_rate(drop.metric, before))
        return DropForecast(drop, name, before, 0.0, gap, evidence, None, None, False, None, None)
    i = row.dataset.slices.index(drop.key)
    base = float(row.rate[i]) if drop.before is None else bad_rate(drop.metric, drop.before)
    worse = bad_rate(drop.metric, drop.after)
    evidence = float(row.log_threshold[i])

    def seconds_at(share: float) -> float:
        na, nb = (float(rows[i]) for rows in row.arms(share))
        counts = np.array([[na], [na * worse], [nb], [nb * base]])
        found = delay.seconds_to_regression(counts, np.array([row.ratio]), np.array([row.delta]), np.array([evidence]))
        return float(found[0])

    seconds = seconds_at(exposure)
    fits = seconds <= max_seconds
    # The evidence that the traffic gives in time would do for so many hypotheses.
    allowed = 0.0 if fits or math.isinf(seconds) else plan.hypotheses * math.exp(evidence * (max_seconds / seconds - 1))
    return DropForecast(
        drop=drop,
        dataset=name,
        before=own_value(drop.metric, base),
        labels_per_hour=float(row.per_second[i] * 3600),
        tolerance=_gap(tolerance, base),
        evidence=evidence,
        labels=math.ceil(seconds * row.per_second[i]) if math.isfinite(seconds) else None,
        seconds=_finite(seconds),
        fits=fits,
        exposure_needed=None if fits else next((s for s in EXPOSURES if seconds_at(s) <= max_seconds), None),
        hypotheses_allowed=int(allowed) or None,
    )


def _gap(margin: Margin, rate: float) -> float:
    return float(absolute_gap(margin, np.array([rate]))[0])


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
