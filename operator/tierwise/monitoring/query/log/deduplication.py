"""Rows of one request that were logged more than once: found, and left out when the dataset says so. Pure.

A request that both versions served (mirrored traffic, a validation table) is no duplicate: only rows of one version
are. A row without an id is none either.
"""

# ruff: noqa: S608  # all SQL is put together here: from quoted identifiers, guarded expressions and bound parameters

from __future__ import annotations

from collections.abc import Sequence

from tierwise.monitoring.query.log.columns import Log

# Two looks read one after the other, so a row that is logged again a little later may be in the window after its first.
LOOK_BACK = "toIntervalSecond(120)"
_START = "{t0:DateTime64(6,'UTC')}"  # of window_conditions


def request_of(log: Log) -> str:
    """The request id as text; "" where there is none."""
    return f"ifNull(toString({log.column('request_id')}), '')"


def first_rows(log: Log, conditions: Sequence[str]) -> str:
    """A SELECT of the rows that meet the conditions, of each version and request the first by time.

    Rows of the same time are put in order by score and label, so that every reading keeps an equal one. A row whose
    request was logged up to `LOOK_BACK` before the window is not the first: it was counted there.
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
