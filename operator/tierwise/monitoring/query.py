"""One look's SQL: dataset + scope + blocks → a parameterised query, and the decoding of its answer. Pure.

One scan: every row becomes one small integer (block, arm, label, answer), and `countResample` counts it once per grouping
set. Values are bound as parameters; identifiers are matched against the table's columns and quoted.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tierwise.api.common import duration_seconds
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.names import Reason
from tierwise.monitoring.binning import bin_sql, binning_of, number_sql
from tierwise.monitoring.cells import Block, Dataset, Scope
from tierwise.monitoring.refusal import Refused
from tierwise.monitoring.sqlguard import guard_expression, guard_select

OTHER = "other"  # the value that stands for all values beyond a dimension's maxValues
LABELS, ANSWERS, ARMS = 3, 3, 2
CELLS = ARMS * LABELS * ANSWERS  # cells of one block
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Source:
    """The table (or the parenthesised subselect) a dataset reads, as SQL, with its columns and their types."""

    sql: str
    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Query:
    """SQL with its bound parameters, and what decoding needs: the layout of grouping numbers."""

    sql: str
    parameters: Mapping[str, object]
    dimensions: tuple[str, ...] = ()
    groupings: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, slots=True)
class Kept:
    """Values of a dimension that are counted by name; all others are counted as `other`."""

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def quote(identifier: str) -> str:
    """An identifier as SQL."""
    return "`" + identifier.replace("\\", "\\\\").replace("`", "\\`") + "`"


def source_sql(spec: MonitoringDatasetSpec) -> str:
    """What follows FROM: the quoted table, or the guarded `query` in parentheses.

    Raises:
        Refused: neither is set, or the guard refuses the query.
    """
    if spec.query is not None:
        # With `table` the query may read that one only; without, any one table.
        return f"({guard_select(spec.query, tables=None if spec.table is None else (spec.table,))})"
    if not spec.table:
        raise Refused("neither spec.table nor spec.query is set", "name the table of the prediction log")
    parts = spec.table.split(".")
    if len(parts) > 2 or not all(parts):
        raise Refused(f"table {spec.table!r} is not a name", "give TABLE or DATABASE.TABLE")
    if parts[0].lower() in ("system", "information_schema"):
        raise Refused(
            f"table {spec.table!r} is not a prediction log", "name your own table", reason=Reason.QUERY_REFUSED
        )
    return ".".join(quote(part) for part in parts)


def config_hash(dataset: Dataset) -> int:
    """64 bits over everything that decides what is counted; distributions of different hashes are never compared."""
    spec = dataset.spec.model_dump(mode="json", by_alias=True, exclude={"store"})
    text = json.dumps([dataset.name, spec, sorted(dataset.groupings)], sort_keys=True, separators=(",", ":"))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True, slots=True)
class Log:
    """A dataset's columns as SQL expressions, found in the source's schema and guarded."""

    dataset: Dataset
    source: Source

    @property
    def spec(self) -> MonitoringDatasetSpec:
        return self.dataset.spec

    def column(self, role: str) -> str:
        """The quoted column of a role such as `score`.

        Raises:
            Refused: UnknownColumn, naming the columns there are.
        """
        name = getattr(self.spec.columns, role)
        if name is None:
            raise Refused(f"dataset {self.dataset.name!r}: spec.columns.{role} is not set", "name the column")
        if name not in self.source.columns:
            known = ", ".join(self.source.columns)
            where = self.spec.table or "the query"
            raise Refused(
                f"dataset {self.dataset.name!r}: column {name!r} is not in {where} (columns: {known})",
                f"set spec.columns.{_camel(role)}",
                reason=Reason.UNKNOWN_COLUMN,
            )
        return quote(name)

    def type_of(self, role: str) -> str:
        """The column's ClickHouse type; the column must exist."""
        return self.source.columns[getattr(self.spec.columns, role)]

    @property
    def single_precision(self) -> bool:
        self.column("score")
        return "Float32" in self.type_of("score")

    def text(self, role: str) -> str:
        """A column compared with strings."""
        column = self.column(role)
        return column if "String" in self.type_of(role) else f"toString({column})"

    def score(self) -> str:
        """The score as a non-null float in its own precision; null is NaN."""
        column = self.column("score")
        kind = self.type_of("score")
        value = column if "Float32" in kind or "Float64" in kind else f"toFloat64({column})"
        if "Nullable" in kind:
            value = f"ifNull({value}, {'toFloat32' if self.single_precision else 'toFloat64'}(nan))"
        return value

    def valid_score(self, score: str) -> str:
        """Whether a score is in the domain."""
        domain = self.spec.domain
        low = number_sql(domain.min, single_precision=self.single_precision)
        high = number_sql(domain.max, single_precision=self.single_precision)
        # NaN compares false with everything, so it is not valid either
        parts = [f"{score} >= {low}", f"{score} <= {high}"]
        parts += [f"{score} != {number_sql(x, single_precision=self.single_precision)}" for x in domain.exclude]
        return "(" + " AND ".join(parts) + ")"

    def answer(self, score: str) -> str:
        """0 negative, 1 positive, 2 invalid."""
        threshold = number_sql(self.spec.threshold, single_precision=self.single_precision)
        positive = f"{score} >= {threshold}" if self.spec.positive == "AtOrAbove" else f"{score} < {threshold}"
        return f"if({self.valid_score(score)}, toUInt8({positive}), 2)"

    def label_is(self, value: int) -> str:
        """Whether the label is `value`; null when it is null."""
        column = self.column("label")
        return f"{column} = '{value}'" if "String" in self.type_of("label") else f"{column} = {value}"

    def counts(self) -> str | None:
        """`where`: which labels count. None when all do."""
        if self.spec.where is None:
            return None
        return f"ifNull(toBool({guard_expression(self.spec.where, what='spec.where')}), false)"

    def label(self) -> str:
        """0 negative, 1 positive, 2 unknown: null, late, not counted by `where`, or neither 0 nor 1."""
        cases: list[str] = []
        if (counts := self.counts()) is not None:
            cases.append(f"NOT {counts}, 2")
        if self.spec.columns.labelled_at is not None:
            late = f"{self.column('labelled_at')} > {self.column('time')} + toIntervalSecond({{maturity:UInt32}})"
            cases.append(f"ifNull({late}, false), 2")
        cases += [f"ifNull({self.label_is(1)}, false), 1", f"ifNull({self.label_is(0)}, false), 0"]
        return f"multiIf({', '.join(cases)}, 2)"

    def dimension(self, name: str) -> str:
        """A dimension's value as a string; null is the value `null`."""
        for dimension in self.spec.dimensions:
            if dimension.name == name:
                expression = guard_expression(dimension.expression, what=f"spec.dimensions[{name}].expression")
                return f"ifNull(toString({expression}), 'null')"
        known = ", ".join(d.name for d in self.spec.dimensions) or "none"
        raise Refused(
            f"dataset {self.dataset.name!r}: dimension {name!r} is not defined (dimensions: {known})",
            "add it to spec.dimensions or slice by one of these",
            reason=Reason.UNKNOWN_DIMENSION,
        )

    def scope_conditions(self, scope: Scope) -> list[str]:
        """Model and tiers; not the versions and not the time."""
        conditions = []
        if scope.model is not None and self.spec.columns.model is not None:
            conditions.append(f"{self.text('model')} = {{model:String}}")
        if scope.tiers:
            conditions.append(f"{self.text('tier')} IN {{tiers:Array(String)}}")
        return conditions

    def scope_parameters(self, scope: Scope) -> dict[str, object]:
        """Parameters of `scope_conditions`, of the versions and of maturity."""
        parameters: dict[str, object] = {
            "baseline": scope.baseline,
            "candidate": scope.candidate,
            "maturity": duration_seconds(self.spec.maturity),
        }
        if scope.model is not None and self.spec.columns.model is not None:
            parameters["model"] = scope.model
        if scope.tiers:
            parameters["tiers"] = list(scope.tiers)
        return parameters

    def versions(self) -> str:
        """Only the two versions: `version = candidate` alone would count any third one as the baseline."""
        return f"{self.text('version')} IN ({{baseline:String}}, {{candidate:String}})"


