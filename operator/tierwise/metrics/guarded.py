"""Guards a metric of another package: its exceptions become MetricFailedError, and its results are checked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar, assert_never, overload

import numpy as np
import numpy.typing as npt

from tierwise.arrays import AnyArray, IntArray
from tierwise.errors import MetricFailedError as MetricFailedError
from tierwise.metrics.definitions import wrong_metric
from tierwise.metrics.family import SEPARATOR, Family
from tierwise.metrics.metric import Estimated, Metric, Proportion, Shift
from tierwise.metrics.plausible import ImplausibleError, counts_of, estimate_of, shift_of, shown_of
from tierwise.metrics.tally import Tally

Result = TypeVar("Result")


@overload
def guarded(entry: Metric, distribution: str) -> Metric: ...


@overload
def guarded(entry: Family, distribution: str) -> Family: ...


def guarded(entry: Metric | Family, distribution: str) -> Metric | Family:
    """The metric or family, guarded: failures become MetricFailedError, and results are checked.

    A family's `build` is different: it raises ValueError for a wrong parameter and for any other failure.
    """
    if isinstance(entry, Family):
        return replace(entry, build=_built(entry, distribution))
    measure = entry.measure
    match measure:
        case Proportion(count=count, shown=shown):
            checked = _checked(entry.name, distribution, count, counts_of)
            told = None if shown is None else _shown(entry.name, distribution, shown)
            return replace(entry, measure=replace(measure, count=checked, shown=told))
        case Estimated(estimate=estimate):
            found = _checked(entry.name, distribution, estimate, estimate_of)
            return replace(entry, measure=replace(measure, estimate=found))
        case Shift(count=count):
            below = _checked(entry.name, distribution, count, shift_of)
            return replace(entry, measure=replace(measure, count=below))
        case _:
            assert_never(measure)


def called(function: Callable[..., Result], *arguments: object) -> Result:
    """The result of another package's code.

    Raises:
        ForeignError: the code raised, or called for the end of the process. (An interrupt from the keyboard is raised.)
    """
    try:
        return function(*arguments)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        text = f": {error}" if str(error) else ""
        raise ForeignError(f"{type(error).__name__}{text}") from error


class ForeignError(Exception):
    """What another package's code raised, as text."""


def _checked(
    name: str, distribution: str, function: Callable[..., Any], result_of: Callable[..., Result]
) -> Callable[..., Result]:
    def call(tally: Tally, *rest: IntArray) -> Result:
        try:
            return result_of(called(function, _locked(tally), *rest), tally, *rest)
        except (ForeignError, ImplausibleError) as error:
            raise MetricFailedError(name, distribution, str(error)) from error

    return call


def _shown(name: str, distribution: str, function: Callable[[float], float]) -> Callable[[float], float]:
    def call(share: float) -> float:
        try:
            return shown_of(called(function, share))
        except (ForeignError, ImplausibleError) as error:
            raise MetricFailedError(name, distribution, str(error)) from error

    return call


def _built(family: Family, distribution: str) -> Callable[[str], Metric]:
    def build(parameter: str) -> Metric:
        try:
            metric = called(family.build, parameter)
        except ForeignError as error:
            if isinstance(error.__cause__, ValueError):
                raise error.__cause__ from None
            raise ValueError(f"{distribution} cannot build it: {error}") from error
        cause = wrong_metric(metric, f"{family.name}{SEPARATOR}{parameter}")
        if cause is not None:
            raise ValueError(f"{distribution} cannot build it: {cause}")
        return guarded(metric, distribution)

    return build


def _locked(tally: Tally) -> Tally:
    """The tally with read-only arrays, because other metrics read the same arrays."""

    def view(array: npt.ArrayLike, _: int = 0) -> AnyArray:
        seen = np.asarray(array).view()
        seen.flags.writeable = False
        return seen

    return replace(tally.map_arrays(view), edges=None if tally.edges is None else view(tally.edges))
