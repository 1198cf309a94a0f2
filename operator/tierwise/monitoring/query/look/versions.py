"""The query for the versions in a recorded log, with their rows and times. Pure."""

from __future__ import annotations

from datetime import datetime

from tierwise.monitoring.counts.model import Scope
from tierwise.monitoring.query.log.window import time_parameter
from tierwise.monitoring.query.look.counts import Log, Query

MOST_VERSIONS = 1000


def survey_query(log: Log, scope: Scope, since: datetime | None, until: datetime) -> Query:
    """Every version of the scope's model and tiers with rows in [since, until): v, n, and first and last time in µs."""
    column = log.column("time")
    micros = f"toUnixTimestamp64Micro(toDateTime64({column}, 6, 'UTC'))"
    conditions = [f"{column} < {{t1:DateTime64(6,'UTC')}}", *log.scope_conditions(scope)]
    parameters: dict[str, object] = {**log.scope_parameters(scope), "t1": time_parameter(until)}
    if since is not None:
        conditions.append(f"{column} >= {{t0:DateTime64(6,'UTC')}}")
        parameters["t0"] = time_parameter(since)
    found = f"toString({log.text('version')}) AS v, count() AS n, min({micros}) AS first, max({micros}) AS last"
    conditions.append(f"isNotNull({log.column('version')})")
    grouped = f"GROUP BY v ORDER BY n DESC, v LIMIT {MOST_VERSIONS}"
    sql = " ".join(["SELECT", found, "FROM", log.source.sql, "WHERE", " AND ".join(conditions), grouped])
    return Query(sql, parameters)