def time_parameter(value: datetime) -> str:
    """A time for a parameter of type DateTime64(6,'UTC'), to the microsecond."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _micros(value: datetime) -> int:
    return (value - _EPOCH) // timedelta(microseconds=1)


def _camel(role: str) -> str:
    head, *tail = role.split("_")
    return head + "".join(part.title() for part in tail)


def _window(log: Log, start: datetime, end: datetime) -> tuple[list[str], dict[str, object]]:
    column = log.column("time")
    return (
        [f"{column} >= {{t0:DateTime64(6,'UTC')}}", f"{column} < {{t1:DateTime64(6,'UTC')}}"],
        {"t0": time_parameter(start), "t1": time_parameter(end)},
    )


def _block_number(log: Log, blocks: Sequence[Block]) -> str | None:
    """SQL of the index of the block a row is in, −1 for a row between blocks; None for one block."""
    if len(blocks) == 1:
        return None
    for before, after in zip(blocks, blocks[1:], strict=False):
        if after.start < before.end:
            raise ValueError(f"blocks must ascend and not overlap: {after.start} is before {before.end}")
    micros = f"toUnixTimestamp64Micro(toDateTime64({log.column('time')}, 6, 'UTC'))"
    first, width = _micros(blocks[0].start), _micros(blocks[0].end) - _micros(blocks[0].start)
    if all(
        _micros(b.start) == first + i * width and _micros(b.end) == first + (i + 1) * width
        for i, b in enumerate(blocks)
    ):
        return f"toInt32(intDiv({micros} - {first}, {width}))"
    edges: list[int] = []
    index: list[int] = []
    for i, block in enumerate(blocks):
        start, end = _micros(block.start), _micros(block.end)
        if edges and edges[-1] == start:
            index[-1] = i
        else:
            edges.append(start)
            index.append(i)
        edges.append(end)
        index.append(-1)
    array = ", ".join(f"toInt64({edge})" for edge in edges)
    numbers = ", ".join(f"toInt32({i})" for i in index)
    return f"transform(roundDown({micros}, [{array}]), [{array}], [{numbers}], toInt32(-1))"


def _grouped(
    log: Log, scope: Scope, *, cell: str, cells: int, conditions: list[str], parameters: dict[str, object], kept: Kept
) -> Query:
    """The one query of a look: a cell number per row, counted once per grouping set."""
    groupings = log.dataset.groupings
    dimensions = tuple(sorted({name for grouping in groupings for name in grouping}))
    columns = []
    for i, name in enumerate(dimensions):
        value = log.dimension(name)
        if name in kept.values:
            parameters[f"keep{i}"] = list(kept.values[name])
            value = f"if({value} IN {{keep{i}:Array(String)}}, {value}, '{OTHER}')"
        columns.append(f"{value} AS tierwise_d{i}")
    where = " AND ".join([*conditions, *log.scope_conditions(scope), log.versions()])
    inner = f"SELECT {', '.join([*columns, f'{cell} AS tierwise_cell'])} FROM {log.source.sql} WHERE {where}"
    keys = [f"tierwise_d{i}" for i in range(len(dimensions))]
    counts = f"CAST(countResample(0, {cells}, 1)(tierwise_cell), 'Array(UInt32)') AS h"
    if not groupings:
        return Query(f"SELECT toUInt64(0) AS g, {counts} FROM ({inner})", parameters)
    sets = ", ".join("(" + ", ".join(keys[dimensions.index(name)] for name in grouping) + ")" for grouping in groupings)
    sql = (
        f"SELECT toUInt64(grouping({', '.join(keys)})) AS g, {', '.join(keys)}, {counts} "
        f"FROM ({inner}) GROUP BY GROUPING SETS ({sets}, ())"
    )
    return Query(sql, parameters, dimensions, groupings)


def _cell(log: Log, inner: str, per_arm: int, block: str | None) -> str:
    """The cell number: block, arm, then what `inner` counts (per_arm values)."""
    cell = f"({log.text('version')} = {{candidate:String}}) * {per_arm} + {inner}"
    if block is None:
        return f"toUInt16({cell})"
    # A row between blocks gets a number that countResample drops: it is negative.
    return f"toInt32({block} * {ARMS * per_arm} + {cell})"


def cells_query(log: Log, scope: Scope, blocks: Sequence[Block], kept: Kept | None = None) -> Query:
    """Counts by block, slice, arm, label and answer in one scan; decode with `decode.decode_cells`."""
    conditions, parameters = _window(log, blocks[0].start, blocks[-1].end)
    inner = f"{log.label()} * {ANSWERS} + {log.answer(log.score())}"
    return _grouped(
        log,
        scope,
        cell=_cell(log, inner, LABELS * ANSWERS, _block_number(log, blocks)),
        cells=CELLS * len(blocks),
        conditions=conditions,
        parameters={**log.scope_parameters(scope), **parameters},
        kept=kept or Kept(),
    )


def distributions_query(log: Log, scope: Scope, block: Block, kept: Kept | None = None) -> Query:
    """Counts by slice, arm, label and bin in one scan; the last bin counts invalid scores."""
    single = log.single_precision
    binning = binning_of(log.spec, single_precision=single)
    conditions, parameters = _window(log, block.start, block.end)
    score = log.score()
    per_label = binning.bins + 1
    found = bin_sql(log.spec, binning, score, single_precision=single)
    # A score outside the domain has no bin: compute with a valid one in its place, then drop it.
    inside = f"if({log.valid_score(score)}, {score}, {number_sql(log.spec.domain.min, single_precision=single)})"
    found = bin_sql(log.spec, binning, inside, single_precision=single)
    inner = f"{log.label()} * {per_label} + if({log.valid_score(score)}, {found}, {binning.bins})"
    return _grouped(
        log,
        scope,
        cell=_cell(log, inner, LABELS * per_label, None),
        cells=ARMS * LABELS * per_label,
        conditions=conditions,
        parameters={**log.scope_parameters(scope), **parameters},
        kept=kept or Kept(),
    )


def values_query(log: Log, scope: Scope, start: datetime, end: datetime, dimensions: Sequence[str]) -> Query:
    """Per dimension its most frequent values, by rows of both arms, then by name; enough to see more than maxValues."""
    conditions, parameters = _window(log, start, end)
    where = " AND ".join([*conditions, *log.scope_conditions(scope), log.versions()])
    columns = ", ".join(f"{log.dimension(name)} AS tierwise_d{i}" for i, name in enumerate(dimensions))
    keys = [f"tierwise_d{i}" for i in range(len(dimensions))]
    most = max(d.max_values for d in log.spec.dimensions if d.name in dimensions) + 2  # one may be `other` itself
    sql = (
        f"SELECT toUInt64(grouping({', '.join(keys)})) AS g, {', '.join(keys)}, count() AS n "
        f"FROM (SELECT {columns} FROM {log.source.sql} WHERE {where}) "
        f"GROUP BY GROUPING SETS ({', '.join(f'({key})' for key in keys)}) "
        f"ORDER BY g, n DESC, {', '.join(keys)} LIMIT {most} BY g"
    )
    parameters = {**log.scope_parameters(scope), **parameters}
    return Query(sql, parameters, tuple(dimensions), tuple((name,) for name in dimensions))


def watermark_query(log: Log, scope: Scope, since: datetime | None, now: datetime) -> Query:
    """The newest prediction time at or before `now` (and at or after `since`)."""
    column = log.column("time")
    conditions = [f"{column} <= {{now:DateTime64(6,'UTC')}}", *log.scope_conditions(scope)]
    parameters: dict[str, object] = {**log.scope_parameters(scope), "now": time_parameter(now)}
    if since is not None:
        conditions.append(f"{column} >= {{since:DateTime64(6,'UTC')}}")
        parameters["since"] = time_parameter(since)
    newest = f"maxOrNull(toUnixTimestamp64Micro(toDateTime64({column}, 6, 'UTC')))"
    return Query(f"SELECT {newest} AS t FROM {log.source.sql} WHERE {' AND '.join(conditions)}", parameters)


def invalid_query(log: Log, scope: Scope, window: Block, now: datetime) -> Query:
    """Rows that no count holds, by cause: score, label, time, version."""
    column = log.column("time")
    (start, end), parameters = _window(log, window.start, window.end)
    inside = f"ifNull({start} AND {end}, false)"
    ours = log.versions()
    score = log.score()
    label = f"isNotNull({log.column('label')}) AND NOT ifNull({log.label_is(1)}, false) AND NOT ifNull({log.label_is(0)}, false)"
    if (counts := log.counts()) is not None:
        label = f"{counts} AND {label}"
    no_time = f"(isNull({column}) OR {column} > {{now:DateTime64(6,'UTC')}})"
    conditions = [f"({inside} OR {no_time})", *log.scope_conditions(scope)]
    sql = (
        f"SELECT countIf({inside} AND {ours} AND NOT {log.valid_score(score)}) AS score, "
        f"countIf({inside} AND {ours} AND {label}) AS label, "
        f"countIf({ours} AND {no_time}) AS time, "
        f"countIf({inside} AND NOT {ours}) AS version "
        f"FROM {log.source.sql} WHERE {' AND '.join(conditions)}"
    )
    return Query(sql, {**log.scope_parameters(scope), **parameters, "now": time_parameter(now)})
