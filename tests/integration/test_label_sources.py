"""Labels of several sources: counted as in plain Python, joined without multiplying rows, conflicts reported."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.support.labelled_log import (
    SCOPE,
    WINDOW,
    Label,
    a_dataset,
    counted,
    label_by,
    labels,
    requests,
    write_labels,
    write_log,
)
from tierwise.api.reasons import Reason
from tierwise.errors import SpecError
from tierwise.monitoring.counts.model import Dataset
from tierwise.monitoring.query.quality.arrivals import Received

OWN: dict[str, Any] = {"name": "heuristic", "column": "own", "confidence": 0.6}


def of_table(name: str, table: str, **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "Table",
        "table": table,
        "key": "request",
        "column": "is_bot",
        "labelledAt": "came",
        **more,
    }


def read(store: Any, dataset: Dataset) -> np.ndarray:
    return store.read_cells(dataset, SCOPE, [WINDOW]).counts[0, 0]


@pytest.fixture(scope="module")
def world(store):
    rows = requests()
    research, feedback = labels(rows, 2), labels(rows, 3)
    return (
        rows,
        research,
        feedback,
        write_log(store, rows),
        write_labels(store, research),
        write_labels(store, feedback),
    )


def test_a_label_table_is_joined_by_request_and_multiplies_no_row(store, world):
    rows, research, _, log, table, _ = world
    store.check(dataset := a_dataset(log, of_table("research", table)))
    assert np.array_equal(read(store, dataset), counted(rows, lambda row: label_by(row, research)))


@pytest.mark.parametrize("at", ["came", None])
def test_a_request_with_a_hundred_labels_in_each_table_is_one_row(store, world, at):
    rows, _, _, log, *_ = world
    many = [Label(row.id, i % 2, row.ts, "manual") for row in rows[:20] for i in range(100)]
    tables = [write_labels(store, many) for _ in range(2)]
    dataset = a_dataset(log, *(of_table(f"of{i}", table, labelledAt=at) for i, table in enumerate(tables)))
    assert read(store, dataset).sum() == counted(rows, lambda _: None).sum()


def test_a_later_source_counts_only_where_no_earlier_one_has_a_label_by_maturity(store, world):
    rows, research, feedback, log, first, second = world
    dataset = a_dataset(log, of_table("research", first), of_table("feedback", second), OWN)

    def label(row: Any) -> int | None:
        found = (label_by(row, research), label_by(row, feedback), row.own)
        return next((value for value in found if value is not None), None)

    assert np.array_equal(read(store, dataset), counted(rows, label))
    swapped = a_dataset(log, OWN, of_table("research", first))
    assert np.array_equal(
        read(store, swapped), counted(rows, lambda row: label_by(row, research) if row.own is None else row.own)
    )


def test_where_of_a_source_chooses_its_labels(store, world):
    rows, research, _, log, table, _ = world
    dataset = a_dataset(log, of_table("research", table, where="kind = 'manual'"), OWN)

    def label(row: Any) -> int | None:
        found = label_by(row, research, "manual")
        return row.own if found is None else found

    assert np.array_equal(read(store, dataset), counted(rows, label))


def test_without_the_time_of_a_label_only_the_windows_requests_are_read_and_every_label_counts(store, world):
    rows, research, _, log, table, _ = world
    source = of_table("research", table)
    del source["labelledAt"]

    def label(row: Any) -> int | None:
        values = [x.value for x in research if x.id == row.id and x.value is not None]
        return min(values, default=None)

    assert np.array_equal(read(store, a_dataset(log, source)), counted(rows, label))


def test_a_source_below_the_least_confidence_judges_nothing_and_is_measured(store, world):
    rows, research, _, log, table, _ = world
    dataset = a_dataset(log, OWN, of_table("research", table), labels={"minConfidence": 0.7})
    assert np.array_equal(read(store, dataset), counted(rows, lambda row: label_by(row, research)))

    inside = [row for row in rows if WINDOW.start <= row.ts < WINDOW.end]
    ours = [(row.own, label_by(row, research)) for row in inside]
    found = store.read_sources(dataset, SCOPE, WINDOW)
    assert [(says.name, says.labels, says.decides) for says in found.sources] == [
        ("heuristic", sum(own is not None for own, _ in ours), 0),
        ("research", *[sum(theirs is not None for _, theirs in ours)] * 2),
    ]
    both = [(own, theirs) for own, theirs in ours if own is not None and theirs is not None]
    (conflict,) = found.conflicts
    assert (conflict.both, conflict.differ) == (len(both), sum(own != theirs for own, theirs in both))
    assert 0 < conflict.share < 1


@pytest.mark.parametrize("spec", [{"target": "Number"}, {"scale": {"kind": "Classes"}, "classes": ["0", "1"]}])
def test_sources_of_numbers_and_of_classes_are_measured_alike(store, world, spec):
    log, table = world[3], world[4]
    plain = store.read_sources(a_dataset(log, OWN, of_table("research", table)), SCOPE, WINDOW)
    other = a_dataset(log, OWN, of_table("research", table), **spec)
    assert store.read_sources(other, SCOPE, WINDOW) == plain
    labels = store.read_received(a_dataset(log, OWN, of_table("research", table)), SCOPE, WINDOW).labels
    assert store.read_received(other, SCOPE, WINDOW).labels == labels


def test_distributions_and_rows_received_read_the_same_labels(store, world):
    rows, research, _, log, table, _ = world
    dataset = a_dataset(log, of_table("research", table))
    expected = counted(rows, lambda row: label_by(row, research))
    found = store.read_distributions(dataset, SCOPE, WINDOW).counts[0]
    assert np.array_equal(found.sum(axis=-1), expected.sum(axis=-1))
    received = replace(store.read_received(dataset, SCOPE, WINDOW), conflicts=None)
    assert received == Received(int(expected.sum()), int(expected[:, :2].sum()), 0)


@pytest.mark.parametrize("at", ["came", None])
def test_requests_whose_first_labels_contradict_each_other_are_counted_by_arm(store, world, at):
    rows, research, _, log, table, _ = world

    def contradicted(row: Any) -> bool:
        ours = [x for x in research if x.id == row.id and x.value is not None]
        first = min((x.at for x in ours), default=None)
        return len({x.value for x in ours if at is None or x.at == first}) > 1

    inside = [row for row in rows if WINDOW.start <= row.ts < WINDOW.end]
    by_arm = [[contradicted(row) for row in inside if row.version == version] for version in ("v1", "v2")]
    found = store.read_received(a_dataset(log, of_table("research", table, labelledAt=at)), SCOPE, WINDOW).conflicts
    assert found.rows == tuple(len(arm) for arm in by_arm)
    assert found.contradicted == tuple(sum(arm) for arm in by_arm)
    assert found.total > 0
    assert store.read_received(a_dataset(log, OWN), SCOPE, WINDOW).conflicts is None


def test_a_label_table_or_column_that_is_not_there_is_refused_by_name(store, world):
    log, table = world[3], world[4]
    with pytest.raises(SpecError, match=r"column 'nothing' is not in log_.*set spec\.labels\.sources"):
        store.check(a_dataset(log, {"name": "own", "column": "nothing"}))
    with pytest.raises(Exception, match="no_such_table") as missing:
        store.check(a_dataset(log, of_table("research", "no_such_table")))
    assert missing.value.reason in (Reason.UNKNOWN_TABLE, Reason.UNKNOWN_COLUMN)
    with pytest.raises(Exception, match="is_human"):
        store.check(a_dataset(log, of_table("research", table, column="is_human")))


def test_sources_of_which_none_is_trusted_are_refused(store, world):
    dataset = a_dataset(world[3], OWN, labels={"minConfidence": 0.7})
    with pytest.raises(SpecError, match=r"no label source reaches minConfidence 0\.7 \(the most trusted has 0\.6\)"):
        store.check(dataset)


def test_rows_without_an_id_get_no_label_of_others_without(store):
    rows = [replace(row, id="") for row in requests(20)]
    table = write_labels(store, [Label("", 1, row.ts, "manual") for row in rows])
    counts = read(store, a_dataset(write_log(store, rows), of_table("research", table)))
    assert counts[:, :2].sum() == 0
    assert counts.sum() == counted(rows, lambda _: None).sum()


def test_a_label_that_is_neither_0_nor_1_is_unknown_and_counted_as_invalid(store):
    rows = requests(20)
    table = write_labels(store, [Label(row.id, 7, row.ts, "manual") for row in rows])
    dataset = a_dataset(write_log(store, rows), of_table("research", table))
    assert read(store, dataset)[:, :2].sum() == 0
    inside = sum(WINDOW.start <= row.ts < WINDOW.end for row in rows)
    assert store.count_invalid(dataset, SCOPE, WINDOW, WINDOW.end).label == inside


NUMBERS = "id UInt64, v UInt8"
TEXTS = "id LowCardinality(Nullable(String)), v UInt8"


def a_table(store: Any, columns: str, ids: str) -> str:
    name = f"keys_{uuid.uuid4().hex[:8]}"
    store.execute(f"CREATE TABLE {name} ({columns}) ENGINE = MergeTree ORDER BY v")
    store.execute(f"INSERT INTO {name} SELECT {ids}, 1 FROM numbers(20)")
    return name


def by_key(store: Any, log: tuple[str, str], table: tuple[str, str]) -> Dataset:
    query = "SELECT id, now64() AS ts, 'v1' AS model_version, 0.5 AS score, v AS own FROM {}"
    view = f"view_{uuid.uuid4().hex[:8]}"
    store.execute(f"CREATE VIEW {view} AS {query.format(a_table(store, *log))}")
    source = {"name": "research", "kind": "Table", "table": a_table(store, *table), "key": "id", "column": "v"}
    return a_dataset(view, source)


@pytest.mark.parametrize(
    ("log", "table", "told"),
    [
        (
            (TEXTS, "concat('r', toString(number))"),
            (NUMBERS, "number"),
            "key 'id' is UInt64 and the log's 'id' is String",
        ),
        (
            (NUMBERS, "number"),
            (TEXTS, "leftPad(toString(number), 9, '0')"),
            "'id' is String and the log's 'id' is UInt64",
        ),
        (("id UUID, v UInt8", "generateUUIDv4()"), (TEXTS, "toString(number)"), "the log's 'id' is UUID"),
    ],
)
def test_keys_of_another_type_that_never_meet_the_requests_are_refused(store, log, table, told):
    with pytest.raises(SpecError, match=told) as caught:
        store.check(by_key(store, log, table))
    assert caught.value.reason is Reason.DATASET_INVALID
    assert "toString(id)" in caught.value.remedy


@pytest.mark.parametrize(
    ("log", "table"),
    [
        ((TEXTS, "toString(number)"), (NUMBERS, "number")),
        ((NUMBERS, "number"), (TEXTS, "if(number = 7, '7', 'manual')")),
        (("id UUID, v UInt8", "generateUUIDv4()"), (TEXTS, "toString(generateUUIDv4())")),
        (("id Float64, v UInt8", "number"), (TEXTS, "toString(number)")),
        ((NUMBERS, "number"), (TEXTS, "NULL")),
        (("id Int64, v UInt8", "number"), (NUMBERS, "number")),
    ],
)
def test_keys_of_another_type_that_read_the_same_are_allowed(store, log, table):
    store.check(by_key(store, log, table))
