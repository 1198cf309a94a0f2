"""Checks whether a dataset supports a metric: its kind of answers, columns, values and scale."""

from __future__ import annotations

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.metrics.kinds.classes import position
from tierwise.metrics.metric import Kind, Metric, Shift

_KINDS = {"Binary": "yes or no", "Classes": "classes", "Number": "numbers"}


def kinds_of(spec: MonitoringDatasetSpec) -> set[Kind]:
    """The kinds of the dataset's answers, as the metrics reference explains them."""
    if spec.scale.kind == "Classes":
        return {"Classes"}
    return {spec.target}


def missing(metric: Metric, spec: MonitoringDatasetSpec) -> tuple[str, str] | None:
    """What a dataset lacks for a metric, and what to do; None if it lacks nothing."""
    needs = metric.needs
    if not set(metric.kinds) & kinds_of(spec):
        wanted = " or ".join(_KINDS[kind] for kind in metric.kinds)
        there = " or ".join(_KINDS[kind] for kind in sorted(kinds_of(spec)))
        return f"is for answers that are {wanted}, and the dataset's are {there}", _of_its_kind(metric, spec)
    if columns := [role for role in needs.columns if not getattr(spec.columns, role, None)]:
        named = ", ".join(f"columns.{role}" for role in columns)
        return f"needs {named}, which the MonitoringDataset does not name", "name the log's column there"
    values = [value.name for value in spec.values]
    if absent := [name for name in needs.values if name not in values]:
        shown = ", ".join(values) or "none"
        return f"needs {', '.join(map(repr, absent))} of spec.values (there: {shown})", "add it there"
    if absent := [name for name in needs.classes if position(tuple(spec.classes), name) is None]:
        shown = ", ".join(spec.classes)
        return f"is of class {absent[0]!r}, which is none of spec.classes ({shown})", "name one of these, in lower case"
    if spec.columns.weight is not None and (problem := _unweighted(metric, spec)) is not None:
        return problem
    if needs.bins and spec.scale.kind == "None":
        return "needs the scores' distribution and spec.scale.kind is None", "set another scale"
    if needs.probability and (spec.domain.min < 0 or spec.domain.max > 1):
        found = f"{spec.domain.min:g} … {spec.domain.max:g}"
        return f"needs scores that are probabilities and spec.domain is {found}", "give probabilities, and domain 0 … 1"
    if needs.excluded and not spec.domain.exclude:
        return "counts the scores of spec.domain.exclude, and there are none", "add the score that stands for no score"
    return None


def _of_its_kind(metric: Metric, spec: MonitoringDatasetSpec) -> str:
    """What to do if a dataset's answers are of another kind. It suggests no setting that the dataset already has."""
    if spec.scale.kind == "Classes":
        if metric.name == "accuracy":
            return "choose multiclass-accuracy"
        return "choose a metric of classes (`tierwise metrics`), or judge it on a MonitoringDataset of its own"
    if "Number" in metric.kinds:
        return "choose another metric, or set spec.target: Number, with spec.domain"
    if "Classes" in metric.kinds:
        return "choose another metric, or set spec.scale.kind: Classes, with spec.classes"
    return "choose a metric of numbers such as mae, or set spec.target: Binary"


def _unweighted(metric: Metric, spec: MonitoringDatasetSpec) -> tuple[str, str] | None:
    """Why a metric cannot be judged with sample weights, and what to do; None if it can."""
    if metric.takes_weights:
        return None
    is_shift = isinstance(metric.measure, Shift)
    how = "is judged by bets, in which rows all count the same" if is_shift else "is of plain rows"
    remedy = "choose one that takes weights (`tierwise metrics`), or judge it on a MonitoringDataset without a weight"
    return f"{how}, and the dataset has columns.weight ({spec.columns.weight!r})", remedy
