"""Copies labels from PostgreSQL into a table of the store. It can be repeated, and no label is stored twice."""

from __future__ import annotations

import json
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import IO
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from tierwise.adapters.clickhouse.connection import Connection
from tierwise.adapters.postgres.child import SQL
from tierwise.api.labelsources import COLUMN_PATTERN, TABLE_PATTERN
from tierwise.api.reasons import Reason
from tierwise.errors import RefusedError, SpecError, StoreError
from tierwise.monitoring.query.log.quoting import quote, table_sql
from tierwise.monitoring.query.log.window import time_parameter
from tierwise.monitoring.sqlguard.guard import guard_expression

# Equal rows replace each other, so that reading the same labels again changes nothing. The time comes early in the
# key: a look reads the labels of a window.
_CREATE = (
    "CREATE TABLE IF NOT EXISTS {table} (source LowCardinality(String), request_id String, label String, "
    "labelled_at DateTime64(6, 'UTC') CODEC(Delta(8), ZSTD(1))) ENGINE = ReplacingMergeTree "
    "PARTITION BY toYYYYMM(labelled_at) ORDER BY (source, labelled_at, request_id, label)"
)


@dataclass(frozen=True, slots=True)
class Address:
    """A PostgreSQL database. Its text never shows the password."""

    host: str
    port: int
    database: str
    user: str
    password: str

    def __str__(self) -> str:
        return f"postgresql://{self.user}@{self.host}:{self.port}/{self.database}"

    __repr__ = __str__


@dataclass(frozen=True, slots=True)
class Columns:
    """The label table and its columns: the request's id, the label, the label's time; and a condition on its rows."""

    table: str
    key: str
    label: str
    labelled_at: str
    where: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """The target of labels: `table` is TABLE or DATABASE.TABLE of the store, `source` the name of the labels in it.

    A table may have several sources. `overlap` is how late a label may be committed after the time that it carries.
    """

    table: str
    source: str
    overlap: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Imported:
    """How many labels were read from which time on, and the newest label now."""

    rows: int
    since: datetime | None
    until: datetime | None


def parse_address(dsn: str, password: str | None) -> Address:
    """The address of ``postgresql://user@host:port/database``; `password` is used if the DSN has none.

    Raises:
        SpecError: it is not such a DSN; the message has no password in it.
    """
    try:
        parts = urlsplit(dsn)
        port = parts.port or 5432
    except ValueError:
        parts, port = urlsplit(""), 0
    database = unquote(parts.path.strip("/"))
    if parts.scheme not in ("postgresql", "postgres") or not parts.hostname or not database or not parts.username:
        raise SpecError(
            "the PostgreSQL DSN is not one",
            "give postgresql://USER@HOST:PORT/DATABASE, the password in PGPASSWORD",
            reason=Reason.INVALID_SPEC,
        )
    user = unquote(parts.username)
    return Address(parts.hostname, port, database, user, unquote(parts.password or "") or password or "")


def import_labels(
    store: Connection,
    target: Target,
    address: Address,
    columns: Columns,
    *,
    since: datetime | None = None,
    told: Callable[[int], None] = lambda _: None,
) -> Imported:
    """Copy labels into the target's table, which is created if it does not exist.

    Args:
        store: The store of the target.
        target: The table of the store, and the name of the source.
        address: The PostgreSQL database.
        columns: The columns to read there.
        since: The first time to read; default: the target's `overlap` before the newest label of the source, else all.
        told: Called with the number of labels so far.

    Raises:
        SpecError: a name or the condition is refused.
        StoreError: PostgreSQL or the store cannot be read.
    """
    try:
        table = table_sql(target.table)
        sql, parameters = _select(address, columns)
    except RefusedError as refusal:
        raise SpecError(refusal.message, refusal.remedy, reason=refusal.reason) from None
    store.command(_CREATE.format(table=table))
    if since is None and (newest := _newest(store, table, target.source)) is not None:
        since = newest - target.overlap
    if since is not None:
        sql += f" AND {quote(columns.labelled_at)} >= {{since:DateTime64(6,'UTC')}}"
        parameters["since"] = time_parameter(since)
    rows = 0
    for part in _read(address, sql, parameters):
        named = part.add_column(0, "source", pa.array([target.source] * part.num_rows, pa.string()))
        store.insert(target.table, named)
        rows += part.num_rows
        told(rows)
    return Imported(rows, since, _newest(store, table, target.source))


def _select(address: Address, columns: Columns) -> tuple[str, dict[str, str]]:
    for name, pattern in ((columns.table, TABLE_PATTERN), *((c, COLUMN_PATTERN) for c in _names(columns))):
        if not re.fullmatch(pattern, name):
            raise SpecError(
                f"{name!r} is not a name", "give the table's and columns' names", reason=Reason.INVALID_SPEC
            )
    where = "" if columns.where is None else f" AND {guard_expression(columns.where, what='--where')}"
    key, label, at = (quote(name) for name in _names(columns))
    schema, _, table = columns.table.rpartition(".")
    parameters = {
        "address": f"{address.host}:{address.port}",
        "database": address.database,
        "table": table,
        "user": address.user,
        "password": address.password,
        "schema": schema or "public",
    }
    return SQL.format(key=key, label=label, labelled_at=at, where=where), parameters


def _names(columns: Columns) -> tuple[str, str, str]:
    return columns.key, columns.label, columns.labelled_at


def _newest(store: Connection, table: str, source: str) -> datetime | None:
    sql = f"SELECT maxOrNull(labelled_at) AS newest FROM {table} WHERE source = {{source:String}}"  # noqa: S608
    found: datetime | None = store.query(sql, {"source": source}).column("newest")[0].as_py()
    return found


def _read(address: Address, sql: str, parameters: dict[str, str]) -> Iterator[pa.Table]:
    child = subprocess.Popen(
        [sys.executable, "-m", "tierwise.adapters.postgres.child"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"TZ": "UTC", "PGTZ": "UTC"},
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    try:
        child.stdin.write(json.dumps({"sql": sql, "parameters": parameters}).encode())
        child.stdin.close()
        yield from _parts(child.stdout)
        said = child.stderr.read().decode(errors="replace").strip()
        if child.wait() != 0:
            raise _error(address, said)
    finally:
        if child.poll() is None:
            child.kill()
        child.wait()
        child.stdout.close()
        child.stderr.close()


def _parts(stream: IO[bytes]) -> Iterator[pa.Table]:
    while header := stream.read(8):
        body = stream.read(struct.unpack(">Q", header)[0])
        table = pa.ipc.open_stream(body).read_all()
        if table.num_rows:
            yield table


def _error(address: Address, said: str) -> StoreError:
    text = said.replace(address.password, "***") if address.password else said
    remedy = "check host, port, user, PGPASSWORD, and the names of table and columns"
    if "No module named 'chdb'" in text:
        text, remedy = "it is read with the embedded engine, which is missing", "install the extra tierwise[embedded]"
    return StoreError(f"{address}: {text[-600:]}", remedy, reason=Reason.STORE_UNREACHABLE)
