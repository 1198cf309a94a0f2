"""The tables of a store, created and migrated by numbered steps that may run any number of times."""

from __future__ import annotations

import re
from collections.abc import Sequence

from tierwise.adapters.clickhouse_connection import Connection
from tierwise.api.names import Reason
from tierwise.runtime.errors import SpecError, StoreError

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

# Append only: a step that a store has applied never changes. Each is harmless when it runs twice.
MIGRATIONS: tuple[str, ...] = (PREDICTIONS, PERFORMANCE)

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")


def migrate(connection: Connection, dimensions: Sequence[str] = ()) -> int:
    """Create or migrate the tables, and add a LowCardinality(String) column per dimension; the version reached.

    Raises:
        StoreError: also when the store was migrated by a newer release.
    """
    for name in dimensions:
        if not _NAME.fullmatch(name):
            raise SpecError(
                f"dimension {name!r} is not a column name", "use letters, digits and _", reason=Reason.INVALID_SPEC
            )
    connection.command(MIGRATIONS_TABLE)
    at = int(connection.query("SELECT max(version) AS v FROM tierwise_migrations").column("v")[0].as_py() or 0)
    if at > len(MIGRATIONS):
        raise StoreError(
            f"store {connection.address}: its tables are of version {at}, this release knows {len(MIGRATIONS)}",
            "use the newer release",
            reason=Reason.QUERY_FAILED,
        )
    for version, statement in enumerate(MIGRATIONS, start=1):
        if version > at:
            connection.command(statement)
            connection.command("INSERT INTO tierwise_migrations (version) VALUES ({v:UInt32})", {"v": version})
    if dimensions:
        columns = ", ".join(f"ADD COLUMN IF NOT EXISTS `{name}` LowCardinality(String)" for name in dimensions)
        connection.command(f"ALTER TABLE predictions {columns}")
    return len(MIGRATIONS)
