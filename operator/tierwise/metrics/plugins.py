"""Metrics of other packages: entry points of the group ``tierwise.metrics``, separate from the built-in metrics.

An entry point gives a Metric, a Family, or a sequence of them. If a plug-in cannot be imported or gives something else,
only its own metrics are left out. If it raises later, or gives impossible arrays, MetricFailedError is raised where it
is used.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import EntryPoint

from tierwise.metrics.definitions import wrong
from tierwise.metrics.family import Family
from tierwise.metrics.guarded import ForeignError, called, guarded
from tierwise.metrics.metric import Metric

GROUP = "tierwise.metrics"
_NAME = r"[a-z][-a-z0-9._]*"


@dataclass(frozen=True, slots=True)
class Broken:
    """A plug-in, or one metric of it, that cannot be used, and why. `name` is the entry point's or the metric's."""

    name: str
    distribution: str
    cause: str

    def __str__(self) -> str:
        return f"{self.name!r} of {self.distribution} is not available: {self.cause}"


def load(points: Iterable[EntryPoint], taken: Iterable[str]) -> tuple[list[tuple[Metric | Family, str]], list[Broken]]:
    """The metrics of the entry points, guarded, each with its distribution; and the plug-ins that cannot be used.

    `taken` are the names of the built-in metrics.
    """
    found: list[tuple[Metric | Family, str]] = []
    broken: list[Broken] = []
    names = dict.fromkeys(taken, "built in")
    for point in sorted(points, key=lambda p: (_distribution(p), p.name)):
        distribution = _distribution(point)
        try:
            entries = called(_entries, point)
        except ForeignError as error:
            broken.append(Broken(point.name, distribution, str(error)))
            continue
        for entry in entries:
            if (cause := _wrong(entry, point, names)) is not None:
                broken.append(Broken(_name(entry, point), distribution, cause))
            else:
                assert isinstance(entry, Metric | Family)
                names[entry.name] = f"that of a metric of {distribution}"
                found.append((guarded(entry, distribution), distribution))
    return found, broken


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unknown package"


def _entries(point: EntryPoint) -> list[object]:
    given = point.load()
    return [given] if isinstance(given, Metric | Family) else list(given)


def _name(entry: object, point: EntryPoint) -> str:
    """The name of the entry, or of the entry point if it has none."""
    given = getattr(entry, "name", None)
    return given if isinstance(given, str) else point.name


def _wrong(entry: object, point: EntryPoint, names: dict[str, str]) -> str | None:
    """Why this cannot be a metric; None if it can."""
    if not isinstance(entry, Metric | Family):
        return f"{point.value} holds a {type(entry).__name__}, expected a Metric, a Family or a sequence of them"
    if not isinstance(entry.name, str) or not re.fullmatch(_NAME, entry.name):
        return f"{entry.name!r} is no name of a metric; use lower case letters, digits and dashes"
    if entry.name in names:
        return f"the name is {names[entry.name]} already; give it another one"
    return wrong(entry) or _wrong_example(entry, point)


def _wrong_example(entry: Metric | Family, point: EntryPoint) -> str | None:
    """Why a family's example cannot be built; None if it can. Lists of metrics show the facts of the example."""
    if isinstance(entry, Metric):
        return None
    try:
        _ = guarded(entry, _distribution(point)).instance
    except ValueError as error:
        return f"its example {entry.example!r}: {error}"
    return None
