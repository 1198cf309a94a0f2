"""Queries over the store's limits are asked in pieces, to the same counts; a million values are capped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from tests.integration.test_store_reads import CLICKS, a_dataset
from tests.support.predictions import T0
from tests.support.wide_log import TABLE, WideLog
from tierwise.adapters.clickhouse.connection import Connection
from tierwise.adapters.clickhouse.limits import read_cells_in_pieces
from tierwise.adapters.clickhouse.refusals import USES, Refusals
from tierwise.adapters.clickhouse.store import ClickHouseStore
from tierwise.api.monitoringdataset import Columns, Dimension, MonitoringDatasetSpec
from tierwise.api.reasons import Reason
from tierwise.errors import StoreError
from tierwise.monitoring.counts.model import Block, Cells, Dataset, Distributions, Reads, Scope

MINUTE = timedelta(minutes=1)
SCOPE = Scope(None, "v1", "v2")
WHOLE = Block(T0, T0 + 30 * MINUTE)
MILLION = 1_000_000


@pytest.fixture
def connection(tmp_path) -> Iterator[Connection]:
    connection = Connection(f"chdb://{tmp_path / 'data'}")
    yield connection
    connection.close()


@pytest.fixture
def store(connection: Connection) -> ClickHouseStore:
    store = ClickHouseStore(connection)
    store.execute(TABLE.format(name="log", score="Float32"))
    connection.insert("log", WideLog(60_000).table())
    return store


def limit(connection: Connection, **settings: int) -> None:
    for name, value in settings.items():
        connection.run(lambda client, name=name, value=value: client.set_client_setting(name, value))


def the_dataset() -> Dataset:
    return replace(
        a_dataset("log", Reads(bins=True, sums=(CLICKS,), weights=True)),
        groupings=(("carrier",), ("origin",), ("carrier", "origin")),
    )


def assert_equal(one: Cells | Distributions, other: Cells | Distributions) -> None:
    assert one.slices == other.slices
    for name in ("counts", "bins", "weights", "bin_weights"):
        if getattr(one, name, None) is not None:
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name, values in one.sums.items():
        np.testing.assert_array_equal(values, other.sums[name])


def test_what_is_too_much_for_one_query_is_counted_in_pieces(connection, store):
    dataset = the_dataset()
    blocks = [Block(T0 + 10 * i * MINUTE, T0 + 10 * (i + 1) * MINUTE) for i in range(3)]
    cells, distribution = store.read_cells(dataset, SCOPE, blocks), store.read_distributions(dataset, SCOPE, WHOLE)
    limit(connection, max_rows_to_read=20_000)
    with pytest.raises(StoreError, match="rows"):
        store.query("SELECT sum(score) FROM log")
    assert_equal(store.read_cells(dataset, SCOPE, blocks), cells)
    again = store.read_distributions(dataset, SCOPE, WHOLE)
    assert_equal(again, distribution)
    assert again.block == WHOLE


@pytest.mark.parametrize(("code", "widest"), [(241, 1), (396, 2)])
def test_slices_that_are_too_many_for_one_query_are_counted_in_groups(store, code, widest):
    """The limit stands in for a server's: a read of more than `widest` groupings has none of its memory left."""
    dataset, asked = the_dataset(), []

    def ask(part: Dataset, blocks: list[Block]) -> Cells:
        asked.append((len(blocks), len(part.groupings)))
        if len(blocks) > 1 or len(part.groupings) > widest:
            raise StoreError("Code: 241. Query memory limit exceeded", reason=Reason.QUERY_OVER_LIMITS, code=code)
        return store.read_cells(part, SCOPE, blocks)

    blocks = [Block(T0, T0 + 10 * MINUTE), Block(T0 + 10 * MINUTE, T0 + 30 * MINUTE)]
    assert_equal(read_cells_in_pieces(dataset, blocks, ask), store.read_cells(dataset, SCOPE, blocks))
    assert (2, 3) in asked


