"""A Parquet, CSV or TSV file as a table of an embedded engine, every column read as what it is for."""

# ruff: noqa: S608  # identifiers are quoted, the path is a literal

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tierwise.adapters.clickhouse_connection import Connection
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.names import Reason
from tierwise.monitoring.decode import texts
from tierwise.monitoring.quoting import is_reserved, quote
from tierwise.runtime.errors import SpecError

_FLAGS = {  # of `analyze --data`
    "time": "--time",
    "version": "--version",
    "score": "--score",
    "label": "--label",
    "tier": "--tier-column",
    "model": "--model-column",
}


def load_file(connection: Connection, path: str, kind: str, spec: MonitoringDatasetSpec, row_time: str | None) -> None:
    """Make the table `spec.table` of the file at `path`, in the format `kind`.

    Text is read as a person means it: a version or a slice as it is written (1.10 is not 1.1), a time without a zone
    as UTC wherever this runs, a label as 0, 1, true or false. `row_time` adds the row's number in the file, as a time.

    Raises:
        SpecError: the file has not the columns, or nothing in them can be read.
        StoreError: the file is not of this kind.
    """
    source = f"file({_literal(str(Path(path).resolve()))}, {kind})"
    settings = _settings(spec, as_text=kind != "Parquet")
    described = connection.query(f"DESCRIBE TABLE {source} SETTINGS {settings}")
    columns = dict(zip(texts(described.column("name")), texts(described.column("type")), strict=True))
    _check_names(path, columns, spec, row_time)
    readings = _readings(columns, spec)
    replaced = ", ".join(f"{reading} AS {quote(name)}" for name, reading in readings.items())
    selected = f"* REPLACE ({replaced})" if replaced else "*"
    if row_time is not None:
        selected += f", toDateTime64(rowNumberInAllBlocks(), 6, 'UTC') AS {quote(row_time)}"
    assert spec.table is not None  # a file has no other name
    # One thread, order kept: row numbers are those of the file. A table, because every look reads it again.
    connection.command(
        f"CREATE TABLE {quote(spec.table)} ENGINE = MergeTree ORDER BY tuple() AS SELECT {selected} FROM {source} "
        f"SETTINGS {settings}, max_threads = 1, max_insert_threads = 1, input_format_parquet_preserve_order = 1"
    )
    for role in ("time", "score"):
        name = getattr(spec.columns, role)
        if name in readings:
            _check_read(connection, path, spec.table, name, role)


def _settings(spec: MonitoringDatasetSpec, *, as_text: bool) -> str:
    """Of a file of text, the types of the columns that are used; the rest, and all of Parquet, as it is found."""
    # Guessed types come from the first rows only, and a guess turns the version 1.10 into 1.1 and a zip code 00501
    # into 501.
    roles = [name for role, name in spec.columns.model_dump().items() if role in _FLAGS]
    used = [*roles, *(dimension.name for dimension in spec.dimensions)] if as_text else []
    hints = ", ".join(f"{quote(name)} Nullable(String)" for name in dict.fromkeys(name for name in used if name))
    return f"schema_inference_hints = {_literal(hints)}, precise_float_parsing = 1"


def _check_names(path: str, columns: Mapping[str, str], spec: MonitoringDatasetSpec, row_time: str | None) -> None:
    for role, name in spec.columns.model_dump().items():
        if role in _FLAGS and name not in (None, row_time) and name not in columns:
            raise SpecError(
                f"{path}: column {name!r} is not there (columns: {', '.join(columns)})",
                f"give the column of the {role} with {_FLAGS[role]}",
                reason=Reason.UNKNOWN_COLUMN,
            )
        if role in _FLAGS and name is not None and name != row_time and is_reserved(name):
            raise _reserved(path, name)
    more = [name for role, name in spec.columns.model_dump().items() if role not in _FLAGS and name is not None]
    for name in (*more, *(value.name for value in spec.values)):
        if name not in columns:
            raise SpecError(
                f"{path}: column {name!r}, which a metric reads, is not there (columns: {', '.join(columns)})",
                f"call the file's column {name}, or leave the metric away",
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


def _readings(columns: Mapping[str, str], spec: MonitoringDatasetSpec) -> dict[str, str]:
    """SQL for the columns of text that stand for a time or a number, and of numbers that stand for a time."""
    found = {}
    names = spec.columns
    if any(kind in columns.get(names.time, "") for kind in ("Int", "Float")):
        found[names.time] = _epoch(quote(names.time))
    for name, reading in ((names.time, _time), (names.score, _number), (names.label, _label)):
        if "String" in columns.get(name, ""):
            found[name] = reading(f"trimBoth(toString({quote(name)}))")
    return found


def _epoch(number: str) -> str:
    """A time of a number since 1970: its size tells seconds, milliseconds, microseconds and nanoseconds apart."""
    # Each unit for the years up to 5138; before 1973 a finer unit would be taken for a coarser one.
    units = ((1e11, "1000000"), (1e14, "1000"), (1e17, "1"))
    cases = ", ".join(f"{number} < {most!r}, {number} * {factor}" for most, factor in units)
    micros = f"multiIf(isNull({number}) OR {number} < 0, NULL, {cases}, {number} / 1000)"
    return f"fromUnixTimestamp64Micro(toInt64({micros}), 'UTC')"


def _time(text: str) -> str:
    return f"parseDateTime64BestEffortOrNull({text}, 6, 'UTC')"


def _number(text: str) -> str:
    return f"multiIf(lower({text}) = 'true', 1., lower({text}) = 'false', 0., toFloat64OrNull({text}))"


def _label(text: str) -> str:
    # What is neither empty nor a number is a label that is invalid, and is counted as one.
    return f"if(ifNull({text}, '') = '', NULL, ifNull({_number(text)}, 2.))"


def _check_read(connection: Connection, path: str, table: str, name: str, role: str) -> None:
    column = quote(name)
    row = connection.query(f"SELECT count() AS rows, count({column}) AS readable FROM {quote(table)}").to_pylist()[0]
    if row["rows"] and not row["readable"]:
        raise SpecError(
            f"{path}: no {role} in column {name!r} can be read",
            f"set --{role} to the column of the {role}",
            reason=Reason.DATASET_INVALID,
        )


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
