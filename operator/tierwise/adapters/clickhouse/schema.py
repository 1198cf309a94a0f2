"""The tables of a store, created and migrated by numbered steps that may run any number of times."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tierwise.adapters.clickhouse.connection import Connection
from tierwise.api.reasons import Reason
from tierwise.errors import SpecError, StoreError

PREDICTIONS = """
CREATE TABLE IF NOT EXISTS predictions (
    ts DateTime64(3, 'UTC') CODEC(Delta(8), ZSTD(1)),
    tier LowCardinality(String),
    pod LowCardinality(String),
    model LowCardinality(String),
    model_version LowCardinality(String),
    commit LowCardinality(String),
    document_id String,
    score Float32,
    answer String,
    content_meta String,
    label Nullable(UInt8),
    labelled_at Nullable(DateTime64(3, 'UTC'))
) ENGINE = MergeTree
PARTITION BY toYYYYMMDD(ts)
ORDER BY (model, toStartOfMinute(ts), tier, model_version)
"""

PERFORMANCE = """
CREATE TABLE IF NOT EXISTS ml_performance (
    run_id UUID,
    rollout String,
    block UInt32,
    look_ts DateTime64(3, 'UTC'),
    window_from DateTime64(6, 'UTC'),
    window_to DateTime64(6, 'UTC'),
    model LowCardinality(String),
    dataset LowCardinality(String),
    dims LowCardinality(String),
    value String CODEC(ZSTD(1)),
    tier LowCardinality(String),
    model_version LowCardinality(String),
    label UInt8,
    n UInt64,
    n_invalid UInt64,
    bins Array(UInt32) CODEC(ZSTD(1)),
    config_hash UInt64
) ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(look_ts)
ORDER BY (model, dataset, dims, value, model_version, label, tier, window_from, config_hash, rollout, block)
"""

MIGRATIONS_TABLE = """
CREATE TABLE IF NOT EXISTS tierwise_migrations (
    version UInt32,
    applied_at DateTime DEFAULT now()
) ENGINE = ReplacingMergeTree ORDER BY version
"""

# Sums and weights of a block, so that metrics made of them can be computed for the past, too; and a time to live from.
# Rows of a time long past are written by backfills and replays: what expires is the row, not what it is about.
PERFORMANCE_SUMS = """
ALTER TABLE ml_performance
    ADD COLUMN IF NOT EXISTS sums Map(String, Float64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS weights Array(Float64) CODEC(ZSTD(1)),
    ADD COLUMN IF NOT EXISTS written_at DateTime('UTC') DEFAULT now()
"""

CONFIG = """
CREATE TABLE IF NOT EXISTS tierwise_config (
    config_hash UInt64,
    dataset LowCardinality(String),
    config String CODEC(ZSTD(1)),
    edges Array(Float64) CODEC(ZSTD(1)),
    written_at DateTime('UTC') DEFAULT now()
) ENGINE = ReplacingMergeTree ORDER BY config_hash
"""

# One row per slice and metric of a decision, and one without a metric for the decision itself. It has no time to live:
# it is what is left of a rollout. Of rows that are written twice the one of the higher `revision` stays.
VERDICTS = """
CREATE TABLE IF NOT EXISTS ml_verdicts (
    namespace LowCardinality(String),
    rollout String,
    rollout_uid String,
    model LowCardinality(String),
    baseline LowCardinality(String),
    candidate LowCardinality(String),
    tier LowCardinality(String),
    decision LowCardinality(String),
    reason LowCardinality(String),
    message String CODEC(ZSTD(1)),
    decided_at DateTime64(3, 'UTC'),
    verb LowCardinality(String),
    command String,
    given_by LowCardinality(String),
    dataset LowCardinality(String),
    metric LowCardinality(String),
    value String CODEC(ZSTD(1)),
    verdict LowCardinality(String),
    flagged Bool,
    culprit Bool,
    powered Nullable(Bool),
    baseline_n UInt64,
    baseline_bad Nullable(UInt64),
    baseline_value Nullable(Float64),
    candidate_n UInt64,
    candidate_bad Nullable(UInt64),
    candidate_value Nullable(Float64),
    difference Nullable(Float64),
    low Nullable(Float64),
    high Nullable(Float64),
    margin_absolute Nullable(Float64),
    margin_relative Nullable(Float64),
    log10_e Nullable(Float64),
    log10_e_non_inferior Nullable(Float64),
    log10_e_improved Nullable(Float64),
    alpha Nullable(Float64),
    traffic Nullable(Float64),
    labels_needed Nullable(UInt64),
    test LowCardinality(String),
    control LowCardinality(String),
    phi Nullable(Float64),
    sigma_pod Nullable(Float64),
    missing Int32,
    object String CODEC(ZSTD(3)),
    revision UInt64,
    written_at DateTime('UTC') DEFAULT now()
) ENGINE = ReplacingMergeTree(revision)
ORDER BY (namespace, rollout, rollout_uid, tier, decision, verb, command, dataset, metric, value)
"""

# Append only: a step that a store has applied never changes. Each is harmless when it runs twice, or in two processes
# at once, and only adds: an older release goes on reading and writing beside a newer one.
MIGRATIONS: tuple[str, ...] = (PREDICTIONS, PERFORMANCE, PERFORMANCE_SUMS, CONFIG, VERDICTS)
DEFAULT_TTL_DAYS = 400

_OWN = frozenset(re.findall(r"^    ([a-z_]+) ", PREDICTIONS, re.MULTILINE))
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


def migrate(connection: Connection, dimensions: Sequence[str] = (), ttl_days: int | None = None) -> int:
    """Create or migrate the tables, and add a LowCardinality(String) column per dimension. Returns the new version.

    `ttl_days` is after how many days a row of `ml_performance` is deleted; 0 means never. None means 400 for tables
    that this call creates. Existing tables keep their setting, because a migration must not delete anything.

    Raises:
        StoreError: also when the store was migrated by a newer release.
    """
    for name in dimensions:
        if not _NAME.fullmatch(name):
            raise SpecError(
                f"dimension {name!r} is not a column name", "use letters, digits and _", reason=Reason.INVALID_SPEC
            )
        if name in _OWN:
            raise SpecError(
                f"dimension {name!r} is a column that every prediction log has already",
                "give the dimension another name",
                reason=Reason.INVALID_SPEC,
            )
    connection.command(MIGRATIONS_TABLE)
    at = _version(connection)
    if at > len(MIGRATIONS):
        raise StoreError(
            f"store {connection.address}: its tables are of version {at}, this release knows {len(MIGRATIONS)}",
            "use the newer release",
            reason=Reason.QUERY_FAILED,
        )
    fresh = at == 0 and not _has_performance(connection)
    for version, statement in enumerate(MIGRATIONS, start=1):
        if version > at:
            _apply(connection, version, statement)
    if ttl_days is not None or fresh:
        _set_ttl(connection, DEFAULT_TTL_DAYS if ttl_days is None else ttl_days)
    if dimensions:
        columns = ", ".join(f"ADD COLUMN IF NOT EXISTS `{name}` LowCardinality(String)" for name in dimensions)
        connection.command(f"ALTER TABLE predictions {columns}")
    return len(MIGRATIONS)


def _version(connection: Connection) -> int:
    return int(connection.query("SELECT max(version) AS v FROM tierwise_migrations").column("v")[0].as_py() or 0)


def _has_performance(connection: Connection) -> bool:
    return bool(connection.query("EXISTS TABLE ml_performance").column(0)[0].as_py())


def _apply(connection: Connection, version: int, statement: str) -> None:
    """Apply one step. Another process may apply the same step at the same time."""
    try:
        connection.command(statement)
    except StoreError:
        if _version(connection) < version:  # no other process has done it either
            raise
        return
    connection.command("INSERT INTO tierwise_migrations (version) VALUES ({v:UInt32})", {"v": version})


def _set_ttl(connection: Connection, days: int) -> None:
    """Set the time to live only if it differs, because setting it rewrites the table."""
    created = connection.query("SHOW CREATE TABLE ml_performance").column(0)[0].as_py()
    text = created.decode() if isinstance(created, bytes) else str(created)
    wanted = f"TTL written_at + toIntervalDay({days})"
    if days and wanted not in text:
        connection.command(f"ALTER TABLE ml_performance MODIFY {wanted}")
    elif not days and "TTL " in text:
        connection.command("ALTER TABLE ml_performance REMOVE TTL")
