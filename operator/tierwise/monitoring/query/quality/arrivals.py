"""Counts in a window: rows, labels, rows that were logged twice, and differences between label sources. Pure."""

# ruff: noqa: S608  # all SQL is put together here: from quoted identifiers, guarded expressions and bound parameters

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

from tierwise.monitoring.counts.model import Block, Scope
from tierwise.monitoring.query.log.columns import Log
from tierwise.monitoring.query.log.deduplication import request_of
from tierwise.monitoring.query.log.expressions import class_parameters
from tierwise.monitoring.query.log.label_values import label_class, label_code
from tierwise.monitoring.query.log.labels import Given, given_by
from tierwise.monitoring.query.log.rows import rows_sql
from tierwise.monitoring.query.log.window import window_conditions
from tierwise.monitoring.query.look.counts import Query
from tierwise.monitoring.query.quality.label_conflicts import LabelConflicts
from tierwise.monitoring.query.quality.repeated_requests import Dropped


@dataclass(frozen=True, slots=True)
class Received:
    """Rows of both versions in a window, how many have a label that counts, and how many repeat a request's row.

    `duplicates` is None if the dataset does not name its requests. `conflicts` is None if it has no label table.
    `dropped` is None if it does not leave out repeated rows.
    """

    rows: int
    labels: int
    duplicates: int | None = None
    conflicts: LabelConflicts | None = None
    dropped: Dropped | None = None


@dataclass(frozen=True, slots=True)
class SourceSays:
    """One source of labels in a window: how many rows it labels, and how many of those it decides."""

    name: str
    labels: int
    decides: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """Two sources of labels: how many rows both label, and on how many of these they differ."""

    first: str
    second: str
    both: int
    differ: int

    @property
    def share(self) -> float:
        """The share of rows labelled by both on which they differ; 0 without such rows."""
        return self.differ / self.both if self.both else 0.0


@dataclass(frozen=True, slots=True)
class Sources:
    """The counts of the sources of labels in a window, in order of precedence."""

    sources: tuple[SourceSays, ...]
    conflicts: tuple[Conflict, ...]


def received_query(log: Log, scope: Scope, window: Block) -> Query:
    """One row: rows, labels."""
    conditions, parameters = window_conditions(log, window.start, window.end)
    rows = rows_sql(log, [*conditions, *log.scope_conditions(scope), log.versions()])
    parameters = {**log.scope_parameters(scope), **parameters, **class_parameters(log)}
    return Query(f"SELECT count() AS rows, countIf({_known(log)}) AS labels FROM {rows}", parameters)


def duplicates_query(log: Log, scope: Scope, window: Block) -> Query:
    """One row: how many rows repeat another of the same version and request, also if the dataset drops them."""
    conditions, parameters = window_conditions(log, window.start, window.end)
    request = request_of(log)
    where = " AND ".join([*conditions, *log.scope_conditions(scope), log.versions(), f"{request} != ''"])
    # grouped by a hash of 128 bits, because ids as text would take most of the memory
    grouped = (
        f"SELECT count() - 1 AS repeated FROM {log.source.sql} WHERE {where} "
        f"GROUP BY sipHash128({log.text('version')}, {request}) HAVING repeated > 0"
    )
    return Query(f"SELECT sum(repeated) AS duplicates FROM ({grouped})", {**log.scope_parameters(scope), **parameters})


def sources_query(log: Log, scope: Scope, window: Block) -> Query:
    """One row: per source i its labels l<i> and those it decides d<i>; per pair b<i>_<j> of both, c<i>_<j> differing.

    The dataset must have `labels`. Sources below minConfidence are measured, but they decide nothing.
    """
    labels = log.spec.labels
    if labels is None:
        raise ValueError("the dataset has one source of labels")
    conditions, parameters = window_conditions(log, window.start, window.end)
    rows = rows_sql(log, [*conditions, *log.scope_conditions(scope), log.versions()])
    where = () if (counts := log.counts()) is None else (f"NOT {counts}",)
    given = [given_by(log, source, where) for source in labels.sources]
    columns = [f"{_said(log, one)} AS tierwise_l{i}" for i, one in enumerate(given)]
    counted: list[str] = []
    earlier: list[str] = []
    for i, source in enumerate(labels.sources):
        known = f"isNotNull(tierwise_l{i})"
        counted.append(f"countIf({known}) AS l{i}")
        if source.confidence >= labels.min_confidence:
            counted.append(f"countIf({' AND '.join([*earlier, known])}) AS d{i}")
            earlier.append(f"isNull(tierwise_l{i})")
        else:
            counted.append(f"toUInt64(0) AS d{i}")
    for i, j in combinations(range(len(given)), 2):
        differ = f"tierwise_l{i} != tierwise_l{j}"  # null if one of them has no label
        counted.append(f"countIf(isNotNull({differ})) AS b{i}_{j}, countIf(ifNull({differ}, false)) AS c{i}_{j}")
    parameters = {**log.scope_parameters(scope), **parameters, **class_parameters(log)}
    return Query(f"SELECT {', '.join(counted)} FROM (SELECT {', '.join(columns)} FROM {rows})", parameters)


def sources_of(log: Log, row: Mapping[str, int]) -> Sources:
    """The result of `sources_query`."""
    assert log.spec.labels is not None
    names = [source.name for source in log.spec.labels.sources]
    says = tuple(SourceSays(name, row[f"l{i}"], row[f"d{i}"]) for i, name in enumerate(names))
    pairs = combinations(range(len(names)), 2)
    conflicts = tuple(Conflict(names[i], names[j], row[f"b{i}_{j}"], row[f"c{i}_{j}"]) for i, j in pairs)
    return Sources(says, conflicts)


def _said(log: Log, given: Given) -> str:
    """The label that a source gives a row, as one number; null if it gives none."""
    if log.spec.scale.kind == "Classes":
        size = len(log.spec.classes)
        return f"nullIf({given.class_index(size)}, {size})"
    if log.spec.target == "Number":
        number = given.number()
        return f"if(isFinite({number}), {number}, NULL)"
    return f"nullIf({given.binary()}, 2)"


def _known(log: Log) -> str:
    if log.spec.scale.kind == "Classes":
        return f"{label_class(log)} != {len(log.spec.classes)}"
    return f"{label_code(log)} != 2"
