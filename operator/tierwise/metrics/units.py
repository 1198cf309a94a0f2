"""How a metric's numbers are written: shares of rows in percent, anything else in its own unit."""

from __future__ import annotations

from tierwise.metrics import registry
from tierwise.metrics.metric import Estimated


def is_share(name: str) -> bool:
    """Whether the metric is a share of rows; of one that is not known here (a plug-in elsewhere) it is taken as one."""
    metric = registry.find(name)
    return metric is None or not isinstance(metric.measure, Estimated) or "share" in metric.unit
