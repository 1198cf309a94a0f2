"""A metric that somebody else wrote: whatever it raises is MetricFailedError, and what it gives is checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, assert_never, overload

import numpy as np

from tierwise.metrics.family import Family
from tierwise.metrics.metric import Estimated, Metric, Proportion, Shift
from tierwise.metrics.tally import Estimate, IntArray, Tally


class MetricFailedError(Exception):
    """A plug-in's metric raised, or gave arrays that make no sense: nothing is known of this metric."""

    def __init__(self, name: str, distribution: str, cause: str) -> None:
        super().__init__(f"metric {name!r} of {distribution} failed: {cause}; fix it or take the metric out")
        self.name = name
        self.distribution = distribution
        self.cause = cause


@overload
def guarded(entry: Metric, distribution: str) -> Metric: ...


@overload
def guarded(entry: Family, distribution: str) -> Family: ...


def guarded(entry: Metric | Family, distribution: str) -> Metric | Family:
    """The metric with every failure turned into MetricFailedError, and every result checked; a family's metrics too.

    A family's `build` still raises ValueError for a parameter that makes no sense.
    """
    if isinstance(entry, Family):
        build = entry.build
        return replace(entry, build=lambda parameter: guarded(build(parameter), distribution))
    measure = entry.measure
    match measure:
        case Proportion(count=count):
            checked = _checked(entry.name, distribution, count, _wrong_counts)
            return replace(entry, measure=replace(measure, count=checked))
        case Estimated(estimate=estimate):
            checked = _checked(entry.name, distribution, estimate, _wrong_estimate)
            return replace(entry, measure=replace(measure, estimate=checked))
        case Shift(count=count):
            checked = _checked(entry.name, distribution, count, _wrong_shift)
            return replace(entry, measure=replace(measure, count=checked))
        case _:
            assert_never(measure)


def _checked(
    name: str, distribution: str, function: Callable[..., Any], wrong: Callable[..., str | None]
) -> Callable[..., Any]:
    def call(tally: Tally, *rest: IntArray) -> Any:  # noqa: ANN401  # what `function` gives
        try:
            result = function(tally, *rest)
            cause = wrong(result, tally.counts.shape[:-2], *rest)
        except Exception as error:
            raise MetricFailedError(name, distribution, f"{type(error).__name__}: {error}") from error
        if cause is not None:
            raise MetricFailedError(name, distribution, cause)
        return result

    return call


def _wrong_counts(result: tuple[object, object], shape: tuple[int, ...]) -> str | None:
    n, bad = (np.asarray(x) for x in result)
    if n.shape != shape or bad.shape != shape:
        return f"count gave shapes {n.shape} and {bad.shape}, expected {shape}"
    if not (np.isfinite(n).all() and (bad >= 0).all() and (bad <= n * (1 + 1e-9)).all()):
        return "count gave numbers that are not 0 ≤ bad ≤ n"
    return None


def _wrong_shift(result: tuple[object, object], shape: tuple[int, ...], at: IntArray) -> str | None:
    n, below = (np.asarray(x) for x in result)
    if n.shape != shape or below.shape != (*shape, len(at)):
        return f"count gave shapes {n.shape} and {below.shape}, expected {shape} and {(*shape, len(at))}"
    if not ((below >= 0).all() and (below <= n[..., np.newaxis]).all()):
        return "count gave numbers that are not 0 ≤ below ≤ n"
    return None


def _wrong_estimate(result: object, shape: tuple[int, ...]) -> str | None:
    if not isinstance(result, Estimate):
        return f"estimate gave a {type(result).__name__}, expected an Estimate"
    arrays = (result.value, result.enough, result.spread, result.units)
    kinds = result.spread.shape[len(shape) :]
    expected = (shape, shape, (*shape, *kinds), (*shape, *kinds))
    if len(kinds) != 1 or tuple(a.shape for a in arrays) != expected:
        shapes = ", ".join(str(a.shape) for a in arrays)
        return f"estimate gave value, enough, spread, units of shapes {shapes}; expected {shape} twice, then with (k,)"
    usable = result.enough
    if not (np.isfinite(result.value[usable]).all() and (result.spread[usable] >= 0).all()):
        return "estimate gave no value, or a spread that is negative or NaN, where it says there is enough"
    return None
