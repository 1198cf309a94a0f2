"""`store init`: from nothing, from the tables of earlier releases with rows in them, by several at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.integration.test_store_performance import counted, stored
from tests.support.messy_log import a_dataset
from tests.support.predictions import T0
from tests.support.store import served_store
from tierwise.adapters.clickhouse.schema import MIGRATIONS, MIGRATIONS_TABLE, PERFORMANCE, PREDICTIONS
from tierwise.adapters.clickhouse.store import ClickHouseStore, open_store
from tierwise.adapters.prediction_logs.stored import RecordedPast
from tierwise.cli.main import cli
from tierwise.errors import StoreError
from tierwise.monitoring.counts.model import Scope
from tierwise.monitoring.query.stored.distributions import Wanted
from tierwise.monitoring.query.stored.performance_table import Origin

SCOPE = Scope("m", "v1", "v2")
OLD_COLUMNS = (
    "run_id, rollout, block, look_ts, window_from, window_to, model, dataset, dims, value, tier, model_version, "
    "label, n, n_invalid, bins, config_hash"
)


@pytest.fixture
def dsn(tmp_path: Path) -> str:
    return f"chdb://{tmp_path / 'data'}"


@pytest.fixture
def store(dsn: str) -> Iterator[ClickHouseStore]:
    store = open_store(dsn)
    yield store
    store.close()


def as_the_first_release_left_it(store: ClickHouseStore) -> None:
    """Its two tables, its two versions, and a block of two rows."""
    for statement in (MIGRATIONS_TABLE, PREDICTIONS, PERFORMANCE):
        store.execute(statement)
    store.execute("INSERT INTO tierwise_migrations (version) VALUES (1), (2)")
    old = (
        "generateUUIDv4(), 'old', 0, '2024-01-01 00:01:00', '2024-01-01 00:00:00', '2024-01-01 00:01:00', "
        "'m', 'flights', '', '', 'tier-3', 'v1'"
    )
    for label in (0, 1):
        store.execute(f"INSERT INTO ml_performance ({OLD_COLUMNS}) VALUES ({old}, {label}, 7, 1, [2, 4], 5)")


def definition(store: ClickHouseStore) -> str:
    text = store.query("SHOW CREATE TABLE ml_performance").column(0)[0].as_py()
    return text.decode() if isinstance(text, bytes) else text


def test_tables_of_the_first_release_keep_their_rows_and_take_new_ones(store):
    as_the_first_release_left_it(store)
    assert store.init(["carrier"]) == len(MIGRATIONS)
    assert [(row["n"], dict(row["sums"]), row["weights"]) for row in stored(store, "old")] == [(7, {}, []), (7, {}, [])]
    store.write_performance(Origin("new", "tier-3", 0), a_dataset(), SCOPE, counted(sums=True, weights=True))
    assert sum(row["n"] for row in stored(store, "new")) == counted().counts.sum()


def test_an_older_release_writes_on_into_migrated_tables(store):
    store.init()
    store.execute(
        f"INSERT INTO ml_performance ({OLD_COLUMNS}) SELECT generateUUIDv4(), 'older', 1, now(), now(), now(), "
        "'m', 'd', '', '', 't', 'v1', 0, 3, 0, [3], 1"
    )
    assert [row["n"] for row in stored(store, "older")] == [3]


def test_counts_are_written_into_tables_that_were_not_migrated_yet(store):
    as_the_first_release_left_it(store)
    with pytest.raises(StoreError, match="tierwise_config") as error:
        store.write_performance(Origin("new", "tier-3", 0), a_dataset(), SCOPE, counted())
    assert "store init" in error.value.remedy
    found = store.query("SELECT sum(n) AS n FROM ml_performance FINAL WHERE rollout = 'new'")
    assert found.column("n")[0].as_py() == counted().counts.sum()


def test_running_it_again_changes_nothing(store):
    store.init()
    before = definition(store)
    store.init()
    assert definition(store) == before


def test_new_tables_keep_rows_for_400_days_and_those_that_are_there_keep_what_they_have(store, tmp_path):
    store.init()
    assert "TTL written_at + toIntervalDay(400)" in definition(store)
    store.close()
    old = open_store(f"chdb://{tmp_path / 'old'}")
    as_the_first_release_left_it(old)
    old.init()
    assert "TTL" not in definition(old)
    old.close()


def test_the_time_to_live_is_set_and_taken_away(dsn, store):
    for given, expected in (("90d", "TTL written_at + toIntervalDay(90)"), ("never", None), ("never", None)):
        result = CliRunner().invoke(cli, ["store", "init", "--store", dsn, "--ttl", given])
        assert result.exit_code == 0, result.output
        assert ("TTL" not in definition(store)) if expected is None else (expected in definition(store))
    result = CliRunner().invoke(cli, ["store", "init", "--store", dsn, "--ttl", "soon"])
    assert result.exit_code == 2


def test_old_windows_are_kept_because_it_is_the_row_that_expires(store):
    store.init(ttl_days=1)
    store.write_performance(Origin("replay", "tier-3", 0), a_dataset(), SCOPE, counted())  # of 2024
    store.execute("OPTIMIZE TABLE ml_performance FINAL")
    assert sum(row["n"] for row in stored(store, "replay")) == counted().counts.sum()
    store.execute(
        "ALTER TABLE ml_performance UPDATE written_at = now() - INTERVAL 2 DAY WHERE 1 SETTINGS mutations_sync = 2"
    )
    store.execute("OPTIMIZE TABLE ml_performance FINAL")
    assert stored(store, "replay") == []


def test_tables_of_a_newer_release_are_left_alone(store):
    store.init()
    store.execute("INSERT INTO tierwise_migrations (version) VALUES (99)")
    with pytest.raises(StoreError, match="version 99") as error:
        store.init()
    assert "newer release" in error.value.remedy


def test_several_may_run_at_once(tmp_path):
    with served_store(tmp_path / "served") as served:
        stores = [open_store(served.dsn) for _ in range(6)]
        failed: list[Exception] = []

        def init(store: ClickHouseStore) -> None:
            try:
                store.init(["carrier"])
            except Exception as error:  # noqa: BLE001  # told by the main thread
                failed.append(error)

        threads = [threading.Thread(target=init, args=(store,)) for store in stores]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=60)
        assert failed == []
        stores[0].write_performance(Origin("r", "tier-3", 0), a_dataset(), SCOPE, counted(sums=True))
        assert stored(stores[0], "r")
        for store in stores:
            store.close()


def test_a_backfill_knows_that_the_first_release_did_not_say_what_it_stored(store):
    as_the_first_release_left_it(store)
    asked = Wanted("m", "flights", T0 - timedelta(days=100), T0, timedelta(days=400))
    (config,) = RecordedPast(store).configs(asked)
    assert (config.config, config.edges) == ("", ())


@pytest.mark.parametrize("name", ["score", "ts", "model_version", "label"])
def test_a_dimension_cannot_be_a_column_that_every_log_has(dsn: str, name: str):
    result = CliRunner().invoke(cli, ["store", "init", "--store", dsn, "--dimension", name])
    assert result.exit_code == 1
    assert f"dimension '{name}' is a column that every prediction log has already" in result.output
