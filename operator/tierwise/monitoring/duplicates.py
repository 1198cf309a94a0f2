"""Rows of one request that were logged more than once: found, and left out when the dataset says so. Pure.

A request that both versions served (mirrored traffic, a validation table) is no duplicate: only rows of one version
are. A row without an id is none either.
"""

# ruff: noqa: S608  # all SQL is put together here: from quoted identifiers, guarded expressions and bound parameters

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tierwise.monitoring.log import Log


def request_of(log: Log) -> str:
    """The request id as text; "" where there is none."""
    return f"ifNull(toString({log.column('request_id')}), '')"


def first_rows(log: Log, where: str) -> str:
    """A SELECT of the rows that meet the condition, of each version and request the first by time.

    Rows of the same time are put in order by score and label, so that every reading keeps an equal one.
    """
    request, version = request_of(log), log.column("version")
    columns = [log.column("time"), log.column("score")]
    if log.spec.labels is None:
        columns.append(f"toString({log.column('label')})")
    key = f"if({request} = '', toString(generateUUIDv4()), {request})"
    return f"SELECT * FROM {log.source.sql} WHERE {where} ORDER BY {', '.join(columns)} LIMIT 1 BY {version}, {key}"
