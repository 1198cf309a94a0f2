"""The one interface of a metric that is a proportion of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from tierwise.api.common import Margin

IntArray = npt.NDArray[np.int64]
# Shape (..., 3 labels: negative, positive, unknown; 3 answers: negative, positive, invalid) → (n, bad), each (...).
Count = Callable[[IntArray], tuple[IntArray, IntArray]]


@dataclass(frozen=True, slots=True)
class Metric:
    """A proportion: out of `n` rows, `bad` are errors. More bad is worse, for every metric.

    `direction` tells how people read the value: with ``HigherIsBetter`` it is 1 − bad/n (accuracy, recall),
    with ``LowerIsBetter`` it is bad/n (error rate, false positives). Margins are of the rate of `bad`.
    """

    name: str
    direction: Literal["HigherIsBetter", "LowerIsBetter"]
    count: Count
    default_margin: Margin
    needs_labels: bool
    description: str

    def n_bad(self, counts: IntArray) -> tuple[IntArray, IntArray]:
        """(n, bad), int64 of shape (...), from exact counts of shape (..., 3 labels, 3 answers)."""
        return self.count(counts)

    def value(self, n: int, bad: int) -> float | None:
        """The metric in its own direction; None without observations, never NaN."""
        if n == 0:
            return None
        return bad / n if self.direction == "LowerIsBetter" else 1.0 - bad / n

    def own_direction(self, low: float, high: float) -> tuple[float, float]:
        """An interval of a difference of rates of `bad` as an interval of the metric's own difference."""
        return (low, high) if self.direction == "LowerIsBetter" else (-high, -low)
