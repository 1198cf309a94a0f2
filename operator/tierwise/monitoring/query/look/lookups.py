"""Further queries of a look: a dimension's values, the newest row, rows that are in no count. Pure."""

# ruff: noqa: S608  # all SQL is put together here: from quoted identifiers, guarded expressions and bound parameters

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from tierwise.monitoring.counts.model import Block, Scope
from tierwise.monitoring.query.log.columns import Log
from tierwise.monitoring.query.log.expressions import answer_class, class_parameters, sum_sql, weight
from tierwise.monitoring.query.log.label_values import is_invalid_label
from tierwise.monitoring.query.log.rows import rows_sql
from tierwise.monitoring.query.log.window import time_parameter, window_conditions
from tierwise.monitoring.query.look.counts import Query


def values_query(log: Log, scope: Scope, start: datetime, end: datetime, dimensions: Sequence[str]) -> Query:
    """The most frequent values of each dimension, by rows of both arms, then by name; some more than maxValues."""
    conditions, parameters = window_conditions(log, start, end)
    where = " AND ".join([*conditions, *log.scope_conditions(scope), log.versions()])
    columns = ", ".join(f"{log.dimension(name)} AS tierwise_d{i}" for i, name in enumerate(dimensions))
    keys = [f"tierwise_d{i}" for i in range(len(dimensions))]
    most = max(d.max_values for d in log.spec.dimensions if d.name in dimensions) + 2  # one value may be `other`
    sql = (
        f"SELECT toUInt64(grouping({', '.join(keys)})) AS g, {', '.join(keys)}, count() AS n "
        f"FROM (SELECT {columns} FROM {log.source.sql} WHERE {where}) "
        f"GROUP BY GROUPING SETS ({', '.join(f'({key})' for key in keys)}) "
        f"ORDER BY g, n DESC, {', '.join(keys)} LIMIT {most} BY g"
    )
    parameters = {**log.scope_parameters(scope), **parameters}
    return Query(sql, parameters, tuple(dimensions), tuple((name,) for name in dimensions))


def watermark_query(log: Log, scope: Scope, since: datetime | None, now: datetime) -> Query:
    """The newest prediction time at or before `now` (and at or after `since`)."""
    column = log.column("time")
    conditions = [f"{column} <= {{now:DateTime64(6,'UTC')}}", *log.scope_conditions(scope)]
    parameters: dict[str, object] = {**log.scope_parameters(scope), "now": time_parameter(now)}
    if since is not None:
        conditions.append(f"{column} >= {{since:DateTime64(6,'UTC')}}")
        parameters["since"] = time_parameter(since)
    newest = f"maxOrNull(toUnixTimestamp64Micro(toDateTime64({column}, 6, 'UTC')))"
    return Query(f"SELECT {newest} AS t FROM {log.source.sql} WHERE {' AND '.join(conditions)}", parameters)


def invalid_query(log: Log, scope: Scope, window: Block, now: datetime) -> Query:
    """Rows that are in no count, by cause: score, label, time, version; with sums or weights also value.

    `value` counts rows whose number for a sum, or whose weight, is null, NaN, infinite or (a weight) not above 0. Such
    rows are in the counts, but not in the sum.
    """
    column = log.column("time")
    (start, end), parameters = window_conditions(log, window.start, window.end)
    inside = f"ifNull({start} AND {end}, false)"
    ours = f"ifNull({log.versions()}, false)"
    no_time = f"(isNull({column}) OR {column} > {{now:DateTime64(6,'UTC')}})"
    numbers = [sum_sql(log, one) for one in log.dataset.reads.sums]
    if log.dataset.reads.weights:
        numbers.append(weight(log))
    finite = " AND ".join(f"isFinite({number})" for number in numbers)
    causes = {
        "score": f"{inside} AND {ours} AND NOT {_valid_answer(log)}",
        "label": f"{inside} AND {ours} AND {is_invalid_label(log)}",
        "time": f"{ours} AND {no_time}",
        "version": f"{inside} AND NOT {ours}",
    }
    if numbers:
        causes["value"] = f"{inside} AND {ours} AND NOT ({finite})"
    conditions = [f"({inside} OR {no_time})", *log.scope_conditions(scope)]
    # Named only in the outer query, because the name of a cause may also be the name of a column.
    counts = ", ".join(f"countIf({condition}) AS tierwise_x{i}" for i, condition in enumerate(causes.values()))
    names = ", ".join(f"tierwise_x{i} AS {cause}" for i, cause in enumerate(causes))
    sql = f"SELECT {names} FROM (SELECT {counts} FROM {rows_sql(log, conditions)})"
    parameters = {**log.scope_parameters(scope), **parameters, **class_parameters(log)}
    return Query(sql, {**parameters, "now": time_parameter(now)})


def _valid_answer(log: Log) -> str:
    if log.spec.scale.kind == "Classes":
        return f"({answer_class(log)} < {len(log.spec.classes)})"
    return log.valid_score(log.score())
