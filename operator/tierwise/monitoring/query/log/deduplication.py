"""Finds rows of one request that were logged more than once, and leaves them out if the dataset says so. Pure.

Only rows of one version are duplicates. A request that both versions served (mirrored traffic, a validation table) is
not a duplicate, and neither is a row without an id.
"""

# ruff: noqa: S608  # all SQL is put together here: from quoted identifiers, guarded expressions and bound parameters

from __future__ import annotations

from collections.abc import Sequence

from tierwise.monitoring.query.log.columns import Log

# Looks read one window after the other, so a row that is logged again later may be in the window after its first row.
LOOK_BACK = "toIntervalSecond(120)"
_START = "{t0:DateTime64(6,'UTC')}"  # a parameter of window_conditions


def request_of(log: Log) -> str:
    """The request id as text; "" if there is none."""
    return f"ifNull(toString({log.column('request_id')}), '')"


def first_rows(log: Log, conditions: Sequence[str]) -> str:
    """A SELECT of the rows that meet the conditions, with only the first row by time of each version and request.

    Rows of the same time are ordered by score and label, so that every reading keeps an equal row. If a request was
    logged up to `LOOK_BACK` before the window, its row in the window is not the first, because it was counted before.
    """
    request, version = request_of(log), log.column("version")
    columns = [log.column("time"), log.column("score")]
    if log.spec.labels is None:
        columns.append(f"toString({log.column('label')})")
    key = f"if({request} = '', toString(generateUUIDv4()), {request})"
    where = " AND ".join(condition.replace(_START, f"{_START} - {LOOK_BACK}") for condition in conditions)
    firsts = f"SELECT * FROM {log.source.sql} WHERE {where} ORDER BY {', '.join(columns)} LIMIT 1 BY {version}, {key}"
    in_window = [condition for condition in conditions if _START in condition]
    return f"SELECT * FROM ({firsts}) WHERE {' AND '.join(in_window)}" if in_window else firsts
