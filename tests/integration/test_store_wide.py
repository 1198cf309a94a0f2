"""A dimension of 100,000 values and its combinations: capped, counted exactly in every form of query, and bounded."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest

from tests.support.predictions import T0
from tierwise.adapters.clickhouse.connection import Connection
from tierwise.adapters.clickhouse.store import ClickHouseStore
from tierwise.api.monitoringdataset import Columns, Dimension, MonitoringDatasetSpec, Scale
from tierwise.api.reasons import Reason
from tierwise.api.slices import parse_slice_key
from tierwise.errors import StoreError
from tierwise.monitoring.counts.model import Block, Cells, Dataset, Reads, Scope
from tierwise.monitoring.query.look.group_hashing import combinations_of
from tierwise.monitoring.query.look.memory_limits import is_sparse

VALUES, ROWS = 100_000, 250_000
SCOPE = Scope(None, "v1", "v2")
WHOLE = Block(T0, T0 + timedelta(minutes=30))
DENSE = (("client",), ("client", "asn"))
HASHED = (("client",), ("client", "asn"), ("client", "os"), ("client", "app"), ("asn", "os"))
OFTEN = "SELECT client FROM log GROUP BY client ORDER BY count() DESC, client LIMIT {most}"


@pytest.fixture(scope="module")
def connection(tmp_path_factory) -> Iterator[Connection]:
    connection = Connection(f"chdb://{tmp_path_factory.mktemp('wide') / 'data'}")
    store = ClickHouseStore(connection)
    store.execute(
        "CREATE TABLE log (ts DateTime64(3, 'UTC'), model_version LowCardinality(String), score Float32, label UInt8, "
        "client String, asn String, os String, app String) ENGINE = MergeTree ORDER BY ts"
    )
    # Every client once, the others by a square law: a few have many rows.
    client = f"if(number < {VALUES}, number, toUInt64({VALUES} * pow(cityHash64(number, 1) % 1000 / 1000, 2)))"
    store.execute(
        f"INSERT INTO log SELECT toDateTime64('{T0:%Y-%m-%d %H:%M:%S}', 3, 'UTC') + number / {ROWS} * 1800, "
        f"if(cityHash64(number, 2) % 3 = 0, 'v2', 'v1'), cityHash64(number, 3) % 101 / 100, "
        f"cityHash64(number, 4) % 2, concat('c', toString({client})), toString(cityHash64(number, 5) % 20), "
        f"toString(cityHash64(number, 6) % 7), toString(cityHash64(number, 7) % 3) FROM numbers({ROWS})"
    )
    yield connection
    connection.close()


def a_dataset(most: int, groupings: tuple[tuple[str, ...], ...], reads: Reads, bins: int = 1000) -> Dataset:
    dimensions = [Dimension(name="client", expression="client", max_values=most)]
    dimensions += [Dimension(name=name, expression=name) for name in ("asn", "os", "app")]
    columns = Columns(model=None, tier=None)
    spec = MonitoringDatasetSpec(table="log", columns=columns, dimensions=dimensions, scale=Scale(bins=bins))
    return Dataset("clients", spec, groupings, reads=reads)


def plainly(connection: Connection, grouping: tuple[str, ...], most: int) -> dict[tuple[str, ...], np.ndarray]:
    """A plain GROUP BY of one grouping: arm x label x answer."""
    shown = {"client": f"if(client IN ({OFTEN.format(most=most)}), client, 'other')"}
    keys = ", ".join(f"{shown.get(name, name)} AS k{i}" for i, name in enumerate(grouping))
    sql = f"SELECT {keys}, model_version = 'v2', label, score >= toFloat32(0.5), count() FROM log GROUP BY ALL"
    found: dict[tuple[str, ...], np.ndarray] = {}
    for *key, arm, label, answer, count in zip(
        *(c.to_pylist() for c in connection.query(sql, {}).columns), strict=True
    ):
        found.setdefault(tuple(map(str, key)), np.zeros((2, 3, 3), dtype=np.int64))[arm, label, answer] = count
    return found


def counted(cells: Cells, grouping: tuple[str, ...]) -> dict[tuple[str, ...], np.ndarray]:
    parsed = [parse_slice_key(key) for key in cells.slices]
    totals = cells.counts.sum(axis=0)
    return {
        tuple(values[name] for name in grouping): totals[i]
        for i, values in enumerate(parsed)
        if values.keys() == set(grouping)
    }


@pytest.mark.parametrize(
    ("most", "groupings", "is_hashed", "are_few_cells"),
    [(50, DENSE, False, False), (1000, HASHED, True, False), (200, HASHED, True, True)],
    ids=["dense", "hashed", "sparse"],
)
def test_every_form_of_the_query_counts_as_a_plain_group_by(connection, most, groupings, is_hashed, are_few_cells):
    dataset = a_dataset(most, groupings, Reads(bins=are_few_cells))
    assert (bool(combinations_of(dataset)), is_sparse(dataset)) == (is_hashed, are_few_cells)
    cells = ClickHouseStore(connection).read_cells(dataset, SCOPE, [WHOLE])
    assert cells.counts[0, 0].sum() == ROWS
    for grouping in groupings:
        found, expected = counted(cells, grouping), plainly(connection, grouping, most)
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[key], expected[key]) for key in expected)
        clients = {key[grouping.index("client")] for key in found} if "client" in grouping else {"other"}
        assert len(clients) <= most + 1
        assert "other" in clients


def test_slices_that_are_too_many_for_one_block_hold_and_say_what_to_do(connection):
    dataset = a_dataset(1000, HASHED, Reads(bins=True))
    with pytest.raises(StoreError, match=r"'clients': \d+ slices take \d\.\d GB at once; lower maxValues") as error:
        ClickHouseStore(connection).read_cells(dataset, SCOPE, [WHOLE])
    assert error.value.reason is Reason.QUERY_OVER_LIMITS
    assert error.value.code is None  # or it would be asked for again, in pieces that are put together
