"""Counts rows without a usable time. They are in no block, so they may hide failures of an arm. Pure."""

# ruff: noqa: S608  # all SQL is put together here: from quoted identifiers, guarded expressions and bound parameters

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from tierwise.monitoring.counts.model import Scope
from tierwise.monitoring.query.log.columns import Log
from tierwise.monitoring.query.log.rows import unlabelled_rows_sql
from tierwise.monitoring.query.log.window import time_parameter
from tierwise.monitoring.query.look.counts import Query

# A live log grows while it is read, and clocks differ a little. So a time this much later is not in the future.
WRITTEN_MEANWHILE = timedelta(minutes=10)


def untimed_query(log: Log, scope: Scope, now: datetime) -> Query:
    """One row: for the baseline and the candidate, the rows without a time or with one after `now`.

    Such rows are in no window, so the whole log is read. If the time cannot be null, only the future is read.
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
