"""When a tier would be promoted: `minDuration` is over, and the whole and every powered slice have passed. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tierwise.api.common import duration_seconds
from tierwise.api.slices import WHOLE, parse_slice_key, slice_key
from tierwise.arrays import BoolArray, FloatArray
from tierwise.monitoring.planning.drop import Drop
from tierwise.monitoring.planning.evidence_rate import Speed
from tierwise.monitoring.planning.tier_plan import DatasetPlan


@dataclass(frozen=True, slots=True)
class Course:
    """How a tier goes: the candidate's share of its rows, and its durations in seconds.

    `promotes_at_max`: `onInconclusive: Promote`.
    """

    exposure: float
    min_seconds: float
    max_seconds: float
    promotes_at_max: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class PlannedMetric:
    """One metric of one dataset. `log_threshold` (slices,) is ln(K/(w·α)), the evidence that a rollback needs.

    From `log_suspect` (slices,) on a slice that looks worse than its margin holds a promotion.
    """

    dataset: DatasetPlan
    index: int
    speed: Speed
    log_threshold: FloatArray
    log_suspect: FloatArray

    @property
    def name(self) -> str:
        """The metric's name."""
        return self.dataset.metrics[self.index].name

    @property
    def required(self) -> BoolArray:
        """The slices that promotion waits for (slices,): the whole, which comes first, and those that are powered."""
        required: BoolArray = self.dataset.powered[self.index].copy()
        required[0] = True
        return required


def promoted_after(metrics: Sequence[PlannedMetric], course: Course, drop: Drop | None = None) -> float:
    """Seconds of predictions until promotion is expected at the earliest; infinite where only a person promotes.

    It is the time by which each required slice has passed with a chance of one half. With a `drop`, slices that share
    rows with its own are worse by their part of it: those that are beyond their margin never pass, and its own slice
    holds the promotion if it is suspect by then. Metrics other than its own are taken as they are without it, so the
    real promotion comes rather later.
    """
    passed = [
        float(metric.speed.pass_seconds(course.exposure, _lost(metric, drop))[metric.required].max())
        for metric in metrics
    ]
    seconds = max(_soak(metrics, course), *passed) if passed else math.inf
    if drop is not None and any(_suspect_after(metric, course, drop) <= seconds for metric in metrics):
        seconds = math.inf
    return min(seconds, course.max_seconds) if course.promotes_at_max else seconds


def _suspect_after(metric: PlannedMetric, course: Course, drop: Drop) -> float:
    """Seconds until the drop's slice looks worse than its margin; infinite if the drop is within it."""
    if drop.metric != metric.name or drop.key not in metric.dataset.slices:
        return math.inf
    slot = metric.dataset.slices.index(drop.key)
    before = float(metric.speed.values[slot]) if drop.before is None else drop.before
    if not metric.speed.per_second[slot] or metric.speed.worse(before, drop.after) <= metric.speed.margin(before):
        return math.inf
    return metric.speed.seconds(slot, course.exposure, before, drop.after, float(metric.log_suspect[slot]))


def _soak(metrics: Sequence[PlannedMetric], course: Course) -> float:
    """The predictions of `minDuration` that are judged at its end: labels come later."""
    return max(course.min_seconds - labels_late([metric.dataset for metric in metrics]), 0.0)


def labels_late(datasets: Sequence[DatasetPlan]) -> float:
    """How many seconds after a prediction it is judged: the longest maturity."""
    return float(max((duration_seconds(dataset.dataset.spec.maturity) for dataset in datasets), default=0))


def _lost(metric: PlannedMetric, drop: Drop | None) -> FloatArray | None:
    """How much worse each slice is by the drop, in the unit of the margin."""
    if drop is None or drop.metric != metric.name or drop.key not in metric.dataset.slices:
        return None
    slot = metric.dataset.slices.index(drop.key)
    before = float(metric.speed.values[slot]) if drop.before is None else drop.before
    return shares_in(metric.dataset.slices, metric.speed.per_second, drop.key) * metric.speed.worse(before, drop.after)


def shares_in(slices: Sequence[str], rows: FloatArray, key: str) -> FloatArray:
    """Which share of each slice's rows lies in the slice `key`, one of them (slices,).

    Where the rows of two slices together are not counted, the dimensions are taken as independent.
    """
    place = {known: i for i, known in enumerate(slices)}
    inside = parse_slice_key(key)
    expected = rows[place[key]] / rows[place[WHOLE]] if rows[place[WHOLE]] > 0 else 0.0
    found = np.zeros(len(slices))
    for i, other in enumerate(slices):
        values = parse_slice_key(other)
        if any(values.get(name, value) != value for name, value in inside.items()):
            continue
        both = slice_key({**values, **inside})
        if both == other:
            found[i] = 1.0
        elif rows[i] > 0:
            found[i] = rows[place[both]] / rows[i] if both in place else expected
    return np.minimum(found, 1.0)
