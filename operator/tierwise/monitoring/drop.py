"""A change for the worse in one slice and metric: what a plan is asked about and what a simulation injects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tierwise.api.slices import WHOLE, slice_key
from tierwise.metrics import registry


@dataclass(frozen=True, slots=True)
class Drop:
    """The candidate's value of `metric` in a slice (empty: the whole), in the metric's own direction.

    `before` is the baseline's; None: whatever the log has. From `onset_seconds` after the start of a tier on.
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


def bad_rate(metric: str, value: float) -> float:
    """The rate of `bad` behind a value of a proportion: 1 − recall, but the false-positive rate itself."""
    return value if registry.get(metric).direction == "LowerIsBetter" else 1.0 - value


def own_value(metric: str, rate: float) -> float:
    """The inverse of `bad_rate`."""
    return bad_rate(metric, rate)  # 1 − x and x are their own inverses
