"""What a look reads beyond counts: bins per block, sums, weights, classes, halves of pods; equal to brute force."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pytest

from tests.support.predictions import T0
from tests.support.wide_log import CLASSES, TABLE, WideLog, finite
from tierwise.adapters.clickhouse.store import ClickHouseStore, open_store
from tierwise.api.monitoringdataset import Columns, Dimension, MetricThreshold, MonitoringDatasetSpec, Scale, Value
from tierwise.errors import SpecError
from tierwise.metrics.tally import Sum
from tierwise.monitoring.counts.model import Block, Dataset, Reads, Scope
from tierwise.monitoring.counts.thresholds import answers_at, cells_of

MINUTE = timedelta(minutes=1)
SCOPE = Scope(None, "v1", "v2")
WHOLE_TIME = [Block(T0, T0 + 30 * MINUTE)]
BLOCKINGS = {
    "one": WHOLE_TIME,
    "equal": [Block(T0 + i * MINUTE, T0 + (i + 1) * MINUTE) for i in range(30)],
    "gaps": [Block(T0 + a * MINUTE, T0 + b * MINUTE) for a, b in ((0, 2), (5, 6.25), (6.25, 9), (20, 21))],
}
CLICKS, SLOW, ERRORS = (
    Sum("clicks", "{value:clicks}"),
    Sum("slow", "{latency} > 200"),
    Sum("errors", "{status} >= 500"),
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseStore]:
    store = open_store(f"chdb://{tmp_path_factory.mktemp('chdb') / 'data'}")
    yield store
    store.close()


@pytest.fixture(scope="module", params=["Float32", "Float64"])
def log(store: ClickHouseStore, request: pytest.FixtureRequest) -> tuple[WideLog, str]:
    name = f"log_{uuid.uuid4().hex[:8]}"
    rows = WideLog(score=request.param)
    store.execute(TABLE.format(name=name, score=request.param))
    store._connection.insert(name, rows.table())
    return rows, name


def a_dataset(table: str, reads: Reads = Reads(), *, pod: str | None = "pod", **fields: object) -> Dataset:  # noqa: B008
    columns = Columns(
        model=None,
        tier=None,
        pod=pod,
        labelled_at="labelled_at",
        weight="weight",
        latency="latency",
        status="status",
        top="top",
        **fields.pop("columns", {}),
    )
    spec = MonitoringDatasetSpec(
        table=table,
        columns=columns,
        maturity="5m",
        dimensions=[Dimension(name=name, expression=name) for name in ("carrier", "origin")],
        values=[Value(name="clicks", expression="clicks"), Value(name="impressions", expression="impressions")],
        **fields,
    )
    return Dataset("wide", spec, (("carrier",), ("carrier", "origin")), reads=reads)


@pytest.mark.parametrize("blocking", BLOCKINGS)
@pytest.mark.parametrize("scale", [Scale(), Scale(kind="Logit", bins=20)])
def test_bins_of_several_blocks_equal_a_count_of_the_raw_rows(store, log, blocking, scale):
    rows, table = log
    blocks = BLOCKINGS[blocking]
    cells = store.read_cells(a_dataset(table, Reads(bins=True), scale=scale), SCOPE, blocks)
    assert list(cells.slices) == sorted(rows.slice_masks())
    shape = (2, 3, len(cells.edges))
    expected = rows.count_by(blocks, rows.arms(), rows.labels(), rows.bins(cells.edges), shape=shape)
    np.testing.assert_array_equal(cells.bins, expected)
    np.testing.assert_array_equal(
        cells.counts, rows.count_by(blocks, rows.arms(), rows.labels(), rows.answers(0.5), shape=(2, 3, 3))
    )


def test_invalid_answers_and_the_range_of_scores_equal_those_of_the_raw_rows(store, log):
    rows, table = log
    found = store.read_answers(a_dataset(table), SCOPE, WHOLE_TIME[0])
    meant = rows.count_by(WHOLE_TIME, rows.arms(), rows.answers(0.5), shape=(2, 3))[:, 0].sum(axis=(0, 1))
    assert (found.rows, found.invalid) == (meant.sum(), meant[2])
    assert meant[2] > 0
    assert found.lowest < 0
    assert found.highest > 1


@pytest.mark.parametrize("blocking", BLOCKINGS)
def test_sums_equal_those_of_the_raw_rows_and_numbers_that_are_none_add_nothing(store, log, blocking):
    rows, table = log
    blocks = BLOCKINGS[blocking]
    wanted = (CLICKS, SLOW, ERRORS, Sum("right", "{label} < 2 AND {answer} = {label}"), Sum("p", "{valid} * {score}"))
    cells = store.read_cells(a_dataset(table, Reads(sums=wanted)), SCOPE, blocks)
    latency = finite(rows.latency)
    slow = (latency > 200) | np.array([value == float("inf") for value in rows.latency])
    numbers = {
        "clicks": finite(rows.clicks),
        "slow": slow,
        "errors": rows.status >= 500,
        "right": (rows.labels() < 2) & (rows.answers(0.5) == rows.labels()),
    }
    for name, values in numbers.items():
        expected = rows.count_by(blocks, rows.arms(), shape=(2,), weights=values.astype(float))
        np.testing.assert_array_equal(cells.sums[name], expected, err_msg=name)
    probability = np.where(rows.answers(0.5) == 2, 0, rows.score.astype(float))
    expected = rows.count_by(blocks, rows.arms(), shape=(2,), weights=probability)
    np.testing.assert_allclose(cells.sums["p"], expected, rtol=1e-12)


@pytest.mark.parametrize("blocking", BLOCKINGS)
def test_weights_equal_those_of_the_raw_rows(store, log, blocking):
    rows, table = log
    blocks = BLOCKINGS[blocking]
    cells = store.read_cells(a_dataset(table, Reads(weights=True)), SCOPE, blocks)
    weight = np.maximum(finite(rows.weight), 0)
    place = (rows.arms(), rows.labels(), rows.answers(0.5))
    for power in (1, 2):
        expected = rows.count_by(blocks, *place, shape=(2, 3, 3), weights=weight**power)
        np.testing.assert_array_equal(cells.weights[power - 1], expected)


@pytest.mark.parametrize("blocking", BLOCKINGS)
def test_weights_by_bin_equal_those_of_the_raw_rows(store, log, blocking):
    rows, table = log
    blocks = BLOCKINGS[blocking]
    cells = store.read_cells(a_dataset(table, Reads(bins=True, weights=True)), SCOPE, blocks)
    weight = np.maximum(finite(rows.weight), 0)
    place, shape = (rows.arms(), rows.labels(), rows.bins(cells.edges)), (2, 3, len(cells.edges))
    for power in (1, 2):
        expected = rows.count_by(blocks, *place, shape=shape, weights=weight**power)
        np.testing.assert_array_equal(cells.bin_weights[power - 1], expected)
    assert cells.bin_weights.any()


def test_rows_whose_number_is_none_are_counted_as_invalid(store, log):
    rows, table = log
    dataset = a_dataset(table, Reads(sums=(CLICKS,), weights=True))
    found = store.count_invalid(dataset, SCOPE, WHOLE_TIME[0], T0 + 60 * MINUTE)
    weight = np.array([value is not None and np.isfinite(value) and value > 0 for value in rows.weight])
    clicks = np.array([value is not None and np.isfinite(value) for value in rows.clicks])
    assert found.value == int(((rows.arms() >= 0) & ~(weight & clicks)).sum()) > 0


def test_a_look_has_everything_from_its_one_distribution(store, log):
    _, table = log
    reads = Reads(bins=True, sums=(CLICKS, ERRORS), weights=True)
    dataset = a_dataset(table, reads)
    derived = cells_of(store.read_distributions(dataset, SCOPE, WHOLE_TIME[0]), dataset.spec, reads)
    read = store.read_cells(dataset, SCOPE, WHOLE_TIME)
    assert derived.slices == read.slices
    for name in ("counts", "bins", "edges", "weights", "bin_weights"):
        np.testing.assert_array_equal(getattr(derived, name), getattr(read, name), err_msg=name)
    for name in read.sums:
        np.testing.assert_array_equal(derived.sums[name], read.sums[name], err_msg=name)


def test_answers_of_every_metrics_own_threshold_follow_from_the_bins(store, log):
    rows, table = log
    own = [MetricThreshold(metric=name, threshold=t) for name, t in (("recall", 0.123456), ("npv", 1.0), ("mcc", 0.3))]
    cells = store.read_cells(a_dataset(table, Reads(bins=True), thresholds=own), SCOPE, WHOLE_TIME)
    for threshold in (0.5, 0.123456, 1.0, 0.3):
        found = answers_at(cells.bins, cells.edges, threshold, "AtOrAbove")
        expected = rows.count_by(WHOLE_TIME, rows.arms(), rows.labels(), rows.answers(threshold), shape=(2, 3, 3))
        np.testing.assert_array_equal(found, expected, err_msg=str(threshold))


@pytest.mark.parametrize("blocking", BLOCKINGS)
def test_classes_are_counted_by_label_and_answer(store, log, blocking):
    rows, table = log
    blocks = BLOCKINGS[blocking]
    named = {"score": "found", "label": "truth"}
    top = Sum("top", "{label_class} != '' AND has({top}, {label_class})")
    reads = Reads(bins=True, sums=(top,))
    dataset = a_dataset(table, reads, scale=Scale(kind="Classes"), classes=list(CLASSES), columns=named)
    cells = store.read_cells(dataset, SCOPE, blocks)
    in_time = rows.late <= 300
    truth = np.where(in_time, rows.classes_of(rows.truth), len(CLASSES))
    found = rows.classes_of(rows.found)
    size = len(CLASSES) + 1
    np.testing.assert_array_equal(cells.bins, rows.count_by(blocks, rows.arms(), truth, found, shape=(2, size, size)))
    label = np.where(truth < len(CLASSES), 1, 2)
    answer = np.where(found == len(CLASSES), 2, (found == truth).astype(int))
    np.testing.assert_array_equal(cells.counts, rows.count_by(blocks, rows.arms(), label, answer, shape=(2, 3, 3)))
    right = [t < len(CLASSES) and CLASSES[t] in names for t, names in zip(truth, rows.top, strict=True)]
    expected = rows.count_by(blocks, rows.arms(), shape=(2,), weights=np.array(right, dtype=float))
    np.testing.assert_array_equal(cells.sums["top"], expected)
    if len(blocks) == 1:
        derived = cells_of(store.read_distributions(dataset, SCOPE, blocks[0]), dataset.spec, reads)
        np.testing.assert_array_equal(derived.counts, cells.counts)
        np.testing.assert_array_equal(derived.bins, cells.bins)


def test_rows_of_no_class_are_invalid(store, log):
    rows, table = log
    named = {"score": "found", "label": "truth"}
    dataset = a_dataset(table, scale=Scale(kind="Classes"), classes=list(CLASSES), columns=named)
    found = store.count_invalid(dataset, SCOPE, WHOLE_TIME[0], T0 + 60 * MINUTE)
    ours = rows.arms() >= 0
    assert found.score == int((ours & (rows.classes_of(rows.found) == len(CLASSES))).sum())
    assert found.label == int((ours & (rows.truth == "cat")).sum())


def test_scale_none_stores_answers_only(store, log):
    rows, table = log
    dataset = a_dataset(table, scale=Scale(kind="None"), threshold=0.57)
    found = store.read_distributions(dataset, SCOPE, WHOLE_TIME[0])
    assert found.edges.tolist() == [0, 0.57, 1]
    expected = rows.count_by(WHOLE_TIME, rows.arms(), rows.labels(), rows.answers(0.57), shape=(2, 3, 3))
    np.testing.assert_array_equal(cells_of(found, dataset.spec).counts, expected)


def test_halves_of_the_baselines_pods_are_the_same_in_every_read(store, log):
    rows, table = log
    dataset = a_dataset(table)
    blocks = BLOCKINGS["equal"]
    halves = store.read_halves(dataset, SCOPE, blocks)
    pods = sorted({pod or "" for pod in rows.pod})
    answer = store.query("SELECT arrayMap(p -> cityHash64(p) % 2, {pods:Array(String)}) AS h", {"pods": pods})
    half = dict(zip(pods, answer.column("h")[0].as_py(), strict=True))
    assert set(half.values()) == {0, 1}
    arm = np.where(rows.version == "v1", [half[pod or ""] for pod in rows.pod], -1)
    expected = rows.count_by(blocks, arm, rows.labels(), rows.answers(0.5), shape=(2, 3, 3))
    np.testing.assert_array_equal(halves.counts, expected)


def test_a_units_rows_are_in_one_bucket_and_all_are_counted(store, log):
    rows, table = log
    dataset = a_dataset(table, columns={"unit": "pod"})
    found = store.read_units(dataset, SCOPE, WHOLE_TIME[0])
    pods = sorted({pod or "" for pod in rows.pod})
    answer = store.query("SELECT arrayMap(p -> cityHash64(p) % 64, {pods:Array(String)}) AS h", {"pods": pods})
    bucket = dict(zip(pods, answer.column("h")[0].as_py(), strict=True))
    of_row = np.array([bucket[pod or ""] for pod in rows.pod])
    for at in range(64):
        arm = np.where((rows.version == "v1") & (of_row == at) & np.array([bool(pod) for pod in rows.pod]), 0, -1)
        expected = rows.count_by(WHOLE_TIME, arm, rows.labels(), rows.answers(0.5), shape=(2, 3, 3))
        np.testing.assert_array_equal(found.counts[at], expected[0])
    assert store.read_units(a_dataset(table), SCOPE, WHOLE_TIME[0]) is None


def test_pods_are_counted_apart(store, log):
    rows, table = log
    found = store.read_pods(a_dataset(table), SCOPE, WHOLE_TIME[0])
    names = sorted({pod or "" for pod in rows.pod})
    assert list(found.pods) == names
    pod = np.where(rows.version == "v1", [names.index(p or "") for p in rows.pod], -1)
    expected = rows.count_by(WHOLE_TIME, pod, rows.labels(), rows.answers(0.5), shape=(len(names), 3, 3))
    np.testing.assert_array_equal(found.counts, expected[0, 0])


def test_without_a_pod_column_there_are_no_halves(store, log):
    dataset = a_dataset(log[1], pod=None)
    assert store.read_halves(dataset, SCOPE, WHOLE_TIME) is None
    assert store.read_pods(dataset, SCOPE, WHOLE_TIME[0]) is None


@pytest.mark.parametrize(("expression", "named"), [("{value:revenue}", "revenue"), ("{colour}", "{colour}")])
def test_a_sum_of_what_the_dataset_has_not_is_refused(store, log, expression, named):
    with pytest.raises(SpecError, match=named):
        store.read_cells(a_dataset(log[1], Reads(sums=(Sum("x", expression),))), SCOPE, WHOLE_TIME)
