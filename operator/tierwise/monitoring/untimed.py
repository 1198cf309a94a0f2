"""Rows without a usable time: no block holds them, and they may be what an arm would fail by. Pure."""

# ruff: noqa: S608  # all SQL is put together here: from quoted identifiers, guarded expressions and bound parameters

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime, timedelta

from tierwise.api.names import Reason
from tierwise.monitoring.cells import BASELINE, CANDIDATE, Dataset, Scope
from tierwise.monitoring.freshness import Withheld
from tierwise.monitoring.log import Log
from tierwise.monitoring.presence import log_more
from tierwise.monitoring.query import Query
from tierwise.monitoring.window import time_parameter
from tierwise.stats import split

MOST_UNTIMED = 0.01  # share of an arm's rows without a usable time from which nothing is promoted
# A live log goes on while it is read, and clocks differ a little: so much later is not of the future.
WRITTEN_MEANWHILE = timedelta(minutes=10)


def untimed_query(log: Log, scope: Scope, now: datetime) -> Query:
    """One row: of the baseline and of the candidate the rows without a time, or with one after `now`.

    They have no window: all of the log is asked. Where the time cannot be null only the future is read.
    """
    column, candidate = log.column("time"), f"{log.text('version')} = {{candidate:String}}"
    no_time = f"(isNull({column}) OR {column} > {{now:DateTime64(6,'UTC')}})"
    rows = log.unlabelled_rows([no_time, *log.scope_conditions(scope), log.versions()])
    counts = f"countIf(NOT ({candidate})) AS tierwise_x0, countIf({candidate}) AS tierwise_x1"
    sql = f"SELECT tierwise_x0 AS baseline, tierwise_x1 AS candidate FROM (SELECT {counts} FROM {rows})"
    return Query(sql, {**log.scope_parameters(scope), "now": time_parameter(now)})


def untimed_of(row: Mapping[str, int]) -> tuple[int, int]:
    """The answer of `untimed_query`."""
    return row["baseline"], row["candidate"]


def untimed(
    dataset: Dataset, timed: tuple[int, int], without: tuple[int, int], *, of_candidate_only: bool = False
) -> Withheld | None:
    """Why rows without a time must not be left out: more than 1 % of an arm's, or clearly more of one arm's.

    Args:
        dataset: The dataset.
        timed: The rows that were judged, baseline and candidate.
        without: Rows of the log without a usable time.
        of_candidate_only: The baseline's may be of any time past, and tell nothing of these rows.
    """
    every = timed[BASELINE] + without[BASELINE], timed[CANDIDATE] + without[CANDIDATE]
    shares = [lost / rows if rows else 0.0 for lost, rows in zip(without, every, strict=True)]
    logs = log_more(every, without)
    arms = (CANDIDATE,) if of_candidate_only else (BASELINE, CANDIDATE)
    suspect = math.log(split.SUSPECT_AT * len(arms))  # a union bound over the sides
    if not any(shares[arm] > MOST_UNTIMED or logs[arm] >= suspect for arm in arms):
        return None
    return Withheld(
        Reason.TIMES_UNUSABLE,
        f"dataset {dataset.name!r}: {sum(without)} rows have no time or one in the future, {shares[CANDIDATE]:.2%} of "
        f"the candidate's and {shares[BASELINE]:.2%} of the baseline's; they count in no verdict; mend "
        "spec.columns.time, its time zone, or the clocks that write it",
    )
