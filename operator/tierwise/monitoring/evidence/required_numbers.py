"""Which numbers every row needs: one that lacks a metric's, or its weight, is missing data, not a row less."""

from __future__ import annotations

from collections.abc import Mapping

from tierwise.metrics import registry
from tierwise.metrics.weighted import WEIGHED
from tierwise.monitoring.planning.tier_plan import DatasetPlan

WEIGHT = "columns.weight"  # no metric is called so


def numbers_watched(dataset: DatasetPlan) -> Mapping[str, str]:
    """By metric, the sum that counts the rows which have its number, in the metrics' order; then by `WEIGHT`."""
    found = {metric.name: registry.get(metric.name).present for metric in dataset.metrics}
    watched = {name: present for name, present in found.items() if present is not None}
    return {**watched, WEIGHT: WEIGHED.name} if dataset.dataset.reads.weights else watched
