"""Finds metrics by name: built-in metrics and those of other packages."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from tierwise.errors import MetricFailedError as MetricFailedError
from tierwise.errors import UnknownMetricError
from tierwise.metrics import plugins
from tierwise.metrics.family import SEPARATOR, Family
from tierwise.metrics.kinds import binary, classes, confusion, errors, probabilities, ranking, ratios, service, shift
from tierwise.metrics.metric import Metric
from tierwise.metrics.plugins import Broken

Entry = Metric | Family

SUBJECTS: tuple[tuple[str, tuple[Entry, ...]], ...] = (
    ("A yes/no answer", binary.METRICS),
    ("The whole table of answers", confusion.METRICS),
    ("Order of the scores", ranking.METRICS),
    ("Scores as probabilities", probabilities.METRICS),
    ("Predicted numbers", (*errors.METRICS, *errors.FAMILIES)),
    ("Several classes", (*classes.METRICS, *classes.FAMILIES)),
    ("The service, without labels", (*service.METRICS, *service.FAMILIES)),
    ("The score's distribution", shift.METRICS),
    ("Numbers of every row", ratios.FAMILIES),
)
BUILT_IN: tuple[Entry, ...] = tuple(entry for _, entries in SUBJECTS for entry in entries)


class Registry:
    """Metrics and families by name. Another package can add names, but it can never change built-in ones."""

    def __init__(self, points: Iterable[EntryPoint] = ()) -> None:
        found, broken = plugins.load(points, [entry.name for entry in BUILT_IN])
        entries = sorted((*BUILT_IN, *(entry for entry, _ in found)), key=lambda entry: entry.name)
        self.entries: tuple[Entry, ...] = tuple(entries)
        self.distributions = {entry.name: distribution for entry, distribution in found}
        self.broken: tuple[Broken, ...] = tuple(broken)
        self._metrics = {entry.name: entry for entry in entries if isinstance(entry, Metric)}
        self._families = {entry.name: entry for entry in entries if isinstance(entry, Family)}
        self._built: dict[str, Metric] = {}

    def names(self) -> tuple[str, ...]:
        """All names, sorted. A family has its placeholder: ``latency-over@MS``."""
        return tuple(sorted(e.name if isinstance(e, Metric) else e.usage for e in self.entries))

    def get(self, name: str) -> Metric:
        """The metric of that name, the same object every time.

        Raises:
            UnknownMetricError: there is none, or its parameter is wrong.
        """
        metric = self._metrics.get(name) or self._built.get(name)
        if metric is None:
            metric = self._built[name] = self._build(name)
        return metric

    def _build(self, name: str) -> Metric:
        stem, separator, parameter = name.partition(SEPARATOR)
        family = self._families.get(stem)
        if family is None:
            meant = " or ".join(closest(name, self.names()))
            listed = f"`tierwise metrics` lists all {len(self.names())}{self._left_out()}"
            raise UnknownMetricError(
                f"metric {name!r} is unknown", f"did you mean {meant}? {listed}" if meant else listed
            )
        example = f"write {family.usage}, for instance {family.name}{SEPARATOR}{family.example}"
        if not separator or not parameter:
            raise UnknownMetricError(f"metric {name!r} needs a parameter", example)
        try:
            return family.build(parameter)
        except ValueError as error:
            raise UnknownMetricError(f"metric {name!r}: {error}", example) from None

    def _left_out(self) -> str:
        """A text about the plug-ins that could not be used, because they may have the wanted metric."""
        return "".join(f" (plug-in {broken})" for broken in self.broken)


def closest(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """Up to three names that `name` may mean: short or long forms first, then similar names.

    ``fpr``, ``f1_score``, ``mean_absolute_error`` and ``acuracy`` are understood. A parameter is kept: ``recal@spam``
    becomes ``recall@spam``.
    """
    stem, _, parameter = name.lower().replace("_", "-").partition(SEPARATOR)
    usages: dict[str, str] = {}
    for usage in known:
        other, _, placeholder = usage.partition(SEPARATOR)
        if not placeholder or other not in usages:
            usages[other] = usage
        if placeholder and parameter:
            usages[other] = f"{other}{SEPARATOR}{name.partition(SEPARATOR)[2]}"
    found = [other for other in usages if _initials(other) == stem or other == _initials(stem)]
    found = found or [part for part in stem.split("-") if part in usages]
    found += get_close_matches(stem, usages, n=3, cutoff=0.6)
    return tuple(usages[other] for other in dict.fromkeys(found))[:3]


def _initials(name: str) -> str:
    """The initial letters of a name: ``fpr`` for ``false-positive-rate``."""
    return "".join(part[:1] for part in name.split("-"))


@cache
def installed() -> Registry:
    """The registry of this process with the installed plug-ins. It is made once."""
    return Registry(entry_points(group=plugins.GROUP))


def names() -> tuple[str, ...]:
    """All names, sorted. A family has its placeholder: ``latency-over@MS``."""
    return installed().names()


def get(name: str) -> Metric:
    """The metric of that name.

    Raises:
        UnknownMetricError: there is none, or its parameter is wrong.
    """
    return installed().get(name)


def find(name: str) -> Metric | None:
    """The metric of that name, or None. A name in a status may come from a plug-in that is no longer installed."""
    try:
        return get(name)
    except UnknownMetricError:
        return None
