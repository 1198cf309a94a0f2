"""Metrics with a parameter: ``latency-over@200`` is the metric that the family ``latency-over`` builds for ``200``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tierwise.metrics.metric import Metric

SEPARATOR = "@"


@dataclass(frozen=True, slots=True)
class Family:
    """Metrics that differ by a parameter, named ``name@parameter``.

    `build` makes the metric from the text of a parameter. For a wrong parameter it raises ValueError, which says what
    is expected. `parameter` is its name in lists (``MS``), `example` is a valid parameter.
    """

    name: str
    parameter: str
    example: str
    build: Callable[[str], Metric]

    @property
    def usage(self) -> str:
        """The name with a placeholder: ``latency-over@MS``."""
        return f"{self.name}{SEPARATOR}{self.parameter}"

    @property
    def instance(self) -> Metric:
        """The metric for the example parameter."""
        return self.build(self.example)


def number(text: str, what: str, *, low: float, high: float) -> float:
    """A number strictly between `low` and `high`.

    Raises:
        ValueError: the text is not such a number; it says what is expected.
    """
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not low < value < high:
        raise ValueError(f"{text!r} is not {what}")
    return value
