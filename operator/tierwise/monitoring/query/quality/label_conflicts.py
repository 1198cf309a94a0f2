"""Counts rows, by arm, whose request has several labels at once in one label table. Pure.

Of labels that came at the same time, or without `labelledAt`, the smallest counts, so that every reading gives the same
counts. It need not be the true label.
"""

# ruff: noqa: S608  # all SQL is put together here: from quoted identifiers, guarded expressions and bound parameters

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tierwise.monitoring.counts.model import Block, Scope
from tierwise.monitoring.query.log.columns import Log
from tierwise.monitoring.query.log.labels import contradicted_requests
from tierwise.monitoring.query.log.rows import unlabelled_rows_sql
from tierwise.monitoring.query.log.window import window_conditions
from tierwise.monitoring.query.look.counts import Query


@dataclass(frozen=True, slots=True)
class LabelConflicts:
    """Rows of a window, baseline and candidate, and those whose request a table labels in several ways."""

    rows: tuple[int, int]
    contradicted: tuple[int, int]

    @property
    def total(self) -> int:
        """The number of such rows in both arms."""
        return sum(self.contradicted)


def conflicts_query(log: Log, scope: Scope, window: Block) -> Query | None:
    """One row: rows and contradicted ones of the baseline and of the candidate; None without a label table."""
    conditions, parameters = window_conditions(log, window.start, window.end)
    rows = unlabelled_rows_sql(log, [*conditions, *log.scope_conditions(scope), log.versions()])
    found = contradicted_requests(log, rows)
    if not found:
        return None
    request = f"toString({log.column('request_id')})"
    contradicted = " OR ".join(f"{request} IN ({one})" for one in found)
    arm = f"{log.text('version')} = {{candidate:String}}"
    inner = f"SELECT {arm} AS tierwise_arm, ifNull({contradicted}, false) AS tierwise_c FROM {rows}"
    counts = (
        "countIf(NOT tierwise_arm) AS rows_baseline, countIf(tierwise_arm) AS rows_candidate, "
        "countIf(tierwise_c AND NOT tierwise_arm) AS baseline, countIf(tierwise_c AND tierwise_arm) AS candidate"
    )
    return Query(f"SELECT {counts} FROM ({inner})", {**log.scope_parameters(scope), **parameters})


def conflicts_of(row: Mapping[str, int]) -> LabelConflicts:
    """The result of `conflicts_query`."""
    return LabelConflicts((row["rows_baseline"], row["rows_candidate"]), (row["baseline"], row["candidate"]))
