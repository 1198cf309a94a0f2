"""Formats a metric's numbers: shares of rows in percent, other values in their own unit."""

from __future__ import annotations

from tierwise.metrics import registry
from tierwise.metrics.metric import Estimated


def is_share(name: str) -> bool:
    """Whether the metric is a share of rows. An unknown metric (a plug-in that is not installed) counts as one."""
    metric = registry.find(name)
    return metric is None or not isinstance(metric.measure, Estimated) or "share" in metric.unit
