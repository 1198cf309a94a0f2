"""What a look must read for the metrics of an analysis, and whether the dataset supports them."""

from __future__ import annotations

from tierwise.api.common import Margin
from tierwise.api.modeldeployment import DatasetAnalysis
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.reasons import Reason
from tierwise.errors import PlanError, UnknownMetricError
from tierwise.metrics import registry
from tierwise.metrics.metric import Metric, Proportion
from tierwise.metrics.support import missing
from tierwise.metrics.tally import Sum
from tierwise.metrics.weighted import WEIGHED, sums_of
from tierwise.monitoring.counts.measures import metric_for
from tierwise.monitoring.counts.model import Reads


def reads_of(analysis: DatasetAnalysis, spec: MonitoringDatasetSpec) -> Reads:
    """What every look at the dataset reads beyond the counts by label and answer; empty if counts are enough.

    Raises:
        PlanError: a metric is unknown, the dataset does not support it, its margin is too large, or two metrics have
            different sums of the same name.
    """
    metrics = [known_metric(analysis.name, item.name) for item in analysis.metrics]
    is_weighted = spec.columns.weight is not None
    sums: dict[str, Sum] = {}
    for metric, wanted in zip(metrics, analysis.metrics, strict=True):
        require_supported(analysis.name, metric, spec)
        require_margin(analysis.name, metric, wanted.margin)
        for item in sums_of(metric, weighted=is_weighted):
            other = sums.setdefault(item.name, item)
            if other.expression != item.expression:
                raise PlanError(
                    f"dataset {analysis.name!r}: two metrics have different sums called {item.name!r}",
                    f"remove {metric.name!r} or rename the sum in its plug-in",
                    reason=Reason.NOT_SUPPORTED,
                )
    if is_weighted:
        sums[WEIGHED.name] = WEIGHED
    bins = any(metric_for(metric.name, spec).needs.bins for metric in metrics)
    return Reads(bins=bins, sums=tuple(sums.values()), weights=is_weighted)


def known_metric(dataset: str, name: str) -> Metric:
    """The metric of that name.

    Raises:
        PlanError: there is no such metric; it suggests similar names.
    """
    try:
        return registry.get(name)
    except UnknownMetricError as e:
        raise PlanError(f"dataset {dataset!r}: {e.message}", e.remedy, reason=Reason.UNKNOWN_METRIC) from e


def require_supported(dataset: str, metric: Metric, spec: MonitoringDatasetSpec) -> None:
    """Check that the dataset has what the metric needs: answers of its kind, columns, values and a scale.

    Raises:
        PlanError: something is missing.
    """
    if (problem := missing(metric, spec)) is not None:
        fact, remedy = problem
        raise PlanError(f"dataset {dataset!r}: metric {metric.name!r} {fact}", remedy, reason=Reason.NOT_SUPPORTED)


def require_margin(dataset: str, metric: Metric, margin: Margin) -> None:
    """Check that the margin is possible: a difference of two shares is at most 1.

    Raises:
        PlanError: the absolute margin of a proportion is larger.
    """
    if isinstance(metric.measure, Proportion) and (margin.absolute or 0.0) > 1:
        raise PlanError(
            f"dataset {dataset!r}: the margin of {metric.name!r} is {margin.absolute:g}, and it is a share of rows",
            "give at most 1; 0.01 is one percentage point",
            reason=Reason.NOT_SUPPORTED,
        )
