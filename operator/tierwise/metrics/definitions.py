"""Checks every field of a metric or family of another package, before anything uses it."""

from __future__ import annotations

from typing import get_args

from tierwise.api.common import Margin
from tierwise.metrics.family import Family
from tierwise.metrics.metric import ANY_KIND, Direction, Estimated, Metric, Needs, Proportion, ScaleKind, Shift
from tierwise.metrics.tally import Sum


def wrong(entry: Metric | Family) -> str | None:
    """Why this cannot be a metric or a family, apart from its name; None if it can."""
    if isinstance(entry, Metric):
        return wrong_metric(entry)
    if not all(isinstance(text, str) and text for text in (entry.parameter, entry.example)):
        return "its parameter or example is no text; people read them in lists"
    return None if callable(entry.build) else f"its build is a {type(entry.build).__name__}, expected a function"


def wrong_metric(metric: object, name: str | None = None) -> str | None:
    """Why this cannot be a metric; None if it can. If `name` is given, the metric must have this name."""
    if not isinstance(metric, Metric):
        return f"it is a {type(metric).__name__}, expected a Metric"
    if name is not None and metric.name != name:
        return f"it is called {metric.name!r}, expected {name!r}"
    if not all(isinstance(text, str) and text for text in (metric.unit, metric.description)):
        return "its unit or description is empty; people read them in every report"
    if metric.direction not in get_args(Direction):
        return f"its direction is {metric.direction!r}, expected one of {', '.join(get_args(Direction))}"
    if metric.scale not in get_args(ScaleKind):
        return f"its scale is {metric.scale!r}, expected one of {', '.join(get_args(ScaleKind))}"
    if not isinstance(metric.kinds, tuple) or not metric.kinds or not set(metric.kinds) <= set(ANY_KIND):
        return f"its kinds are {metric.kinds!r}, expected a tuple of {', '.join(ANY_KIND)}"
    if not isinstance(metric.default_margin, Margin):
        return f"its default_margin is a {type(metric.default_margin).__name__}, expected a Margin"
    return _wrong_measure(metric.measure) or _wrong_needs(metric.needs)


def _wrong_measure(measure: object) -> str | None:
    match measure:
        case Proportion(count=function) | Estimated(estimate=function) | Shift(count=function):
            if not callable(function):
                return f"its measure computes with a {type(function).__name__}, expected a function"
        case _:
            return f"its measure is a {type(measure).__name__}, expected a Proportion, Estimated or Shift"
    if isinstance(measure, Estimated) and measure.taus is not None:
        numbers = [tau for tau in measure.taus if isinstance(tau, int | float) and 0 < tau < float("inf")]
        if not numbers or len(numbers) != len(measure.taus):
            return f"its taus are {measure.taus!r}, expected numbers above 0, or None"
    if isinstance(measure, Shift) and not (isinstance(measure.points, int) and measure.points > 0):
        return f"its points are {measure.points!r}, expected a whole number above 0"
    return None


def _wrong_needs(needs: object) -> str | None:
    if not isinstance(needs, Needs):
        return f"its needs are a {type(needs).__name__}, expected a Needs"
    for name in ("columns", "values", "classes", "sums"):
        kind: type = Sum if name == "sums" else str
        given = getattr(needs, name)
        if not isinstance(given, tuple) or not all(isinstance(each, kind) for each in given):
            return f"its needs.{name} are {given!r}, expected a tuple of {kind.__name__}"
    if not all(isinstance(each.name, str) and isinstance(each.expression, str) for each in needs.sums):
        return "a sum of its needs has a name or an expression that is no text"
    return None
