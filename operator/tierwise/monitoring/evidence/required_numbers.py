"""The numbers that every row needs. A row without a metric's number or without its weight is missing data."""

from __future__ import annotations

from collections.abc import Mapping

from tierwise.metrics import registry
from tierwise.metrics.weighted import WEIGHED
from tierwise.monitoring.planning.tier_plan import DatasetPlan

WEIGHT = "columns.weight"  # no metric has this name


def numbers_watched(dataset: DatasetPlan) -> Mapping[str, str]:
    """For each metric, the sum that counts the rows with its number, in the metrics' order; then that of `WEIGHT`."""
    found = {metric.name: registry.get(metric.name).present for metric in dataset.metrics}
    watched = {name: present for name, present in found.items() if present is not None}
    return {**watched, WEIGHT: WEIGHED.name} if dataset.dataset.reads.weights else watched
