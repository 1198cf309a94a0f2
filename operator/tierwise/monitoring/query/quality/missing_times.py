"""Rows without a usable time: no block holds them, and they may be what an arm would fail by. Pure."""

# ruff: noqa: S608  # all SQL is put together here: from quoted identifiers, guarded expressions and bound parameters

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from tierwise.monitoring.counts.model import Scope
from tierwise.monitoring.query.log.columns import Log
from tierwise.monitoring.query.log.rows import unlabelled_rows_sql
from tierwise.monitoring.query.log.window import time_parameter
from tierwise.monitoring.query.look.counts import Query

# A live log goes on while it is read, and clocks differ a little: so much later is not of the future.
WRITTEN_MEANWHILE = timedelta(minutes=10)


def untimed_query(log: Log, scope: Scope, now: datetime) -> Query:
    """One row: of the baseline and of the candidate the rows without a time, or with one after `now`.

    They have no window: all of the log is asked. Where the time cannot be null only the future is read.
    """
    column, candidate = log.column("time"), f"{log.text('version')} = {{candidate:String}}"
    no_time = f"(isNull({column}) OR {column} > {{now:DateTime64(6,'UTC')}})"
    rows = unlabelled_rows_sql(log, [no_time, *log.scope_conditions(scope), log.versions()])
    counts = f"countIf(NOT ({candidate})) AS tierwise_x0, countIf({candidate}) AS tierwise_x1"
    sql = f"SELECT tierwise_x0 AS baseline, tierwise_x1 AS candidate FROM (SELECT {counts} FROM {rows})"
    return Query(sql, {**log.scope_parameters(scope), "now": time_parameter(now)})


def untimed_of(row: Mapping[str, int]) -> tuple[int, int]:
    """The result of `untimed_query`."""
    return row["baseline"], row["candidate"]
