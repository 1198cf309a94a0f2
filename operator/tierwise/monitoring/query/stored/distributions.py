"""Queries of `ml_performance`: the stored configurations, and their distributions added up by window. Pure."""

# ruff: noqa: S608  # all SQL is put together here: from quoted identifiers, guarded expressions and bound parameters

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pyarrow as pa

from tierwise.api.slices import WHOLE
from tierwise.monitoring.query.log.window import micros_of, time_of, time_parameter
from tierwise.monitoring.query.look.counts import Query
from tierwise.monitoring.query.look.decode import texts
from tierwise.monitoring.query.stored.performance_table import ALL_LABELS


@dataclass(frozen=True, slots=True)
class Wanted:
    """The wanted rows of the past, in windows of `every` (the last one may be shorter). An empty tuple means all."""

    model: str
    dataset: str
    since: datetime
    until: datetime
    every: timedelta
    tiers: tuple[str, ...] = ()
    versions: tuple[str, ...] = ()

    @property
    def windows(self) -> tuple[tuple[datetime, datetime], ...]:
        """Start and end of every window."""
        starts = []
        at = self.since
        while at < self.until:
            starts.append(at)
            at += self.every
        return tuple((start, min(start + self.every, self.until)) for start in starts)


@dataclass(frozen=True, slots=True)
class StoredConfig:
    """A configuration of stored blocks. `config` is empty if an earlier release stored them, which did not keep it."""

    hash: int
    blocks: int
    first: datetime
    last: datetime
    config: str
    edges: tuple[float, ...]


def _conditions(wanted: Wanted) -> tuple[list[str], dict[str, object]]:
    conditions = [
        "model = {model:String}",
        "dataset = {dataset:String}",
        "window_from >= {t0:DateTime64(6,'UTC')}",
        "window_to <= {t1:DateTime64(6,'UTC')}",
    ]
    parameters: dict[str, object] = {
        "model": wanted.model,
        "dataset": wanted.dataset,
        "t0": time_parameter(wanted.since),
        "t1": time_parameter(wanted.until),
    }
    if wanted.tiers:
        conditions.append("tier IN {tiers:Array(String)}")
        parameters["tiers"] = list(wanted.tiers)
    if wanted.versions:
        conditions.append("model_version IN {versions:Array(String)}")
        parameters["versions"] = list(wanted.versions)
    return conditions, parameters


def configs_query(wanted: Wanted, *, with_texts: bool) -> Query:
    """The configurations of the stored blocks; `with_texts` if the store has the table with their texts."""
    conditions, parameters = _conditions(wanted)
    stored = (
        "SELECT config_hash AS hash, uniqExact(window_from, window_to) AS blocks, "
        "toUnixTimestamp64Micro(min(window_from)) AS first, toUnixTimestamp64Micro(max(window_to)) AS last "
        f"FROM ml_performance FINAL WHERE {' AND '.join(conditions)} GROUP BY hash"
    )
    if not with_texts:
        return Query(
            f"SELECT *, '' AS config, CAST([], 'Array(Float64)') AS edges FROM ({stored}) ORDER BY first", parameters
        )
    known = "SELECT config_hash AS hash, config, edges FROM tierwise_config FINAL"
    return Query(f"SELECT * FROM ({stored}) AS s LEFT ANY JOIN ({known}) AS k USING hash ORDER BY first", parameters)


def decode_configs(table: pa.Table) -> tuple[StoredConfig, ...]:
    """The result of a `configs_query`, oldest first."""
    columns = {name: table.column(name).to_pylist() for name in ("hash", "blocks", "first", "last", "edges")}
    rows = zip(*columns.values(), texts(table.column("config")), strict=True)
    return tuple(
        StoredConfig(hashed, blocks, time_of(first), time_of(last), config, tuple(edges))
        for hashed, blocks, first, last, edges, config in rows
    )


def _stored_once(wanted: Wanted, config_hash: int) -> tuple[str, dict[str, object]]:
    """Stored rows of one configuration. A block of one version that two rollouts stored is counted once."""
    conditions, parameters = _conditions(wanted)
    conditions.append("config_hash = {hash:UInt64}")
    sql = (
        f"SELECT * FROM ml_performance FINAL WHERE {' AND '.join(conditions)} "
        "ORDER BY rollout LIMIT 1 BY tier, model_version, value, label, window_from, window_to"
    )
    return sql, parameters | {"hash": config_hash}


def complete_query(wanted: Wanted, config_hash: int) -> Query:
    """The number of stored blocks by tier and version, of blocks with each sum, of rows, and of rows with weights."""
    stored, parameters = _stored_once(wanted, config_hash)
    sql = (
        f"SELECT uniqExactIf((tier, model_version, window_from, window_to), label < {ALL_LABELS}) AS blocks, "
        f"sumMap(mapApply((name, value) -> (name, toUInt64(1)), sums)) AS summed, "
        f"countIf(label < {ALL_LABELS}) AS rows, countIf(label < {ALL_LABELS} AND notEmpty(weights)) AS weighted "
        f"FROM ({stored}) WHERE value = '{WHOLE}'"
    )
    return Query(sql, parameters)


def decode_complete(table: pa.Table) -> tuple[dict[str, float], float]:
    """The share of blocks that have each sum, and of rows that have weights, of a `complete_query`'s result."""
    row = table.to_pylist()[0]
    names = {plain(name): number / max(1, row["blocks"]) for name, number in dict(row["summed"]).items()}
    return names, row["weighted"] / max(1, row["rows"])


def past_query(wanted: Wanted, config_hash: int, *, with_sums: bool) -> Query:
    """Distributions of one configuration added up by window, slice, version and label."""
    stored, parameters = _stored_once(wanted, config_hash)
    width = wanted.every // timedelta(microseconds=1)
    start = micros_of(wanted.since)
    sums = ", sumForEach(weights) AS weights, sumMap(sums) AS sums" if with_sums else ""
    sql = (
        f"SELECT intDiv(toUnixTimestamp64Micro(window_from) - {start}, {width}) AS w, value, model_version, label, "
        f"sumForEach(bins) AS bins, sum(n_invalid) AS invalid{sums} "
        f"FROM ({stored}) GROUP BY w, value, model_version, label"
    )
    return Query(sql, parameters)


def plain(name: str | bytes) -> str:
    """A string of a result, which came as bytes or text."""
    return name.decode() if isinstance(name, bytes) else name
