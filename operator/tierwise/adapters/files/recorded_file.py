"""Parquet, CSV and TSV files as tables of an embedded engine. Every column is read as the type of its role."""

# ruff: noqa: S608  # identifiers are quoted, the path is a literal

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tierwise.adapters.clickhouse.connection import Connection
from tierwise.adapters.files.index_column import header_with_index
from tierwise.adapters.files.readings import label_kind, label_reading, readings_of, time_reading
from tierwise.api.labelsources import LabelSource
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.reasons import Reason
from tierwise.errors import SpecError
from tierwise.monitoring.query.log.quoting import is_reserved, quote, table_sql
from tierwise.monitoring.query.look.decode import texts

_FLAGS = {  # options of `analyze --data` without a manifest
    "time": "--time",
    "version": "--version",
    "score": "--score",
    "label": "--label",
    "tier": "--tier-column",
    "model": "--model-column",
}
_NEEDED = ("time", "version", "score", "label")
_TEXTS = (*_FLAGS, "commit", "pod", "unit", "labelled_at", "request_id")  # roles that are text until they are read
_COMPOSITE = re.compile(r"\b(Array|Tuple|Map|Nested|Variant|JSON)\(")
_NUMBER = re.compile(r"\b(?:U?Int|B?Float|Decimal|Bool)")
_NAME = re.compile(r"`?([A-Za-z_]\w*)`?")


@dataclass(frozen=True, slots=True)
class LabelFile:
    """A file with the rows of a label source, which is read under the source's table."""

    source: LabelSource
    path: str


def load_file(
    connection: Connection,
    path: str,
    kind: str,
    spec: MonitoringDatasetSpec,
    row_time: str | None,
    *,
    described: bool = False,
) -> None:
    """Make the table `spec.table` of the file at `path`, in the format `kind`.

    A version or a slice is read as it is written (1.10 is not 1.1). A time without a zone is read as UTC, wherever this
    runs. A label is read as 0, 1, true or false. `row_time` adds the row's number in the file, as a time. `described`
    means that the spec comes from a manifest, whose dimensions are expressions, and not from options.

    Raises:
        SpecError: the file does not have the columns, or nothing in them can be read.
        StoreError: the file is not of this kind.
    """
    assert spec.table is not None  # a file has no other name
    source, header = _source(path, kind)
    settings = _settings(_text_columns(spec, described=described) if kind != "Parquet" else ()) + header
    columns = _described(connection, source, settings)
    if not described:
        _check_flags(path, columns, spec, row_time)
    elif spec.query is None:  # else the columns are the query's
        _check_manifest(path, columns, spec)
    _check_types(path, columns, _roles(spec))
    readings = readings_of(columns, spec)
    more = "" if row_time is None else f", toDateTime64(rowNumberInAllBlocks(), 6, 'UTC') AS {quote(row_time)}"
    _load(connection, spec.table, source, settings, readings, more)
    for role in ("time", "score"):
        name = getattr(spec.columns, role)
        if name in readings and (role == "time" or label_kind(spec) != "Classes"):
            remedy = f"set spec.columns.{role}" if described else f"set {_FLAGS[role]}"
            _check_read(connection, path, spec.table, name, role, f"{remedy} to the column of the {role}")
    if spec.columns.latency is not None and spec.columns.latency in readings:
        _check_read(connection, path, spec.table, spec.columns.latency, "latency", "name a column of numbers")
    weight = spec.columns.weight
    if weight is not None and (weight in readings or (spec.query is None and _NUMBER.search(columns.get(weight, "")))):
        _check_weights(connection, path, spec.table, weight, columns[weight])


