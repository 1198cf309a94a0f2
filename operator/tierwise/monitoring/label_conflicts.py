"""Requests to which one label table gives several labels at once: how many rows have one, by arm. Pure.

Of labels that came at the same time, or without `labelledAt`, the smallest counts, so that every reading counts the
same; that it is the true one nobody has said.
"""

# ruff: noqa: S608  # all SQL is put together here: from quoted identifiers, guarded expressions and bound parameters

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from tierwise.monitoring.cells import BASELINE, CANDIDATE, Block, Scope
from tierwise.monitoring.labels import contradicted_requests
from tierwise.monitoring.log import Log
from tierwise.monitoring.presence import log_more
from tierwise.monitoring.query import Query
from tierwise.monitoring.window import window_conditions
from tierwise.stats import split


@dataclass(frozen=True, slots=True)
class LabelConflicts:
    """Rows of a window, baseline and candidate, and those whose request a table labels in several ways."""

    rows: tuple[int, int]
    contradicted: tuple[int, int]

    @property
    def total(self) -> int:
        """Of both arms."""
        return sum(self.contradicted)

    @property
    def differ(self) -> bool:
        """Whether one arm has clearly more of them: labels are then not the same for both."""
        return max(log_more(self.rows, self.contradicted)) >= math.log(2 * split.SUSPECT_AT)


def conflicts_query(log: Log, scope: Scope, window: Block) -> Query | None:
    """One row: rows and contradicted ones of the baseline and of the candidate; None without a label table."""
    conditions, parameters = window_conditions(log, window.start, window.end)
    rows = log.unlabelled_rows([*conditions, *log.scope_conditions(scope), log.versions()])
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
    """The answer of `conflicts_query`."""
    return LabelConflicts((row["rows_baseline"], row["rows_candidate"]), (row["baseline"], row["candidate"]))


def contradictions(conflicts: LabelConflicts, labels: int) -> str:
    """How many labels contradict each other, with what to do."""
    share = conflicts.total / labels if labels else 0.0
    by_arm = [lost / rows if rows else 0.0 for lost, rows in zip(conflicts.contradicted, conflicts.rows, strict=True)]
    return (
        f"{conflicts.total} of {labels} labelled rows ({share:.2%}) have labels of one table that contradict "
        f"each other ({by_arm[CANDIDATE]:.2%} of the candidate's rows, {by_arm[BASELINE]:.2%} of the baseline's), of "
        "which the smallest counts; set labelledAt of the label source, or keep one label per request"
    )
