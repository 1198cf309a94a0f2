"""SQL for the rows of a window with their labels, without repeated rows if the dataset says so. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from tierwise.monitoring.query.log.columns import Log
from tierwise.monitoring.query.log.deduplication import first_rows
from tierwise.monitoring.query.log.labels import joined_rows


def rows_sql(log: Log, conditions: Sequence[str]) -> str:
    """The SQL after FROM: the rows that meet the conditions with their labels, each once with `deduplicate`.

    With label tables, the parameters t0 and t1 limit which labels are read.
    """
    where = " AND ".join(conditions)
    source = log.source.sql
    if log.spec.deduplicate:
        source, where = f"({first_rows(log, conditions)})", ""
    return joined_rows(log, source, where)


def unlabelled_rows_sql(log: Log, conditions: Sequence[str]) -> str:
    """As `rows_sql`, without labels of tables."""
    if log.spec.deduplicate:
        return f"({first_rows(log, conditions)})"
    return f"{log.source.sql} WHERE {' AND '.join(conditions)}"