def load_labels(connection: Connection, file: LabelFile, kind: str, spec: MonitoringDatasetSpec) -> None:
    """Make the table of a label source from its file. Keys, labels and times are read as those of the log.

    Raises:
        SpecError: the file does not have the columns.
        StoreError: the file is not of this kind.
    """
    label = file.source
    assert label.table is not None
    assert label.key is not None
    source, header = _source(file.path, kind)
    texts_of = [name for name in (label.key, label.column, label.labelled_at) if name is not None]
    settings = _settings(texts_of if kind != "Parquet" else ()) + header
    columns = _described(connection, source, settings)
    for field, name in (("key", label.key), ("column", label.column), ("labelledAt", label.labelled_at)):
        if name is not None and name not in columns:
            raise SpecError(
                f"{file.path}: column {name!r} is not there (columns: {', '.join(columns)})",
                f"set {field} of the label source {label.name!r}",
                reason=Reason.UNKNOWN_COLUMN,
            )
    _check_types(file.path, columns, {"key": label.key, "label": label.column, "label's time": label.labelled_at})
    readings = label_reading(columns, label.column, label_kind(spec))
    if label.labelled_at is not None:
        readings |= time_reading(columns, label.labelled_at)
    _load(connection, label.table, source, settings, readings, "")


def _source(path: str, kind: str) -> tuple[str, str]:
    """SQL of the file as a table, and the settings it needs: a header that names not all columns is read as data."""
    names = header_with_index(Path(path), kind)
    source = f"file({_literal(str(Path(path).resolve()))}, {kind if names is None else kind.removesuffix('WithNames')})"
    if names is None:
        return source, ""
    skip = "csv" if kind.startswith("CSV") else "tsv"
    named = f"column_names_for_schema_inference = {_literal(','.join(names))}"
    return source, f", input_format_{skip}_skip_first_lines = 1, {named}"


def _described(connection: Connection, source: str, settings: str) -> dict[str, str]:
    """Columns of a file with their types."""
    found = connection.query(f"DESCRIBE TABLE {source} SETTINGS {settings}")
    return dict(zip(texts(found.column("name")), texts(found.column("type")), strict=True))


def _load(
    connection: Connection, table: str, source: str, settings: str, readings: Mapping[str, str], more: str
) -> None:
    replaced = ", ".join(f"{reading} AS {quote(name)}" for name, reading in readings.items())
    selected = (f"* REPLACE ({replaced})" if replaced else "*") + more
    database, _, _ = table.rpartition(".")
    if database:
        connection.command(f"CREATE DATABASE IF NOT EXISTS {quote(database)}")
    # One thread, order kept: row numbers are those of the file. A table, because every look reads it again.
    connection.command(
        f"CREATE TABLE {table_sql(table)} ENGINE = MergeTree ORDER BY tuple() AS SELECT {selected} FROM {source} "
        f"SETTINGS {settings}, max_threads = 1, max_insert_threads = 1, input_format_parquet_preserve_order = 1"
    )


def _text_columns(spec: MonitoringDatasetSpec, *, described: bool) -> list[str]:
    """The columns of a text file that are first read as text."""
    found = [name for role, name in _roles(spec).items() if role in _TEXTS]
    for source in () if spec.labels is None else spec.labels.sources:
        found += [source.column, source.labelled_at] if source.kind == "Column" else []
    for dimension in spec.dimensions:
        plain = _NAME.fullmatch(dimension.expression)
        found += [dimension.name] if not described else [plain[1]] if plain else []
    return [name for name in dict.fromkeys(found) if name]


def _roles(spec: MonitoringDatasetSpec) -> dict[str, str | None]:
    return {role: getattr(spec.columns, role) for role in type(spec.columns).model_fields}


def _settings(as_text: Sequence[str]) -> str:
    """The setting that reads these columns as text. The engine finds the types of all other columns."""
    # The engine guesses types from the first rows only. A guess turns the version 1.10 into 1.1 and a zip code 00501
    # into 501.
    hints = ", ".join(f"{quote(name)} Nullable(String)" for name in as_text)
    return f"schema_inference_hints = {_literal(hints)}, precise_float_parsing = 1"


def _check_manifest(path: str, columns: Mapping[str, str], spec: MonitoringDatasetSpec) -> None:
    for role, name in _roles(spec).items():
        if name is None or name in columns or (role == "label" and spec.labels is not None):
            continue
        none = "" if role in _NEEDED else ', or to "" when it has none'
        raise SpecError(
            f"{path}: column {name!r} is not there (columns: {', '.join(columns)})",
            f"set spec.columns.{_field(role)} to the file's column{none}",
            reason=Reason.UNKNOWN_COLUMN,
        )


