"""What a look reads for an analysis' metrics, and whether the dataset can support them."""

from __future__ import annotations

from tierwise.api.modeldeployment import DatasetAnalysis
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.names import Reason
from tierwise.metrics import registry
from tierwise.metrics.metric import Metric
from tierwise.metrics.tally import Sum
from tierwise.metrics.weighted import sums_of
from tierwise.monitoring.cells import Reads
from tierwise.monitoring.measuring import metric_for
from tierwise.monitoring.plan_error import PlanError


def reads_of(analysis: DatasetAnalysis, spec: MonitoringDatasetSpec) -> Reads:
    """What every look at the dataset reads beyond the counts by label and answer; empty where counts are enough.

    Raises:
        PlanError: a metric that the dataset cannot support, naming what is missing.
    """
    metrics = [known_metric(analysis.name, item.name) for item in analysis.metrics]
    is_weighted = spec.columns.weight is not None
    sums: dict[str, Sum] = {}
    for metric in metrics:
        require_supported(analysis.name, metric, spec)
        for item in sums_of(metric, weighted=is_weighted):
            other = sums.setdefault(item.name, item)
            if other.expression != item.expression:
                raise PlanError(
                    f"dataset {analysis.name!r}: two metrics have a sum called {item.name!r} that is not the same",
                    f"remove {metric.name!r} or rename the sum in its plug-in",
                    reason=Reason.NOT_SUPPORTED,
                )
    bins = any(metric_for(metric.name, spec).needs.bins for metric in metrics)
    return Reads(bins=bins, sums=tuple(sums.values()), weights=is_weighted)


def known_metric(dataset: str, name: str) -> Metric:
    """The metric of that name.

    Raises:
        PlanError: there is none, naming those there are.
    """
    try:
        return registry.get(name)
    except registry.UnknownMetricError as e:
        raise PlanError(
            f"dataset {dataset!r}: metric {name!r} is unknown",
            f"use one of {', '.join(registry.names())}",
            reason=Reason.UNKNOWN_METRIC,
        ) from e


def require_supported(dataset: str, metric: Metric, spec: MonitoringDatasetSpec) -> None:
    """A metric needs scores of its kind, columns and values.

    Raises:
        PlanError: something is missing.
    """
    problem = None
    if not set(metric.kinds) & kinds_of(spec):
        wanted = " or ".join(_ANSWERS[kind] for kind in metric.kinds)
        remedy = "choose another metric, or set spec.scale.kind (Classes: answers are spec.classes)"
        problem = f"is for answers that are {wanted}, and scale {spec.scale.kind} is not", remedy
    columns = [role for role in metric.needs.columns if getattr(spec.columns, role, None) in (None, "")]
    if columns:
        named = ", ".join(f"columns.{role}" for role in columns)
        problem = f"needs {named}, which the MonitoringDataset does not name", "name the log's column there"
    there = [value.name for value in spec.values]
    values = [name for name in metric.needs.values if name not in there]
    if values:
        shown = ", ".join(there) or "none"
        problem = f"needs {', '.join(map(repr, values))} of spec.values (there: {shown})", "add it there"
    if metric.needs.bins and spec.scale.kind == "None":
        problem = "needs the scores' distribution and spec.scale.kind is None", "set another scale"
    if problem is not None:
        raise PlanError(
            f"dataset {dataset!r}: metric {metric.name!r} {problem[0]}", problem[1], reason=Reason.NOT_SUPPORTED
        )


_ANSWERS = {"Binary": "yes or no", "Classes": "classes", "Number": "numbers"}


def kinds_of(spec: MonitoringDatasetSpec) -> set[str]:
    """What the answers may be taken as: a score is also a number that a label can be subtracted from."""
    return {"Classes"} if spec.scale.kind == "Classes" else {"Binary", "Number"}
