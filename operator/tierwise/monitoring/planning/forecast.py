"""Forecasts which drops a tier's plan can see, and when, with the traffic of the log. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tierwise.api.slices import WHOLE
from tierwise.arrays import FloatArray
from tierwise.monitoring.counts.model import Cells
from tierwise.monitoring.planning.drop import Drop
from tierwise.monitoring.planning.evidence_rate import Speed, speed_of
from tierwise.monitoring.planning.expectations import wished_slices
from tierwise.monitoring.planning.history import past_of
from tierwise.monitoring.planning.tier_plan import DatasetPlan, TierPlan
from tierwise.stats import power
from tierwise.stats.multiplicity import level_weights, log_decision_threshold

EXPOSURES = tuple(percent / 100 for percent in range(1, 91))


@dataclass(frozen=True, slots=True)
class SliceForecast:
    """One slice x metric. `labels_per_hour` is what the metric counts, both arms together.

    `smallest_drop` is the candidate's value, in the metric's own direction, that is just seen within maxDuration; None
    if none is. After `pass_seconds` half of equal candidates have been shown non-inferior, after `sure_seconds` 99.7 %.
    With the margin `margin_needed` (a difference of rates) the slice would be powered.
    """

    dataset: str
    metric: str
    slice: str
    labels_per_hour: float
    value: float | None
    powered: bool
    smallest_drop: float | None
    pass_seconds: float | None
    sure_seconds: float | None
    margin_needed: float | None


@dataclass(frozen=True, slots=True)
class DropForecast:
    """One drop. `labels` and `seconds` are None if it can never be seen: it is within the tolerance, or has no rows.

    `evidence` is ln(K/(w·α)), the evidence that is needed. `exposure_needed` is the smallest exposure, and
    `hypotheses_allowed` the largest K, with which the drop would be seen within maxDuration; None if there is none.
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
    """The forecasts of a tier. `not_planned` are metrics without a value that could drop."""

    plan: TierPlan
    exposure: float
    max_seconds: float
    drops: tuple[DropForecast, ...]
    slices: tuple[SliceForecast, ...]
    not_planned: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Row:
    """One metric of one dataset."""

    dataset: DatasetPlan
    index: int
    speed: Speed
    log_threshold: FloatArray  # (slices,) ln(K/(w·α))

    @property
    def metric(self) -> str:
        return self.dataset.metrics[self.index].name


def forecast_tier(
    plan: TierPlan,
    history: Mapping[str, Cells],
    covered_seconds: float,
    *,
    exposure: float,
    max_seconds: float,
    drops: Sequence[Drop] = (),
) -> TierForecast:
    """Forecast what the plan can see, from `history`: the baseline's rows of this many seconds.

    Every drop must name a metric of the plan. It gets a forecast for each dataset that judges the metric.
    """
    rows = list(_rows(plan, history, covered_seconds))
    planned = {row.metric for row in rows}
    others = [m.name for d in plan.datasets for m in d.metrics if m.name not in planned]
    return TierForecast(
        plan=plan,
        exposure=exposure,
        max_seconds=max_seconds,
        drops=tuple(
            _of_drop(plan, row, drop, exposure, max_seconds)
            for drop in drops
            for row in rows
            if row.metric == drop.metric
        ),
        slices=tuple(found for row in rows for found in _of_slices(row, exposure, max_seconds)),
        not_planned=tuple(dict.fromkeys(others)),
    )


def _rows(plan: TierPlan, history: Mapping[str, Cells], seconds: float) -> Iterator[_Row]:
    # Half of the weight is kept for changes that come later.
    waits = -math.log(plan.late_onset.first)
    for dataset in plan.datasets:
        past = past_of(dataset.dataset, history[dataset.dataset.name], wished_slices(dataset.expect))
        levels = np.array([0 if key == WHOLE else key.count("=") for key in dataset.slices])
        weights = level_weights(levels, dataset.reserved_slots)[: len(dataset.slices)]
        threshold = log_decision_threshold(plan.hypotheses, plan.alpha) - np.log(weights) + waits
        for index in range(len(dataset.metrics)):
            speed = speed_of(dataset, index, past, seconds)
            if speed is not None:
                yield _Row(dataset, index, speed, threshold)


def _of_slices(row: _Row, exposure: float, max_seconds: float) -> list[SliceForecast]:
    speed = row.speed
    smallest = speed.smallest(exposure, row.log_threshold, max_seconds)
    half = speed.pass_seconds(exposure)
    margins = speed.margin_needed(exposure, max_seconds)
    values, labels = speed.values, speed.per_second * 3600
    return [
        SliceForecast(
            dataset=row.dataset.dataset.name,
            metric=row.metric,
            slice=key,
            labels_per_hour=float(labels[i]),
            value=_finite(values[i]) if labels[i] > 0 else None,  # without a row it would be the prior rate
            powered=bool(row.dataset.powered[row.index, i]),
            smallest_drop=_finite(smallest[i]),
            pass_seconds=_finite(half[i]),
            sure_seconds=_finite(half[i] * power.POWER_FACTOR),
            margin_needed=_finite(margins[i]),
        )
        for i, key in enumerate(row.dataset.slices)
    ]


def _of_drop(plan: TierPlan, row: _Row, drop: Drop, exposure: float, max_seconds: float) -> DropForecast:
    name = row.dataset.dataset.name
    here = drop.key in row.dataset.slices
    slot = row.dataset.slices.index(drop.key) if here else 0
    known = float(row.speed.values[slot])
    before = known if drop.before is None else drop.before
    evidence = float(row.log_threshold[slot] if here else row.log_threshold.max())
    labels = float(row.speed.per_second[slot]) if here else 0.0

    def seconds_at(share: float) -> float:
        return row.speed.seconds(slot, share, before, drop.after, evidence) if labels > 0 else math.inf

    seconds = seconds_at(exposure)
    fits = seconds <= max_seconds
    # The evidence that the traffic gives in time is enough for this many hypotheses.
    allowed = 0.0 if fits or math.isinf(seconds) else plan.hypotheses * math.exp(evidence * (max_seconds / seconds - 1))
    return DropForecast(
        drop=drop,
        dataset=name,
        before=before,
        labels_per_hour=labels * 3600,
        tolerance=row.speed.tolerance(before),
        evidence=evidence,
        labels=math.ceil(seconds * labels) if math.isfinite(seconds) else None,
        seconds=_finite(seconds),
        fits=fits,
        exposure_needed=None if fits else next((s for s in EXPOSURES if seconds_at(s) <= max_seconds), None),
        hypotheses_allowed=int(allowed) or None,
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