def _field(role: str) -> str:
    """The name of the role in a manifest."""
    return "".join(part.title() if i else part for i, part in enumerate(role.split("_")))


def _check_types(path: str, columns: Mapping[str, str], wanted: Mapping[str, str | None]) -> None:
    """Refuse lists and structures as scores, labels or names, with a clearer message than that of the engine."""
    for role, name in wanted.items():
        kind = "" if name is None or role == "top" else " ".join(columns.get(name, "").split())
        if _COMPOSITE.search(kind):
            raise SpecError(
                f"{path}: column {name!r} holds lists or structures ({kind}), and the {role.replace('_', ' ')} is one "
                "value a row",
                "write the value into a column of its own, and name that one",
                reason=Reason.DATASET_INVALID,
            )


def _check_flags(path: str, columns: Mapping[str, str], spec: MonitoringDatasetSpec, row_time: str | None) -> None:
    for role, name in spec.columns.model_dump().items():
        if role in _FLAGS and name not in (None, row_time) and name not in columns:
            raise SpecError(
                f"{path}: column {name!r} is not there (columns: {', '.join(columns)})",
                f"give the column of the {role} with {_FLAGS[role]}",
                reason=Reason.UNKNOWN_COLUMN,
            )
        if role in _FLAGS and name is not None and name != row_time and is_reserved(name):
            raise _reserved(path, name)
    more = {
        name: f"columns.{_field(role)}: COLUMN"
        for role, name in spec.columns.model_dump().items()
        if role not in _FLAGS and name is not None
    }
    more |= {value.name: f"values: [{{name: {value.name}, expression: COLUMN}}]" for value in spec.values}
    for name, manifest in more.items():
        if name not in columns:
            raise SpecError(
                f"{path}: column {name!r}, which a metric reads, is not there (columns: {', '.join(columns)})",
                f"name the file's column in a manifest with --dataset ({manifest}), call it {name}, or leave the "
                "metric away",
                reason=Reason.UNKNOWN_COLUMN,
            )
    for dimension in spec.dimensions:
        if dimension.name not in columns:
            raise SpecError(
                f"{path}: column {dimension.name!r} is not there (columns: {', '.join(columns)})",
                "slice by one of these",
                reason=Reason.UNKNOWN_DIMENSION,
            )
        if is_reserved(dimension.name):
            raise _reserved(path, dimension.name)
    if row_time in columns:
        raise _reserved(path, str(row_time))


def _reserved(path: str, name: str) -> SpecError:
    return SpecError(
        f"{path}: the column name {name!r} is used by Tierwise itself", "rename it", reason=Reason.DATASET_INVALID
    )


def _check_read(connection: Connection, path: str, table: str, name: str, role: str, remedy: str) -> None:
    column = quote(name)
    sql = f"SELECT count() AS rows, count({column}) AS readable FROM {table_sql(table)}"
    row = connection.query(sql).to_pylist()[0]
    if row["rows"] and not row["readable"]:
        raise SpecError(f"{path}: no {role} in column {name!r} can be read", remedy, reason=Reason.DATASET_INVALID)


def _check_weights(connection: Connection, path: str, table: str, name: str, kind: str) -> None:
    weight = f"ifNull(toFloat64({quote(name)}), 0)"
    sql = f"SELECT count() AS rows, countIf({weight} > 0 AND isFinite({weight})) AS weighted FROM {table_sql(table)}"
    row = connection.query(sql).to_pylist()[0]
    if row["rows"] and not row["weighted"]:
        raise SpecError(
            f"{path}: no row has a weight: none of the {row['rows']} values of column {name!r} ({kind}) is a number "
            "above 0",
            "set spec.columns.weight to a column of numbers, or leave it away",
            reason=Reason.DATASET_INVALID,
        )


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
