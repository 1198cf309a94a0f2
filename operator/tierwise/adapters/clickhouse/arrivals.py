"""Counts what arrived in the log, and checks whether label tables can be read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from tierwise.adapters.clickhouse.connection import Connection
from tierwise.api.reasons import Reason
from tierwise.errors import RefusedError
from tierwise.monitoring.counts.model import Block, Scope
from tierwise.monitoring.query.log.columns import Log
from tierwise.monitoring.query.log.quoting import quote
from tierwise.monitoring.query.look.counts import Query
from tierwise.monitoring.query.look.decode import texts
from tierwise.monitoring.query.quality.arrivals import (
    Received,
    Sources,
    duplicates_query,
    received_query,
    sources_of,
    sources_query,
)
from tierwise.monitoring.query.quality.label_conflicts import conflicts_of, conflicts_query
from tierwise.monitoring.query.quality.repeated_requests import Dropped, dropped_of, dropped_query, placeholder_query

_UTC = frozenset({"UTC", "Etc/UTC", "GMT", "Etc/GMT", "Zulu", "Etc/Zulu", "Universal", "Etc/Universal"})


def read_received(connection: Connection, log: Log, scope: Scope, window: Block) -> Received:
    """Rows and labels of the window, and rows logged twice if the dataset names its requests and keeps such rows.

    Also labels of label tables that contradict each other, and by arm the rows that `deduplicate` leaves out.
    """

    def ask(query: Query) -> Mapping[str, int]:
        row: Mapping[str, int] = connection.query(query.sql, query.parameters).to_pylist()[0]
        return row

    row = ask(received_query(log, scope, window))
    repeated = None
    if log.spec.columns.request_id is not None and not log.spec.deduplicate:
        repeated = ask(duplicates_query(log, scope, window))["duplicates"]
    asked = conflicts_query(log, scope, window)
    conflicts = None if asked is None else conflicts_of(ask(asked))
    dropped = _read_dropped(connection, log, scope, window) if log.spec.deduplicate else None
    return Received(row["rows"], row["labels"], repeated, conflicts, dropped)


def _read_dropped(connection: Connection, log: Log, scope: Scope, window: Block) -> Dropped:
    query = dropped_query(log, scope, window)
    found = dropped_of(connection.query(query.sql, query.parameters).to_pylist()[0])
    if not found.has_placeholder:
        return found
    query = placeholder_query(log, scope, window, found.most_hash)
    return replace(found, placeholder=texts(connection.query(query.sql, query.parameters).column("tierwise_id"))[0])


def read_sources(connection: Connection, log: Log, scope: Scope, window: Block) -> Sources | None:
    """How many labels each source has and how often two sources differ; None for one source."""
    if log.spec.labels is None:
        return None
    query = sources_query(log, scope, window)
    return sources_of(log, connection.query(query.sql, query.parameters).to_pylist()[0])


def check_labels(connection: Connection, log: Log) -> None:
    """Refuse label tables whose times the store would misread.

    ClickHouse reads a PostgreSQL timestamp as text in the session's time zone and drops the offset (seen with
    PostgreSQL 15): unless both sides are in UTC, every label would come hours early or late.

    Raises:
        RefusedError: DatasetInvalid.
    """
    for source in log.spec.labels.sources if log.spec.labels is not None else ():
        if source.kind != "PostgreSQL" or source.collection is None:
            continue
        _require_table_functions(connection, source.name)
        ours = texts(connection.query("SELECT timezone() AS zone").column("zone"))[0]
        asked = f"postgresql({quote(source.collection)}, query = 'SELECT current_setting(''TimeZone'') AS zone')"
        found = connection.query(f"SELECT zone FROM {asked}")  # noqa: S608
        theirs = texts(found.column("zone"))[0]
        for zone, whose, remedy in (
            (theirs, "PostgreSQL's sessions are", "ALTER ROLE … SET timezone = 'UTC' for the collection's user"),
            (ours, "ClickHouse is", "set its timezone to UTC, or import the labels (tierwise labels import)"),
        ):
            if zone not in _UTC:
                raise RefusedError(
                    f"label source {source.name!r}: {whose} in the time zone {zone}, so its times would be shifted",
                    remedy,
                    reason=Reason.DATASET_INVALID,
                )


def _require_table_functions(connection: Connection, source: str) -> None:
    """Refuse a read-only user: it may not call postgresql(), and ClickHouse would only say that access is denied."""
    if connection.query("SELECT toUInt8(getSetting('readonly')) AS readonly").column("readonly")[0].as_py() == 1:
        raise RefusedError(
            f"label source {source!r}: the store's user is read-only and may not call postgresql()",
            "create a table of ENGINE = PostgreSQL(COLLECTION, table = …) and use kind: Table",
            reason=Reason.DATASET_INVALID,
        )
