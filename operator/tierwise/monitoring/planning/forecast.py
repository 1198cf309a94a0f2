"""Forecasts which drops a tier's plan can see, and when, with the traffic of the log. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tierwise.api.slices import WHOLE
from tierwise.arrays import FloatArray
from tierwise.metrics import registry
from tierwise.monitoring.counts.model import Cells
from tierwise.monitoring.planning.drop import Drop
from tierwise.monitoring.planning.evidence_rate import speed_of
from tierwise.monitoring.planning.expectations import wished_slices
from tierwise.monitoring.planning.history import past_of
from tierwise.monitoring.planning.promotion import Course, PlannedMetric, promoted_after
from tierwise.monitoring.planning.tier_plan import TierPlan
from tierwise.stats import power
from tierwise.stats.multiplicity import level_weights, log_decision_threshold, log_suspect_bound

EXPOSURES = tuple(percent / 100 for percent in range(1, 91))


@dataclass(frozen=True, slots=True)
class SliceForecast:
    """One slice x metric. `labels_per_hour` is what the metric counts, both arms together.

    `smallest_drop` is the candidate's value, in the metric's own direction, that is just seen within maxDuration;
    `smallest_in_time` the one that is expected to be seen before the tier is promoted, too. None where none is.
    `pass_seconds`: half of equal candidates have been shown non-inferior, `sure_seconds`: 99.7 %. `margin_needed` (a
    difference of rates) would make it powered.
    """

    dataset: str
    metric: str
    slice: str
    labels_per_hour: float
    value: float | None
    powered: bool
    smallest_drop: float | None
    smallest_in_time: float | None
    pass_seconds: float | None
    sure_seconds: float | None
    margin_needed: float | None


@dataclass(frozen=True, slots=True)
class DropForecast:
    """One drop. `labels` and `seconds` are None if it can never be seen: it is within the tolerance, or has no rows.

    `promoted_seconds` is when a candidate with this drop would be promoted; None where it never passes. `evidence` is
    ln(K/(w·α)), what has to be gathered. `exposure_needed` is the smallest exposure, and `hypotheses_allowed` the
    largest K, at which it would fit maxDuration; None if there is none.
    """

    drop: Drop
    dataset: str
    before: float
    labels_per_hour: float
    tolerance: float
    evidence: float
    labels: int | None
    seconds: float | None
    promoted_seconds: float | None
    fits: bool
    exposure_needed: float | None
    hypotheses_allowed: int | None

    @property
    def in_time(self) -> bool:
        """Whether it is found within maxDuration, and before a promotion."""
        seconds, promoted = self.seconds, self.promoted_seconds
        return self.fits and seconds is not None and (promoted is None or seconds <= promoted)


@dataclass(frozen=True, slots=True)
class TierForecast:
    """The forecasts of a tier; `not_planned` are metrics without a value that could drop.

    `promoted_seconds` is when an equal candidate would be promoted at the earliest; None if it never passes.
    """

    plan: TierPlan
    course: Course
    promoted_seconds: float | None
    drops: tuple[DropForecast, ...]
    slices: tuple[SliceForecast, ...]
    not_planned: tuple[str, ...]


def forecast_tier(
    plan: TierPlan,
    history: Mapping[str, Cells],
    covered_seconds: float,
    course: Course,
    drops: Sequence[Drop] = (),
) -> TierForecast:
    """Forecast what the plan can see, from `history`: the baseline's rows of this many seconds.

    Every drop must name a metric of the plan. It gets a forecast for each dataset that judges the metric.
    """
    rows = list(_rows(plan, history, covered_seconds))
    planned = {row.name for row in rows}
    promoted = promoted_after(rows, course)
    others = [m.name for d in plan.datasets for m in d.metrics if m.name not in planned]
    return TierForecast(
        plan=plan,
        course=course,
        promoted_seconds=_finite(promoted),
        drops=tuple(
            _of_drop(plan, row, drop, course, promoted_after(rows, course, drop))
            for drop in drops
            for row in rows
            if row.name == drop.metric
        ),
        slices=tuple(found for row in rows for found in _of_slices(row, course, promoted)),
        not_planned=tuple(dict.fromkeys(others)),
    )


def _rows(plan: TierPlan, history: Mapping[str, Cells], seconds: float) -> Iterator[PlannedMetric]:
    # Half of the weight is kept for changes that come later.
    waits = -math.log(plan.late_onset.first)
    for dataset in plan.datasets:
        past = past_of(dataset.dataset, history[dataset.dataset.name], wished_slices(dataset.expect))
        levels = np.array([0 if key == WHOLE else key.count("=") for key in dataset.slices])
        weights = level_weights(levels, dataset.reserved_slots)[: len(dataset.slices)]
        threshold = log_decision_threshold(plan.hypotheses, plan.alpha) - np.log(weights) + waits
        suspect = log_suspect_bound(plan.hypotheses) - np.log(weights) + waits
        for index in range(len(dataset.metrics)):
            speed = speed_of(dataset, index, past, seconds)
            if speed is not None:
                yield PlannedMetric(dataset, index, speed, threshold, suspect)


def _of_slices(row: PlannedMetric, course: Course, promoted: float) -> list[SliceForecast]:
    speed, exposure, max_seconds = row.speed, course.exposure, course.max_seconds
    smallest = speed.smallest(exposure, row.log_threshold, max_seconds)
    half = speed.pass_seconds(exposure)
    margins = speed.margin_needed(exposure, max_seconds)
    in_time = _smallest_in_time(row, course, promoted, smallest)
    values, labels = speed.values, speed.per_second * 3600
    return [
        SliceForecast(
            dataset=row.dataset.dataset.name,
            metric=row.name,
            slice=key,
            labels_per_hour=float(labels[i]),
            value=_finite(values[i]) if labels[i] > 0 else None,  # without a row it would be the prior rate
            powered=bool(row.dataset.powered[row.index, i]),
            smallest_drop=_finite(smallest[i]),
            smallest_in_time=_finite(in_time[i]),
            pass_seconds=_finite(half[i]),
            sure_seconds=_finite(half[i] * power.POWER_FACTOR),
            margin_needed=_finite(margins[i]),
        )
        for i, key in enumerate(row.dataset.slices)
    ]


def _smallest_in_time(row: PlannedMetric, course: Course, promoted: float, smallest: FloatArray) -> FloatArray:
    """What is found before equal candidates are promoted, or holds the promotion until then.

    A slice that promotion waits for holds it when it is beyond its margin, another when it is suspect by then, too.
    """
    sign = -1.0 if registry.get(row.name).direction == "HigherIsBetter" else 1.0
    soon = min(course.max_seconds, max(promoted, 1.0))
    early = sign * row.speed.smallest(course.exposure, row.log_threshold, soon)
    suspect = sign * row.speed.smallest(course.exposure, row.log_suspect, soon)
    held = np.maximum(sign * smallest, sign * row.speed.last_promoted(course.exposure))
    return np.asarray(sign * np.fmin(early, np.where(row.required, held, np.maximum(held, suspect))))


def _of_drop(plan: TierPlan, row: PlannedMetric, drop: Drop, course: Course, promoted: float) -> DropForecast:
    exposure, max_seconds = course.exposure, course.max_seconds
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
        promoted_seconds=_finite(promoted),
        fits=fits,
        exposure_needed=None if fits else next((s for s in EXPOSURES if seconds_at(s) <= max_seconds), None),
        hypotheses_allowed=int(allowed) or None,
    )


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
