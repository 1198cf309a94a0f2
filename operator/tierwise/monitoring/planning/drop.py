"""A drop: a change for the worse in one slice and metric. Plans compute when it is seen; simulations inject it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tierwise.api.slices import WHOLE, slice_key
from tierwise.metrics import registry
from tierwise.metrics.metric import Proportion


@dataclass(frozen=True, slots=True)
class Drop:
    """A change of `metric` in a slice (empty: the whole).

    `before` is the baseline's value; None means the value in the log. `after` is the candidate's value. Both are values
    of the metric as people read it, not rates of bad. The drop begins `onset_seconds` after the start of a tier.
    """

    slice: Mapping[str, str]
    metric: str
    before: float | None
    after: float
    onset_seconds: float = 0.0

    @property
    def key(self) -> str:
        """The slice's key."""
        return slice_key(self.slice) if self.slice else WHOLE


def is_counted(metric: str) -> bool:
    """Whether the metric needs only counts by label and answer."""
    found = registry.get(metric)
    needs = found.needs
    return "Binary" in found.kinds and not (
        needs.bins or needs.sums or needs.columns or needs.values or needs.classes or needs.excluded
    )


def is_worse(metric: str, before: float, after: float) -> bool:
    """Whether `after` is worse than `before`. If the direction is `Either`, only a rise is worse."""
    return after < before if registry.get(metric).direction == "HigherIsBetter" else after > before


def own_value(metric: str, rate: float) -> float:
    """The metric's value for a rate of `bad`: recall is 1 minus its misses."""
    found = registry.get(metric)
    if isinstance(found.measure, Proportion) and found.measure.shown is not None:
        return found.measure.shown(rate)
    return 1.0 - rate if found.direction == "HigherIsBetter" else rate


def bad_rate(metric: str, value: float) -> float:
    """The inverse of `own_value`, by bisection: every value falls, or rises, with the rate."""
    low, high = 0.0, 1.0
    falls = own_value(metric, 0.0) > own_value(metric, 1.0)
    for _ in range(60):
        middle = (low + high) / 2
        if (own_value(metric, middle) > value) == falls:
            low = middle
        else:
            high = middle
    return (low + high) / 2
