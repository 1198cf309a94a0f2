"""Refuses a dataset's `query` that may make several rows from one, because each would count as evidence. Pure.

The tables cannot be read here, so every clause that may multiply rows is refused, unless the dataset names its
requests. Then every look counts rows that repeat a request (`DuplicateRows`), or leaves them out (`deduplicate`).
"""

from __future__ import annotations

from functools import lru_cache

import sqlglot
from sqlglot import exp

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.monitoring.sqlguard.refusals import query_refused

_AT_MOST_ONE = frozenset({"ANY", "SEMI", "ANTI", "ASOF"})  # these join a row with at most one row of the other side


def require_single_rows(spec: MonitoringDatasetSpec, *, what: str = "spec.query") -> None:
    """Refuse a query that may multiply rows of a dataset that does not name its requests. The SQL guard runs before.

    Raises:
        RefusedError: QueryRefused; it names the clause.
    """
    if spec.query is None or spec.columns.request_id is not None:
        return
    clause = multiplying(spec.query)
    if clause is not None:
        remedy = "set spec.columns.requestId to a column that tells predictions apart, so that repeated rows are found"
        if clause == "JOIN":
            remedy += " (with spec.deduplicate: true they are left out), or write LEFT ANY JOIN"
        raise query_refused(
            f"{what}: {clause} can make several rows of one prediction, each of which would count as evidence", remedy
        )


@lru_cache(maxsize=256)
def multiplying(sql: str) -> str | None:
    """The first clause that may make several rows from one; None if there is none."""
    tree = sqlglot.parse_one(sql, read="clickhouse")
    for node in tree.walk():
        if isinstance(node, exp.Join):
            words = {str(node.args.get(part) or "").upper() for part in ("side", "kind")}
            if "ARRAY" in words:
                return "ARRAY JOIN"
            if not words & _AT_MOST_ONE or words & {"RIGHT", "FULL"}:
                return "JOIN"
    return None
