"""Which slices are judged on their own, by each way of slicing, and what would help where none is. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tierwise.api.common import Margin
from tierwise.api.frozen import JudgedDimension
from tierwise.api.slices import WHOLE, parse_slice_key
from tierwise.arrays import BoolArray, FloatArray

LONGEST_SECONDS = 30 * 86_400.0  # a longer maxDuration is no advice
_MOST_ABSOLUTE, _MOST_RELATIVE = 1e6, 10.0  # as the API has them


@dataclass(frozen=True, slots=True, eq=False)
class JudgedMetric:
    """One metric: which slices are `powered`, and what would make the others powered (see `power.Known`).

    The arrays are all (slices,). `margin` is that of the plan. `is_range` is true where a wanted range replaces the
    margin; there no wider margin helps.
    """

    name: str
    margin: Margin
    promotes: bool
    powered: BoolArray
    times: FloatArray
    margin_needed: FloatArray
    rate: FloatArray
    is_range: BoolArray


def dimensions_of(
    groupings: Sequence[tuple[str, ...]],
    slices: Sequence[str],
    rows: FloatArray,
    metrics: Sequence[JudgedMetric],
    max_seconds: float,
) -> tuple[JudgedDimension, ...]:
    """The whole first, then each way of slicing; `rows` (slices,) of the past. Empty where no metric can promote."""
    asked = [metric for metric in metrics if metric.promotes]
    if not asked:
        return ()
    places: dict[tuple[str, ...], list[int]] = {grouping: [] for grouping in ((), *groupings)}
    for slot, key in enumerate(slices):
        places.get(() if key == WHOLE else tuple(sorted(parse_slice_key(key))), []).append(slot)
    total = max(float(rows[0]), 1.0)
    return tuple(
        _dimension(
            ",".join(grouping), [(slot, slices[slot], float(rows[slot]) / total) for slot in at], asked, max_seconds
        )
        for grouping, at in places.items()
    )


def is_judged(dimensions: Sequence[JudgedDimension]) -> bool:
    """Whether some slice of the dataset is judged on its own or, in a dataset without slices, the whole."""
    sliced = [found for found in dimensions if found.dimension]
    return any(found.powered for found in sliced or dimensions)


def nearest_of(dimensions: Sequence[JudgedDimension]) -> JudgedDimension | None:
    """Of the ways of slicing without a judged slice, the one that needs the least time; None if nothing would help."""
    return min(
        (found for found in dimensions if found.nearest is not None),
        key=lambda found: found.needs_seconds or math.inf,
        default=None,
    )


def _dimension(
    name: str, slices: Sequence[tuple[int, str, float]], metrics: Sequence[JudgedMetric], max_seconds: float
) -> JudgedDimension:
    at = [slot for slot, _, _ in slices]
    powered = np.array([metric.powered[at] for metric in metrics])
    judged = [bool(column.any()) for column in powered.T]
    found = JudgedDimension(
        dimension=name,
        slices=len(at),
        powered=sum(judged),
        traffic=_short(sum(share for (_, _, share), is_alone in zip(slices, judged, strict=True) if is_alone)),
        metrics=[metric.name for metric, row in zip(metrics, powered, strict=True) if row.any()],
    )
    if found.powered or not at:
        return found
    times = np.array([metric.times[at] for metric in metrics])
    margins = np.array([metric.margin_needed[at] / np.maximum(metric.rate[at], 1e-9) for metric in metrics])
    # Pods and users differ even with the same version. Where that uses up the margin, no duration would help.
    needs = times if np.isfinite(times).any() else margins
    row, column = divmod(int(np.argmin(needs)), len(at))
    if not math.isfinite(needs[row, column]):
        return found
    metric, slot = metrics[row], at[column]
    seconds = float(times[row, column]) * max_seconds
    return found.model_copy(
        update={
            "nearest": slices[column][1],
            "metric": metric.name,
            "needs_seconds": _up(seconds, 3) if seconds <= LONGEST_SECONDS else None,
            "needs_margin": None if metric.is_range[slot] else _margin(metric, slot),
        }
    )


def _margin(metric: JudgedMetric, slot: int) -> Margin | None:
    """The needed margin, rounded up, absolute or relative like the metric's own; None if it is above the limit."""
    needed, rate = float(metric.margin_needed[slot]), float(metric.rate[slot])
    if metric.margin.relative is not None:
        share = _up(needed / rate) if rate > 0 else math.inf
        return Margin(relative=share) if share <= _MOST_RELATIVE else None
    return Margin(absolute=_up(needed)) if _up(needed) <= _MOST_ABSOLUTE else None


def _up(value: float, digits: int = 2) -> float:
    """The value rounded up to so many significant digits; infinite unless it is above 0 and finite."""
    if not 0 < value < math.inf:
        return math.inf
    step = 10.0 ** (math.floor(math.log10(value)) + 1 - digits)
    return float(f"{math.ceil(value / step * (1 - 1e-9)) * step:.{digits}g}")


def _short(value: float) -> float:
    return float(f"{value:.3g}")