def test_the_next_look_is_asked_in_the_same_pieces_at_once_and_the_whole_again_after_many(store):
    dataset, refusals, asked = the_dataset(), Refusals(), []

    def ask(part: Dataset, blocks: list[Block]) -> Cells:
        asked.append((len(blocks), len(part.groupings)))
        if len(part.groupings) > 1:
            raise StoreError("Code: 241. Query memory limit exceeded", reason=Reason.QUERY_OVER_LIMITS, code=241)
        return store.read_cells(part, SCOPE, blocks)

    def look(minute: int) -> list[tuple[int, int]]:
        asked.clear()
        block = Block(T0 + minute * MINUTE, T0 + (minute + 1) * MINUTE)
        assert_equal(read_cells_in_pieces(dataset, [block], ask, refusals), store.read_cells(dataset, SCOPE, [block]))
        return list(asked)

    assert look(0) == [(1, 3), (1, 1), (1, 2), (1, 1), (1, 1)]
    assert look(1) == [(1, 1), (1, 1), (1, 1)]
    assert (1, 3) in [found for minute in range(2, USES + 2) for found in look(minute % 30)]


def test_a_quota_is_not_made_worse_by_asking_more(store):
    asked = []

    def ask(part: Dataset, blocks: list[Block]) -> Cells:
        asked.append(part)
        raise StoreError("Code: 202. Too many simultaneous queries", reason=Reason.QUERY_OVER_LIMITS, code=202)

    with pytest.raises(StoreError):
        read_cells_in_pieces(the_dataset(), [WHOLE], ask)
    assert len(asked) == 1


def test_what_is_too_much_even_in_pieces_holds_and_says_what_to_do(connection, store):
    store.read_cells(the_dataset(), SCOPE, [WHOLE])
    limit(connection, max_rows_to_read=100)
    with pytest.raises(StoreError, match="pieces") as error:
        store.read_cells(the_dataset(), SCOPE, [WHOLE])
    assert error.value.reason is Reason.QUERY_OVER_LIMITS
    assert "fewer slices" in error.value.remedy


def test_rows_of_one_request_are_not_split_by_time(connection, store):
    """Counted once in a window: two half windows could count it twice."""
    store.execute("ALTER TABLE log ADD COLUMN request_id String DEFAULT toString(cityHash64(ts, score) % 5000)")
    spec = the_dataset().spec
    columns = spec.columns.model_copy(update={"request_id": "request_id"})
    dataset = replace(the_dataset(), spec=spec.model_copy(update={"deduplicate": True, "columns": columns}))
    store.read_cells(dataset, SCOPE, [WHOLE])
    limit(connection, max_rows_to_read=20_000)
    with pytest.raises(StoreError) as error:
        store.read_cells(dataset, SCOPE, [WHOLE])
    assert error.value.reason is Reason.QUERY_OVER_LIMITS


def test_a_dimension_of_a_million_values_is_capped_within_bounded_memory(connection):
    store = ClickHouseStore(connection)
    store.execute(
        "CREATE TABLE log (ts DateTime64(3, 'UTC'), model_version LowCardinality(String), score Float32, label UInt8, "
        "client String) ENGINE = MergeTree ORDER BY ts"
    )
    store.execute(
        "INSERT INTO log SELECT toDateTime64('2024-03-10 12:00:00', 3, 'UTC') + number / 1000000 * 60, "
        f"if(number % 3 = 0, 'v2', 'v1'), 0.25, 1, if(number < 1000, 'often', toString(number)) FROM numbers({MILLION})"
    )
    spec = MonitoringDatasetSpec(
        table="log",
        columns=Columns(model=None, tier=None),
        dimensions=[Dimension(name="client", expression="client", max_values=20)],
    )
    limit(connection, max_memory_usage=400 << 20)
    dataset, minute = Dataset("d", spec, (("client",),), reads=Reads(bins=True)), [Block(T0, T0 + MINUTE)]
    cells = store.read_cells(dataset, SCOPE, minute)
    assert len(cells.slices) == 1 + 20 + 1
    rows = dict(zip(cells.slices, cells.counts.sum(axis=(0, 2, 3, 4)), strict=True))
    assert (rows[""], rows["client=often"], rows["client=other"]) == (MILLION, 1000, MILLION - 1000 - 19)
    limit(connection, max_memory_usage=20 << 20)
    with pytest.raises(StoreError) as error:
        store.read_cells(dataset, SCOPE, minute)
    assert error.value.reason is Reason.QUERY_OVER_LIMITS
