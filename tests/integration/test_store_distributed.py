"""The same questions, unchanged, of a spread table: over two local tables (Merge) and over shards (Distributed).

The embedded engine has no cluster in its configuration. `CREATE TABLE … AS remote(…)` makes a Distributed table all the
same; its shards are this engine, which reads each as a server of a cluster would: partial states, merged at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from tests.support.messy_log import BLOCKINGS, NOW, PAIRS, SCOPE, VALUES, a_dataset, insert, messy_rows
from tierwise.adapters.clickhouse.store import ClickHouseStore, open_store
from tierwise.adapters.prediction_logs.recorded import RecordedStore
from tierwise.api.monitoringdataset import Columns
from tierwise.metrics import registry
from tierwise.monitoring.counts.model import Block, Cells, Dataset, Reads

WINDOW = Block(BLOCKINGS["one"][0].start, BLOCKINGS["one"][-1].end)
SPREAD = ("merged", "distributed")  # what holds the same rows as `predictions`


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseStore]:
    store = open_store(f"chdb://{Path(tmp_path_factory.mktemp('spread')) / 'data'}")
    store.init(list(VALUES))
    insert(store, messy_rows("m"))
    store.execute(
        "ALTER TABLE predictions UPDATE pod = concat('pod-', toString(cityHash64(carrier) % 7)) WHERE true "
        "SETTINGS mutations_sync = 1"
    )
    for part in (0, 1):
        store.execute(f"CREATE TABLE part_{part} AS predictions")
        store.execute(f"INSERT INTO part_{part} SELECT * FROM predictions WHERE cityHash64(ts, carrier) % 2 = {part}")
    store.execute("CREATE TABLE merged AS predictions ENGINE = Merge(currentDatabase(), '^part_[01]$')")
    store.execute("CREATE TABLE distributed AS remote('127.0.0.1', currentDatabase(), merged)")
    store.execute("CREATE TABLE both_shards AS remote('127.0.0.1,127.0.0.1', currentDatabase(), merged)")
    yield store
    store.close()


def dataset_of(table: str, **changes: object) -> Dataset:
    columns = Columns(labelled_at="labelled_at", pod="pod")
    return replace(a_dataset(*PAIRS, table=table, columns=columns), **changes)  # type: ignore[arg-type]


def counts_of(cells: Cells | None) -> tuple[tuple[str, ...], np.ndarray]:
    assert cells is not None
    return cells.slices, cells.counts


def everything(store: ClickHouseStore, table: str) -> dict[str, np.ndarray]:
    """All that a look, a plan and a recorded comparison ask, as arrays of counts by question."""
    sums = registry.get("log-loss").needs.sums
    plain = dataset_of(table)
    rich = dataset_of(table, reads=Reads(bins=True, sums=sums))
    few = dataset_of(table, groupings=(("carrier",),))
    few = replace(
        few,
        spec=few.spec.model_copy(
            update={"dimensions": [dimension.model_copy(update={"max_values": 4}) for dimension in few.spec.dimensions]}
        ),
    )
    found: dict[str, np.ndarray] = {}

    def note(name: str, slices: tuple[str, ...], counts: np.ndarray) -> None:
        found[f"{name} slices"], found[name] = np.array(slices), counts

    for name, blocks in BLOCKINGS.items():
        note(f"cells of {name} blocks", *counts_of(store.read_cells(plain, SCOPE, blocks)))
    cells = store.read_cells(rich, SCOPE, BLOCKINGS["one"])
    assert cells.bins is not None
    note("bins", cells.slices, cells.bins)
    found |= {f"sum {name}": values for name, values in cells.sums.items()}
    distributions = store.read_distributions(plain, SCOPE, WINDOW)
    note("distributions", distributions.slices, distributions.counts)
    note("values beyond maxValues", *counts_of(store.read_cells(few, SCOPE, BLOCKINGS["one"])))
    note("halves", *counts_of(store.read_halves(plain, SCOPE, BLOCKINGS["one"])))
    pods = store.read_pods(plain, SCOPE, WINDOW)
    assert pods is not None
    note("pods", pods.pods, pods.counts)
    invalid = store.count_invalid(plain, SCOPE, WINDOW, NOW)
    found["invalid"] = np.array([invalid.score, invalid.label, invalid.time, invalid.version])
    received = store.read_received(plain, SCOPE, WINDOW)
    found["received"] = np.array([np.sum(received.rows), np.sum(received.labels)])
    seen = RecordedStore(store).survey(plain, SCOPE, (None, NOW))
    note("survey", tuple(seen), np.array([one.rows for one in seen.values()]))
    return found


def test_the_tables_are_spread_as_they_say(store):
    def distinct(column: str, table: str) -> list[object]:
        return store.query(f"SELECT DISTINCT {column} AS x FROM {table} ORDER BY x").column("x").to_pylist()

    assert distinct("_table", "merged") == ["part_0", "part_1"]
    assert distinct("_shard_num", "distributed") == [1]
    assert distinct("_shard_num", "both_shards") == [1, 2]


@pytest.mark.parametrize("table", SPREAD)
def test_a_spread_table_gives_the_answers_of_one_table(store, table):
    one, spread = everything(store, "predictions"), everything(store, table)
    assert one["cells of one blocks"].sum() > 0
    assert one.keys() == spread.keys()
    for name, counts in one.items():
        compare: Callable[..., None] = np.testing.assert_array_equal
        if name.startswith("sum "):  # added up in another order
            compare = np.testing.assert_allclose
        compare(spread[name], counts, err_msg=name)


def test_states_of_two_shards_are_merged(store):
    """Both shards are the same rows, so that every count is twice what one shard has."""
    one, twice = everything(store, "predictions"), everything(store, "both_shards")
    for name, counts in one.items():
        if name.endswith("slices"):
            np.testing.assert_array_equal(twice[name], counts, err_msg=name)
        else:
            np.testing.assert_allclose(twice[name], 2 * counts, err_msg=name)


@pytest.mark.parametrize("table", [*SPREAD, "both_shards"])
def test_the_watermark_and_the_check_hold_for_a_spread_table(store, table):
    store.check(dataset_of(table))
    newest = store.watermark(dataset_of("predictions"), SCOPE, NOW)
    assert newest is not None
    assert newest > datetime(2024, 1, 1, tzinfo=UTC)
    assert store.watermark(dataset_of(table), SCOPE, NOW) == newest
