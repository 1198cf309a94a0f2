"""SQL for labels: from one column, or from several sources in their order of trust, joined by request id. Pure.

A label table can have several labels of a request, and labels far outside the window of a look. Only labels that can
count in the window are read, and only the first of each request. So a join never multiplies rows, and the same window
always gives the same counts.
"""

# ruff: noqa: S608  # all SQL is put together here: from quoted identifiers, guarded expressions and bound parameters

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tierwise.api.labelsources import LabelSource
from tierwise.errors import RefusedError
from tierwise.monitoring.query.log.columns import Log
from tierwise.monitoring.query.log.quoting import quote, table_sql
from tierwise.monitoring.sqlguard.guard import guard_expression

# A label may come a little before its prediction: clocks differ.
_CLOCKS = "toIntervalDay(1)"


@dataclass(frozen=True, slots=True)
class Given:
    """The label that one source gives a row, as SQL.

    `value` is the raw label, of ClickHouse type `kind` (None: only the store knows it). If any of the conditions
    `refused` is true, the label does not count: `where` excludes it, or it is late.
    """

    name: str
    value: str
    kind: str | None
    refused: tuple[str, ...]

    def coded(self, known: str) -> str:
        """`known`, or 2 if the label is refused."""
        return f"multiIf({', '.join([*(f'{case}, 2' for case in self.refused), known])})" if self.refused else known

    def binary(self) -> str:
        """0 negative, 1 positive, 2 unknown: null, refused, or neither 0 nor 1."""
        if self.kind is not None and ("UInt8" in self.kind or "Bool" in self.kind):
            # 0, 1, and 2 for all other values; this costs a third less than comparisons
            return self.coded(f"least(ifNull(toUInt8({self.value}), 2), 2)")
        cases = [f"{case}, 2" for case in self.refused]
        cases += [f"ifNull({self.is_value(1)}, false), 1", f"ifNull({self.is_value(0)}, false), 0"]
        return f"multiIf({', '.join(cases)}, 2)"

    def is_value(self, value: int) -> str:
        """Whether the label is `value`; null when it is null."""
        if self.kind is None:
            return f"toString({self.value}) IN ('{value}', '{'true' if value else 'false'}')"
        return f"{self.value} = '{value}'" if "String" in self.kind else f"{self.value} = {value}"

    def is_no(self, kind: Literal["Binary", "Number", "Classes"]) -> str:
        """Whether there is a label that is invalid for its kind, also if it is late."""
        match kind:
            case "Number":
                return f"isNotNull({self.value}) AND NOT isFinite({self._as_number()})"
            case "Classes":
                return self.no_class()
            case _:
                return self.invalid()

    def invalid(self) -> str:
        """Whether there is a label that is neither 0 nor 1, also if it is late."""
        neither = f"NOT ifNull({self.is_value(1)}, false) AND NOT ifNull({self.is_value(0)}, false)"
        return f"isNotNull({self.value}) AND {neither}"

    def no_class(self) -> str:
        """Whether there is a label that is not in the parameter `classes`."""
        text = f"ifNull(toString({self.value}), '')"
        return f"{text} != '' AND NOT has({{classes:Array(String)}}, {text})"

    def class_index(self, classes: int) -> str:
        """0-based index of the class in the parameter `classes`; the number of classes when unknown."""
        found = class_index(self.value, classes)
        return f"if({' OR '.join(self.refused)}, {classes}, {found})" if self.refused else found

    def number(self) -> str:
        """The label as Float64, NaN when unknown."""
        value = self._as_number()
        return f"if({' OR '.join(self.refused)}, nan, {value})" if self.refused else value

    def _as_number(self) -> str:
        if self.kind is not None and any(number in self.kind for number in ("Float", "Int", "Decimal", "Bool")):
            return f"ifNull(toFloat64({self.value}), nan)"
        return f"ifNull(toFloat64OrNull(toString({self.value})), nan)"


def class_index(value: str, classes: int) -> str:
    """0-based index of a value, as text, in the parameter `classes`; the argument `classes` if it is not a class."""
    found = f"indexOf({{classes:Array(String)}}, ifNull(toString({value}), ''))"
    return f"toUInt8(if({found} = 0, {classes}, {found} - 1))"


def given(log: Log) -> list[Given]:
    """The labels of the sources that are used to judge, the most trusted first.

    Raises:
        RefusedError: no source reaches `minConfidence`.
    """
    labels = log.spec.labels
    where = () if (counts := log.counts()) is None else (f"NOT {counts}",)
    if labels is None:
        late = () if log.spec.columns.labelled_at is None else (_late(log, log.column("labelled_at")),)
        return [Given("label", log.column("label"), log.type_of("label"), (*where, *late))]
    trusted = [source for source in labels.sources if source.confidence >= labels.min_confidence]
    if not trusted:
        most = max(source.confidence for source in labels.sources)
        raise RefusedError(
            f"dataset {log.dataset.name!r}: no label source reaches minConfidence {labels.min_confidence:g} "
            f"(the most trusted has {most:g})",
            "lower spec.labels.minConfidence, or add a source",
        )
    return [given_by(log, source, where) for source in trusted]


