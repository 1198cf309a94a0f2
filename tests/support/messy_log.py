"""A prediction log in which everything is wrong that can be, in a store: what the tests of counts read."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from tests.support.predictions import T0, Row, columns, single
from tierwise.adapters.clickhouse.store import ClickHouseStore, open_store
from tierwise.api.monitoringdataset import Columns, Dimension, MonitoringDatasetSpec
from tierwise.monitoring.counts.model import Block, Cells, Dataset, Scope

MINUTE = timedelta(minutes=1)
MATURITY = timedelta(minutes=5)
NOW = T0 + timedelta(hours=1)
SCOPE = Scope("m", "v1", "v2", ("tier-3",))
VALUES = {
    "carrier": [
        "HA",
        "AA",
        "a,b",
        "x=y",
        "50%",
        "it's",
        'say "no"',
        "Zürich ✈",
        "",
        " ",
        "back\\slash",
        "new\nline",
        "other",
    ],
    "origin": ["JFK", "LGA", "EWR"],
    "hour": [f"{hour:02}" for hour in range(24)],
}
PAIRS = (("carrier",), ("origin",), ("hour",), ("carrier", "origin"), ("hour", "origin"))


@pytest.fixture(scope="module", params=["chdb", "http"])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseStore]:
    dsn = (
        f"chdb://{tmp_path_factory.mktemp('chdb') / 'data'}"
        if request.param == "chdb"
        else request.getfixturevalue("store_dsn")
    )
    store = open_store(dsn)
    store.init(list(VALUES))
    yield store
    store.close()


def a_dataset(*groupings: tuple[str, ...], max_values: int = 50, **spec: object) -> Dataset:
    dimensions = [Dimension(name=name, expression=name, max_values=max_values) for name in VALUES]
    fields = {"table": "predictions", "columns": Columns(labelled_at="labelled_at"), "maturity": "5m", **spec}
    return Dataset("flights", MonitoringDatasetSpec(dimensions=dimensions, **fields), groupings)  # type: ignore[arg-type]


def edge_scores() -> list[float]:
    """Every k/100, its Float32 neighbours, and what is no score."""
    scores: list[float] = []
    for k in range(101):
        edge = np.float32(k / 100)
        scores += [float(edge), float(np.nextafter(edge, np.float32(-9))), float(np.nextafter(edge, np.float32(9)))]
    return [*scores, float("nan"), float("inf"), float("-inf"), -0.0, -1e-30, 1e-45, -3.0, 2.0]


def messy_rows(model: str, count: int = 3000, seed: int = 1) -> list[Row]:
    rng = np.random.default_rng(seed)
    scores = edge_scores()
    rows = []
    for i in range(count):
        ts = T0 + timedelta(milliseconds=int(rng.integers(0, 30 * 60_000)))
        label = [0, 1, 0, 1, None, 2, 255][rng.integers(0, 7)]
        late = [timedelta(seconds=1), MATURITY, MATURITY + timedelta(milliseconds=1), timedelta(hours=3)][
            rng.integers(0, 4)
        ]
        rows.append(
            Row(
                ts=ts,
                version=["v1", "v2", "v3", "V1"][rng.integers(0, 4)],
                score=single(scores[i % len(scores)]),
                label=label,
                labelled_at=None if rng.random() < 0.2 else ts + late,
                tier=["tier-3", "tier-3", "tier-1"][rng.integers(0, 3)],
                model=model if rng.random() < 0.95 else "another",
                source=["x", "y"][rng.integers(0, 2)],
                dimensions={name: values[rng.integers(0, len(values))] for name, values in VALUES.items()},
            )
        )
    # rows of the future, in no block of the test
    rows += [Row(ts=NOW + timedelta(days=2), version="v2", score=0.5, model=model) for _ in range(3)]
    return rows


def insert(store: ClickHouseStore, rows: list[Row]) -> None:
    assert store.insert_predictions(columns(rows, list(VALUES))) == len(rows)


@pytest.fixture(scope="module")
def log(store: ClickHouseStore) -> tuple[list[Row], Scope]:
    model = f"m-{uuid.uuid4().hex[:8]}"
    rows = messy_rows(model)
    insert(store, rows)
    return rows, Scope(model, "v1", "v2", ("tier-3",))


def minutes(*edges: float) -> list[Block]:
    times = [T0 + MINUTE * edge for edge in edges]
    return [Block(start, end) for start, end in pairwise(times)]


def assert_same(cells: Cells, expected: dict[str, np.ndarray]) -> None:
    present = {key: counts for key, counts in expected.items() if key == "" or counts.any()}
    assert list(cells.slices) == sorted(present)  # "" sorts first
    for i, key in enumerate(cells.slices):
        np.testing.assert_array_equal(cells.counts[:, i], present[key], err_msg=key)


BLOCKINGS = {
    "one": minutes(0, 30),
    "equal": minutes(*range(31)),
    "cut": minutes(0, 1, 2, 2.5, 3.3711, 7, 29),
    "gaps": [*minutes(0, 2), *minutes(5, 6.25), *minutes(6.25, 9), *minutes(20, 21)],
}
