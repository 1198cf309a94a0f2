"""Which metrics need a number of every row: one that lacks it is missing data, not a row less."""

from __future__ import annotations

from collections.abc import Mapping

from tierwise.metrics import registry
from tierwise.monitoring.plan import DatasetPlan


def numbers_watched(dataset: DatasetPlan) -> Mapping[str, str]:
    """By metric, the sum that counts the rows which have its number, in the metrics' order."""
    found = {metric.name: registry.get(metric.name).present for metric in dataset.metrics}
    return {name: present for name, present in found.items() if present is not None}
