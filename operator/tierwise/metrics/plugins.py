"""Metrics of other packages: entry points of the group ``tierwise.metrics``, kept apart from what is built in.

An entry point gives a Metric, a Family, or a sequence of them. A plug-in that cannot be imported or gives something
else leaves its own metrics out and nothing else; one that raises later, or gives arrays that make no sense, raises
MetricFailedError where it is used.
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
    """What the entry points give, guarded, with the distribution it is from; and what cannot be used.

    `taken` are the names that are built in.
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
    """What it is called, where it is called anything."""
    given = getattr(entry, "name", None)
    return given if isinstance(given, str) else point.name


def _wrong(entry: object, point: EntryPoint, names: dict[str, str]) -> str | None:
    """Why this cannot be a metric; None when it can."""
    if not isinstance(entry, Metric | Family):
        return f"{point.value} holds a {type(entry).__name__}, expected a Metric, a Family or a sequence of them"
    if not isinstance(entry.name, str) or not re.fullmatch(_NAME, entry.name):
        return f"{entry.name!r} is no name of a metric; use lower case letters, digits and dashes"
    if entry.name in names:
        return f"the name is {names[entry.name]} already; give it another one"
    return wrong(entry) or _wrong_example(entry, point)


def _wrong_example(entry: Metric | Family, point: EntryPoint) -> str | None:
    """Why a family's example cannot be built: lists of metrics show what is known of it."""
    if isinstance(entry, Metric):
        return None
    try:
        _ = guarded(entry, _distribution(point)).instance
    except ValueError as error:
        return f"its example {entry.example!r}: {error}"
    return None
