"""Counts equal a brute-force count of the raw rows, in every slice, whatever is in the rows."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import pytest

from tests.support.predictions import T0, Row, brute_bins, brute_cells, columns, in_scope, label_of, single, slices_of
from tierwise.adapters.clickhouse import ClickHouseStore, open_store
from tierwise.api.monitoringdataset import Columns, Dimension, Domain, MonitoringDatasetSpec, Scale
from tierwise.monitoring.answers import cells_of
from tierwise.monitoring.cells import Block, Cells, Dataset, Invalid, Scope

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


@pytest.mark.parametrize("blocking", BLOCKINGS)
@pytest.mark.parametrize("positive", ["AtOrAbove", "Below"])
@pytest.mark.parametrize("threshold", [0.5, 0.57, 0.123456])
def test_cells_equal_a_count_of_the_raw_rows(store, log, blocking, positive, threshold):
    rows, scope = log
    dataset = a_dataset(*PAIRS, threshold=threshold, positive=positive)
    cells = store.read_cells(dataset, scope, BLOCKINGS[blocking])
    assert cells.counts.sum() > 0
    assert_same(cells, brute_cells(rows, dataset, scope, BLOCKINGS[blocking], maturity=MATURITY))


def test_without_groupings_only_the_whole_is_counted(store, log):
    rows, scope = log
    dataset = a_dataset()
    cells = store.read_cells(dataset, scope, BLOCKINGS["cut"])
    assert cells.slices == ("",)
    assert_same(cells, brute_cells(rows, dataset, scope, BLOCKINGS["cut"], maturity=MATURITY))


def test_triples_are_counted(store, log):
    rows, scope = log
    dataset = a_dataset(("carrier", "hour", "origin"))
    assert_same(
        store.read_cells(dataset, scope, BLOCKINGS["one"]),
        brute_cells(rows, dataset, scope, BLOCKINGS["one"], maturity=MATURITY),
    )


def test_where_decides_which_labels_count_and_keeps_every_row(store, log):
    rows, scope = log
    dataset = a_dataset(("origin",), where="content_meta = 'x'")
    everything = store.read_cells(a_dataset(("origin",)), scope, BLOCKINGS["one"])
    cells = store.read_cells(dataset, scope, BLOCKINGS["one"])
    assert cells.counts.sum() == everything.counts.sum()
    assert_same(cells, brute_cells(rows, dataset, scope, BLOCKINGS["one"], maturity=MATURITY, where="x"))


def test_all_tiers_are_read_when_the_scope_names_none(store, log):
    rows, scope = log
    everywhere = Scope(scope.model, "v1", "v2")
    dataset = a_dataset(("origin",))
    assert_same(
        store.read_cells(dataset, everywhere, BLOCKINGS["one"]),
        brute_cells(rows, dataset, everywhere, BLOCKINGS["one"], maturity=MATURITY),
    )


def test_the_domain_and_what_it_excludes_are_compared_in_float32(store, log):
    rows, scope = log
    dataset = a_dataset(("origin",), domain=Domain(min=0.07, max=0.93, exclude=[0.57, 0.5]))
    assert_same(
        store.read_cells(dataset, scope, BLOCKINGS["one"]),
        brute_cells(rows, dataset, scope, BLOCKINGS["one"], maturity=MATURITY),
    )


def test_a_query_instead_of_a_table_gives_the_same_counts(store, log):
    rows, scope = log
    names = "ts, model, model_version, tier, score, label, labelled_at, carrier, origin, hour"
    query = f"SELECT {names} FROM predictions WHERE score < 0.3"
    dataset = a_dataset(("origin",), table=None, query=query)
    few = [row for row in rows if np.float32(row.score) < 0.3]
    assert_same(
        store.read_cells(dataset, scope, BLOCKINGS["equal"]),
        brute_cells(few, dataset, scope, BLOCKINGS["equal"], maturity=MATURITY),
    )


@pytest.mark.parametrize(
    ("scale", "threshold"),
    [
        (Scale(), 0.5),
        (Scale(), 0.57),
        (Scale(), 0.123456),
        (Scale(bins=7), 0.5),
        (Scale(bins=1000), 0.3337),
        (Scale(kind="Logit"), 0.5),
        (Scale(kind="Logit", bins=30), 0.57),
        (Scale(kind="Log", bins=50), 0.57),
    ],
)
def test_distributions_equal_a_count_of_the_raw_rows(store, log, scale, threshold):
    rows, scope = log
    domain = Domain(min=0.001, max=1) if scale.kind == "Log" else Domain()
    dataset = a_dataset(("origin",), scale=scale, threshold=threshold, domain=domain)
    block = BLOCKINGS["one"][0]
    found = store.read_distributions(dataset, scope, block)
    expected = {key: np.zeros((2, 3, len(found.edges)), dtype=np.int64) for key in found.slices}
    for row in rows:
        if in_scope(row, scope) and block.start <= row.ts < block.end:
            place = (int(row.version == "v2"), label_of(row, MATURITY), brute_bins(row.score, found.edges, dataset))
            for key in slices_of(row, dataset):
                expected[key][place] += 1
    for i, key in enumerate(found.slices):
        np.testing.assert_array_equal(found.counts[i], expected[key], err_msg=key)
    assert np.float32(threshold) in found.edges.astype(np.float32)


@pytest.mark.parametrize("positive", ["AtOrAbove", "Below"])
@pytest.mark.parametrize("threshold", [0.5, 0.57, 0.123456])
def test_answers_follow_exactly_from_the_distribution(store, log, threshold, positive):
    """The threshold is an edge: a look counts answers from the stored bins, as a query of its own would."""
    _, scope = log
    dataset = a_dataset(("origin",), threshold=threshold, positive=positive)
    block = BLOCKINGS["one"][0]
    derived = cells_of(store.read_distributions(dataset, scope, block), dataset.spec)
    counted = store.read_cells(dataset, scope, [block])
    assert derived is not None
    assert derived.slices == counted.slices
    np.testing.assert_array_equal(derived.counts, counted.counts)


def test_invalid_rows_are_counted_by_cause(store, log):
    rows, scope = log
    dataset = a_dataset()
    block = BLOCKINGS["one"][0]
    ours = [r for r in rows if r.model == scope.model and r.tier == "tier-3"]
    inside = [r for r in ours if block.start <= r.ts < block.end]
    two = [r for r in inside if r.version in ("v1", "v2")]
    assert store.count_invalid(dataset, scope, block, NOW) == Invalid(
        score=sum(not (np.float32(0) <= np.float32(r.score) <= np.float32(1)) for r in two),
        label=sum(r.label not in (0, 1, None) for r in two),
        time=sum(r.version in ("v1", "v2") and r.ts > NOW for r in ours),
        version=sum(r.version not in ("v1", "v2") for r in inside),
    )


def test_an_empty_window_has_the_whole_and_nothing_in_it(store, log):
    _, scope = log
    far = T0 - timedelta(days=400)
    cells = store.read_cells(
        a_dataset(*PAIRS), scope, [Block(far, far + MINUTE), Block(far + MINUTE, far + 2 * MINUTE)]
    )
    assert cells.slices == ("",)
    assert cells.counts.shape == (2, 1, 2, 3, 3)
    assert not cells.counts.any()
    assert not store.read_distributions(a_dataset(*PAIRS), scope, Block(far, far + MINUTE)).counts.any()
    assert store.read_cells(a_dataset(), scope, []).counts.shape == (0, 1, 2, 3, 3)


def test_one_arm_alone_is_counted_and_the_other_is_zero(store):
    model = f"m-{uuid.uuid4().hex[:8]}"
    rows = [
        Row(T0 + timedelta(seconds=i), "v2", 0.9, label=1, model=model, dimensions={"carrier": "HA"}) for i in range(20)
    ]
    insert(store, rows)
    scope = Scope(model, "v1", "v2", ("tier-3",))
    dataset = a_dataset(("carrier",))
    cells = store.read_cells(dataset, scope, minutes(0, 1))
    assert_same(cells, brute_cells(rows, dataset, scope, minutes(0, 1), maturity=MATURITY))
    assert cells.counts[:, :, 0].sum() == 0


def test_values_beyond_the_limit_are_counted_as_other(store, log):
    rows, scope = log
    dataset = a_dataset(("carrier",), ("hour",), ("hour", "origin"), max_values=5)
    counted: dict[str, int] = {}
    for row in rows:
        if in_scope(row, scope) and T0 <= row.ts < T0 + 30 * MINUTE:
            hour = row.dimensions["hour"]
            counted[hour] = counted.get(hour, 0) + 1
    kept = sorted(counted, key=lambda value: (-counted[value], value))[:5]
    cells = store.read_cells(dataset, scope, BLOCKINGS["one"])
    hours = {key.removeprefix("hour=") for key in cells.slices if key.startswith("hour=") and "," not in key}
    assert hours == {*kept, "other"}
    only_hours = Dataset("flights", dataset.spec, (("hour",), ("hour", "origin")))
    assert_same(
        store.read_cells(only_hours, scope, BLOCKINGS["one"]),
        brute_cells(rows, only_hours, scope, BLOCKINGS["one"], maturity=MATURITY, kept={"hour": kept}),
    )


def test_slices_known_from_the_start_keep_their_own_counts(store, log):
    _, scope = log
    dataset = a_dataset(("hour",), max_values=5)
    before = store.read_cells(dataset, scope, minutes(0, 15)).slices
    known = Dataset("flights", dataset.spec, dataset.groupings, known=before)
    after = store.read_cells(known, scope, minutes(15, 30)).slices
    assert after == before


def test_an_attack_with_many_values_stays_within_the_limit(store):
    model = f"m-{uuid.uuid4().hex[:8]}"
    rows = [
        Row(
            T0 + timedelta(milliseconds=i),
            ["v1", "v2"][i % 2],
            0.9,
            label=1,
            model=model,
            dimensions={"carrier": f"x{i}"},
        )
        for i in range(20_000)
    ]
    insert(store, rows)
    cells = store.read_cells(a_dataset(("carrier",)), Scope(model, "v1", "v2"), minutes(0, 1))
    assert len(cells.slices) == 52
    assert cells.counts[0, cells.slices.index("carrier=other")].sum() == 20_000 - 50
    assert cells.counts[0, 0].sum() == 20_000


def test_the_watermark_is_the_newest_row_that_is_not_in_the_future(store, log):
    rows, scope = log
    dataset = a_dataset()
    newest = max(r.ts for r in rows if r.model == scope.model and r.tier == "tier-3" and r.ts <= NOW)
    assert store.watermark(dataset, scope, NOW) == newest
    assert store.watermark(dataset, scope, NOW + timedelta(days=30)) == NOW + timedelta(days=2)
    assert store.watermark(dataset, scope, T0 - timedelta(days=1)) is None
    assert store.watermark(dataset, Scope("no-such-model", "v1", "v2"), NOW) is None


def test_writing_a_block_twice_changes_nothing(store, log):
    _, scope = log
    dataset = a_dataset(("carrier",), ("origin",))
    found = store.read_distributions(dataset, scope, BLOCKINGS["one"][0])
    rollout = f"r-{uuid.uuid4().hex[:8]}"
    for _ in range(2):
        store.write_performance(rollout, "tier-3", 0, dataset, scope, found)
    rows = store.query(
        "SELECT value, model_version, label, n, n_invalid, bins FROM ml_performance FINAL WHERE rollout = {r:String}",
        {"r": rollout},
    ).to_pylist()
    assert sum(row["n"] for row in rows) == found.counts.sum()
    assert sum(row["n_invalid"] for row in rows) == found.counts[..., -1].sum()
    by_key = {(row["value"], row["model_version"], row["label"]): row["bins"] for row in rows}
    assert len(by_key) == len(rows)
    for s, key in enumerate(found.slices):
        for arm, version in enumerate(("v1", "v2")):
            for label in range(3):
                if found.counts[s, arm, label].any():
                    assert by_key[key, version, label] == found.counts[s, arm, label, :-1].tolist()


def test_blocks_that_overlap_are_refused(store, log):
    _, scope = log
    with pytest.raises(ValueError, match="ascend"):
        store.read_cells(a_dataset(), scope, [*minutes(0, 2), *minutes(1, 3)])


def test_millisecond_edges_are_half_open(store):
    model = f"m-{uuid.uuid4().hex[:8]}"
    edge = T0 + timedelta(milliseconds=500)
    one = timedelta(milliseconds=1)
    times: list[datetime] = [
        T0,
        edge - one,
        edge,
        edge + one,
        T0 + timedelta(seconds=1) - one,
        T0 + timedelta(seconds=1),
    ]
    insert(store, [Row(ts, "v1", 0.1, model=model) for ts in times])
    blocks = [Block(T0, edge), Block(edge, T0 + timedelta(seconds=1))]
    cells = store.read_cells(a_dataset(), Scope(model, "v1", "v2"), blocks)
    assert cells.counts.sum(axis=(1, 2, 3, 4)).tolist() == [2, 3]