def given_by(log: Log, source: LabelSource, where: Sequence[str] = ()) -> Given:
    """The label that one source gives a row, for any confidence."""
    if source.kind != "Column":
        late = () if source.labelled_at is None else (_late(log, quote(_at_of(source))),)
        return Given(source.name, quote(_label_of(source)), None, (*where, *late))
    column = log.named(source.column, "labels.sources[].column")
    own = () if source.where is None else (f"NOT {_guarded(source)}",)
    at = (
        ()
        if source.labelled_at is None
        else (_late(log, log.named(source.labelled_at, "labels.sources[].labelledAt")),)
    )
    return Given(source.name, column, log.source.columns[source.column], (*where, *own, *at))


def _late(log: Log, at: str) -> str:
    return f"ifNull({at} > {log.column('time')} + toIntervalSecond({{maturity:UInt32}}), false)"


def first_known(coded: Sequence[str], unknown: str) -> str:
    """SQL for the first of several codes that is not `unknown`."""
    if len(coded) == 1:
        return coded[0]
    cases = ", ".join(f"{code} != {unknown}, {code}" for code in coded[:-1])
    return f"multiIf({cases}, {coded[-1]})"


def joined_rows(log: Log, source: str, where: str) -> str:
    """The SQL after FROM: the rows of `source` that meet the condition ("": all), with a column per label table."""
    if where:
        where = f" WHERE {where}"
    tables = [] if log.spec.labels is None else [s for s in log.spec.labels.sources if s.kind != "Column"]
    if not tables:
        return f"{source}{where}"
    request = f"toString({log.column('request_id')})"
    ids = f"SELECT {request} FROM {source}{where}"
    columns, joins = ["l.*"], []
    for i, label in enumerate(tables):
        columns.append(f"s{i}.tierwise_value AS {quote(_label_of(label))}")
        if label.labelled_at is not None:
            columns.append(f"s{i}.tierwise_at AS {quote(_at_of(label))}")
        joins.append(f"LEFT ANY JOIN ({_first_labels(label, ids)}) AS s{i} ON s{i}.tierwise_key = l.tierwise_request")
    rows = f"SELECT *, {request} AS tierwise_request FROM {source}{where}"
    return f"(SELECT {', '.join(columns)} FROM ({rows}) AS l {' '.join(joins)})"


def _first_labels(source: LabelSource, ids: str) -> str:
    """A SELECT of the first label of each request, from labels that can count in the window; null without one."""
    column, key, conditions = _that_can_count(source, ids)
    order, at = f"toString({column})", ""
    if source.labelled_at is not None:
        came = quote(source.labelled_at)
        order, at = f"({came}, {order})", f", min({came}) AS tierwise_at"
    return (
        f"SELECT toString({key}) AS tierwise_key, argMin(toNullable({column}), {order}) AS tierwise_value{at} "
        f"FROM {_table(source)} WHERE {' AND '.join(conditions)} GROUP BY tierwise_key"
    )


def contradicted_requests(log: Log, rows: str) -> list[str]:
    """For each label table that is used to judge, a SELECT of the requests whose first labels differ.

    First labels are those with the earliest time; without `labelledAt` all labels. `rows` is the SQL after FROM.
    """
    labels = log.spec.labels
    tables = [] if labels is None else [s for s in labels.sources if s.kind != "Column"]
    found = []
    for source in tables:
        if labels is None or source.confidence < labels.min_confidence:
            continue
        column, key, conditions = _that_can_count(source, f"SELECT toString({log.column('request_id')}) FROM {rows}")
        text = f"toString({column})"
        differ = f"min({text}) != max({text})"
        if source.labelled_at is not None:
            came = f"toUnixTimestamp64Micro(toDateTime64({quote(source.labelled_at)}, 6, 'UTC'))"
            differ = f"argMin({text}, ({came}, {text})) != argMax({text}, (-{came}, {text}))"
        found.append(
            f"SELECT toString({key}) AS tierwise_key FROM {_table(source)} WHERE {' AND '.join(conditions)} "
            f"GROUP BY tierwise_key HAVING {differ}"
        )
    return found


def _that_can_count(source: LabelSource, ids: str) -> tuple[str, str, list[str]]:
    """Column and key of a label table, and the conditions of labels that can count in the window."""
    assert source.key is not None
    column, key = quote(source.column), quote(source.key)
    # a row without an id must not get the label of another row without an id
    conditions = [f"isNotNull({column})", f"ifNull(toString({key}), '') != ''"]
    if source.where is not None:
        conditions.append(_guarded(source))
    if source.labelled_at is None:
        # labels have no times, so only the window's requests limit what is read
        conditions.append(f"toString({key}) IN ({ids})")
    else:
        came = quote(source.labelled_at)
        conditions.append(f"{came} >= {{t0:DateTime64(6,'UTC')}} - {_CLOCKS}")
        conditions.append(f"{came} <= {{t1:DateTime64(6,'UTC')}} + toIntervalSecond({{maturity:UInt32}})")
    return column, key, conditions


def _table(source: LabelSource) -> str:
    assert source.table is not None
    if source.kind == "Table":
        return table_sql(source.table)
    schema, _, table = source.table.rpartition(".")
    named = f", schema = '{schema}'" if schema else ""
    # with a named collection the credentials stay in ClickHouse
    return f"postgresql({quote(source.collection or '')}, table = '{table}'{named})"


def _guarded(source: LabelSource) -> str:
    assert source.where is not None
    guarded = guard_expression(source.where, what=f"spec.labels.sources[{source.name}].where")
    return f"ifNull(toBool({guarded}), false)"


def _label_of(source: LabelSource) -> str:
    return f"tierwise_label_{source.name}"


def _at_of(source: LabelSource) -> str:
    return f"tierwise_labelled_at_{source.name}"
