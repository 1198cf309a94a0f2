"""Counts by arm the rows that `deduplicate` leaves out. If one arm loses more of them, it is not judged fairly. Pure.

For example, a log may write the same id on every failed request. Without this count its failures would disappear.
"""

# ruff: noqa: S608  # all SQL is put together here: from quoted identifiers, guarded expressions and bound parameters

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tierwise.monitoring.counts.model import Block, Scope
from tierwise.monitoring.query.log.columns import Log
from tierwise.monitoring.query.log.deduplication import request_of
from tierwise.monitoring.query.log.window import window_conditions
from tierwise.monitoring.query.look.counts import Query

# An id on this many rows, and on this share of its arm's rows, is a placeholder and not a repeated request.
PLACEHOLDER_ROWS = 100
PLACEHOLDER_SHARE = 0.001


@dataclass(frozen=True, slots=True)
class Dropped:
    """Rows of a window, baseline and candidate, and those among them that repeat a request of the same version.

    `most` is the number of rows of the most frequent id of a version, and `most_hash` is its hash. `placeholder` is the
    id itself, if its rows are too many for one request.
    """

    rows: tuple[int, int]
    dropped: tuple[int, int]
    most: int = 0
    most_hash: str = ""
    placeholder: str | None = None

    @property
    def has_placeholder(self) -> bool:
        """Whether one id is on so many rows that it is a placeholder."""
        return self.most >= max(PLACEHOLDER_ROWS, PLACEHOLDER_SHARE * max(self.rows))


def dropped_query(log: Log, scope: Scope, window: Block) -> Query:
    """One row: rows and repeated ones of the baseline and of the candidate, and the id that most rows have."""
    conditions, parameters = window_conditions(log, window.start, window.end)
    request = request_of(log)
    where = " AND ".join([*conditions, *log.scope_conditions(scope), log.versions()])
    arm = f"{log.text('version')} = {{candidate:String}}"
    # grouped by a hash of 128 bits, as in the query that only counts repeated rows
    grouped = (
        f"SELECT {arm} AS tierwise_arm, {_hash(log)} AS tierwise_h, {request} != '' AS tierwise_named, "
        f"count() AS tierwise_n, if(tierwise_named, tierwise_n - 1, 0) AS tierwise_again FROM {log.source.sql} "
        f"WHERE {where} GROUP BY tierwise_arm, tierwise_h, tierwise_named"
    )
    counts = (
        "sumIf(tierwise_n, NOT tierwise_arm) AS rows_baseline, sumIf(tierwise_n, tierwise_arm) AS rows_candidate, "
        "sumIf(tierwise_again, NOT tierwise_arm) AS baseline, sumIf(tierwise_again, tierwise_arm) AS candidate, "
        "max(tierwise_again) AS again, hex(argMax(tierwise_h, tierwise_again)) AS hash"
    )
    return Query(f"SELECT {counts} FROM ({grouped})", {**log.scope_parameters(scope), **parameters})


def placeholder_query(log: Log, scope: Scope, window: Block, hashed: str) -> Query:
    """One row: the id with this hash, at most 64 characters of it."""
    conditions, parameters = window_conditions(log, window.start, window.end)
    where = " AND ".join(
        [*conditions, *log.scope_conditions(scope), log.versions(), f"hex({_hash(log)}) = {{hash:String}}"]
    )
    sql = f"SELECT any(leftUTF8({request_of(log)}, 64)) AS tierwise_id FROM {log.source.sql} WHERE {where}"
    return Query(sql, {**log.scope_parameters(scope), **parameters, "hash": hashed})


def dropped_of(row: Mapping[str, int | str | bytes]) -> Dropped:
    """The result of `dropped_query`."""
    hashed = row["hash"]
    return Dropped(
        (int(row["rows_baseline"]), int(row["rows_candidate"])),
        (int(row["baseline"]), int(row["candidate"])),
        int(row["again"]) + 1,
        hashed.decode() if isinstance(hashed, bytes) else str(hashed),
    )


def _hash(log: Log) -> str:
    return f"sipHash128({log.text('version')}, {request_of(log)})"
