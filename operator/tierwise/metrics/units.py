"""Formats a metric's numbers: shares of rows in percent, other values in their own unit."""

from __future__ import annotations

from tierwise.metrics import registry
from tierwise.metrics.metric import Estimated

_ROUNDED = 1e-5  # a status keeps six digits of a value


def is_share(name: str) -> bool:
    """Whether the metric is a share of rows. An unknown metric (a plug-in that is not installed) counts as one."""
    metric = registry.find(name)
    return metric is None or not isinstance(metric.measure, Estimated) or "share" in metric.unit


def rows_of_value(value: float | None, n: int, bad: int | None) -> int | None:
    """How many of `n` rows make up the value: the errors of an error rate, the right ones of an accuracy.

    None where the value is no such share: an estimate, a function of a rate, or a weighted one. Then no count but n can
    stand beside it.
    """
    if value is None or bad is None or n <= 0:
        return None
    return next((rows for rows in (bad, n - bad) if abs(rows / n - value) <= _ROUNDED), None)
