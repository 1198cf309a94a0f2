"""Checks whether the keys of a label table can match the log's request ids. Both are compared as text."""

# ruff: noqa: S608  # identifiers are quoted, and types are the store's own words

from __future__ import annotations

import re

from tierwise.adapters.clickhouse.connection import Connection
from tierwise.api.reasons import Reason
from tierwise.errors import RefusedError
from tierwise.monitoring.query.log.column_types import plain_type
from tierwise.monitoring.query.log.columns import Log
from tierwise.monitoring.query.log.quoting import quote, table_sql
from tierwise.monitoring.query.look.decode import texts

SAMPLE = 1_000_000  # ids that are tried; reading as many takes a fraction of a second
_TEXT = re.compile(r"(?:Fixed)?String\b")


def check_keys(connection: Connection, log: Log) -> None:
    """Refuse a label table whose keys have another type than the log's request ids and can never match them.

    The types may differ, because a number 5 matches the text '5'. But it never matches 'r5' or '005'.

    Raises:
        RefusedError: DatasetInvalid, naming both types.
    """
    request = log.spec.columns.request_id
    if log.spec.labels is None or request is None or request not in log.source.columns:
        return
    ours = plain_type(log.source.columns[request])
    for source in log.spec.labels.sources:
        if source.kind != "Table" or source.table is None or source.key is None:
            continue
        table, key = table_sql(source.table), quote(source.key)
        described = connection.query(f"DESCRIBE TABLE (SELECT {key} FROM {table})")
        theirs = plain_type(texts(described.column("type"))[0])
        if bool(_TEXT.match(ours)) == bool(_TEXT.match(theirs)):
            continue
        text, rows, other = (quote(request), log.source.sql, theirs) if _TEXT.match(ours) else (key, table, ours)
        if not _reads_as(connection, text, rows, other):
            raise RefusedError(
                f"label source {source.name!r}: key {source.key!r} is {theirs} and the log's {request!r} is {ours}, "
                f"no text of which reads as {other}: no label finds its prediction",
                f"write both alike: the text must be toString({source.key if text is not key else request}), without a "
                "prefix or zeros",
                reason=Reason.DATASET_INVALID,
            )


def _reads_as(connection: Connection, text: str, rows: str, kind: str) -> bool:
    """Whether one of the first ids is a text that toString makes of a value of that type; True without ids."""
    same = f"ifNull(toString(accurateCastOrNull(id, '{_escaped(kind)}')) = id, false)"
    sample = f"SELECT toString({text}) AS id FROM {rows} WHERE ifNull(toString({text}), '') != '' LIMIT {SAMPLE}"
    found = connection.query(f"SELECT count() AS n, countIf({same}) AS same FROM ({sample})").to_pylist()[0]
    return not found["n"] or bool(found["same"])


def _escaped(kind: str) -> str:
    return kind.replace("\\", "\\\\").replace("'", "\\'")
