"""Rows and labels that are there more than once: counted once, or held with their number."""

from __future__ import annotations

import uuid
from datetime import timedelta

import numpy as np
import pytest

from tests.support.judged_rows import HOURS, ROWS, START, a_spec, from_query, judged, spoilt
from tierwise.adapters.clickhouse.store import ClickHouseStore
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.names import GateDecision
from tierwise.api.reasons import Reason
from tierwise.errors import SpecError
from tierwise.monitoring.counts.model import Block, Dataset, Scope


@pytest.fixture(scope="module")
def twice(store: ClickHouseStore, good: str) -> str:
    """Every row of the second hour written twice, the copy a second later."""
    name = f"twice_{uuid.uuid4().hex[:8]}"
    store.execute(f"CREATE TABLE {name} AS {good} ENGINE = MergeTree ORDER BY ts")
    store.execute(f"INSERT INTO {name} SELECT * FROM {good}")
    again = f"ts >= toDateTime64('{START + timedelta(hours=1):%Y-%m-%d %H:%M:%S}', 3, 'UTC')"
    until = f"ts < toDateTime64('{START + timedelta(hours=2):%Y-%m-%d %H:%M:%S}', 3, 'UTC')"
    store.execute(
        f"INSERT INTO {name} SELECT * REPLACE (ts + toIntervalSecond(1) AS ts) FROM {good} WHERE {again} AND {until}"
    )
    return name


def test_rows_logged_twice_hold_with_their_number(store, good, twice):
    found = judged(store, a_spec(twice, columns={"requestId": "id"}))
    assert (found.outcome.decision, found.outcome.reason) == (GateDecision.HOLD, Reason.DUPLICATE_ROWS)
    repeated = ROWS // HOURS
    assert f"{repeated} of {ROWS + repeated} rows (20.00%) repeat a request" in found.outcome.message
    assert "set spec.deduplicate: true" in found.outcome.message
    once = judged(store, a_spec(good, columns={"requestId": "id"}))
    assert once.outcome.decision is GateDecision.PROMOTE


def test_a_few_repeated_rows_are_noted_and_decide_nothing(store, good):
    table = f"few_{uuid.uuid4().hex[:8]}"
    store.execute(f"CREATE TABLE {table} ENGINE = MergeTree ORDER BY ts AS SELECT * FROM {good}")
    store.execute(f"INSERT INTO {table} SELECT * FROM {good} WHERE id IN ('7', '8')")
    found = judged(store, a_spec(table, columns={"requestId": "id"}))
    assert found.outcome.decision is GateDecision.PROMOTE
    assert any(f"2 of {ROWS + 2} rows (0.03%) repeat a request" in note for note in found.notes)


def test_deduplicated_rows_count_as_those_that_were_logged_once(store, good, twice):
    spec = a_spec(twice, columns={"requestId": "id"}, deduplicate=True)
    found = judged(store, spec)
    assert found.outcome.decision is GateDecision.PROMOTE
    window = Block(START, START + timedelta(hours=HOURS))
    counts = [
        store.read_cells(Dataset("data", one, ()), Scope(None, "v1", "v2"), [window]).counts
        for one in (spec, a_spec(good))
    ]
    assert np.array_equal(*counts)


@pytest.mark.parametrize(("version", "arm"), [("v2", "candidate"), ("v1", "baseline")])
def test_rows_of_one_arm_that_share_an_id_hold_as_deduplicate_leaves_them_out(store, good, version, arm):
    where = (
        f"g.model_version = '{version}' AND (g.label = g.score) = (g.model_version = 'v1') AND toUInt32(g.id) % 5 > 0"
    )
    query = spoilt(good, "id", "'unknown'", where=where)
    found = judged(store, from_query(query, columns={"requestId": "id"}, deduplicate=True))
    assert (found.outcome.decision, found.outcome.reason) == (GateDecision.HOLD, Reason.DUPLICATE_ROWS)
    assert "deduplicate leaves out" in found.outcome.message
    assert "the request id 'unknown' alone is on" in found.outcome.message
    lost = found.outcome.message.split("leaves out")[1].split(" and ")[0 if arm == "candidate" else 1]
    assert not lost.strip().startswith("0 ")


def test_rows_that_both_arms_repeat_alike_hold_nothing_and_are_noted(store, good):
    query = spoilt(good, "id", "'unknown'", where="intDiv(toUInt32(g.id), 2) % 10 = 0")
    found = judged(store, from_query(query, columns={"requestId": "id"}, deduplicate=True))
    assert found.outcome.decision is GateDecision.PROMOTE
    lost = ROWS // 20 - 1
    assert any(f"leaves out {lost} of the candidate's rows (9.97%) and {lost} of the" in note for note in found.notes)


def test_a_row_logged_again_in_the_next_looks_window_counts_once_however_blocks_are_read(store, good):
    table = f"again_{uuid.uuid4().hex[:8]}"
    store.execute(f"CREATE TABLE {table} ENGINE = MergeTree ORDER BY ts AS SELECT * FROM {good}")
    store.execute(f"INSERT INTO {table} SELECT * REPLACE (ts + toIntervalSecond(119) AS ts) FROM {good}")
    once = a_spec(table, columns={"requestId": "id"}, deduplicate=True)
    blocks = [Block(START + timedelta(minutes=i), START + timedelta(minutes=i + 1)) for i in range(6)]

    def counts(spec: MonitoringDatasetSpec, *runs: list[Block]) -> np.ndarray:
        dataset, scope = Dataset("data", spec, ()), Scope(None, "v1", "v2")
        return np.concatenate([store.read_cells(dataset, scope, run).counts for run in runs])

    expected = counts(a_spec(good), blocks)
    assert np.array_equal(counts(once, *([block] for block in blocks)), expected)
    assert np.array_equal(counts(once, blocks[:2], blocks[2:]), expected)
    assert counts(a_spec(table), blocks).sum() > 1.6 * expected.sum()


@pytest.mark.parametrize(("every", "decision"), [(20, GateDecision.HOLD), (200, GateDecision.PROMOTE)])
def test_labels_of_one_table_that_contradict_each_other_are_told_and_hold_beyond_a_few(store, good, every, decision):
    table = f"labels_{uuid.uuid4().hex[:8]}"
    store.execute(
        f"CREATE TABLE {table} ENGINE = MergeTree ORDER BY id AS SELECT id, arrayJoin("
        f"if(intDiv(toUInt32(id), 2) % {every} = 0, [label, 1 - label], [label])) AS y FROM {good}"
    )
    source = {"name": "research", "kind": "Table", "table": table, "key": "id", "column": "y"}
    found = judged(store, a_spec(good, columns={"requestId": "id"}, labels={"sources": [source]}))
    told = f"{ROWS // every} of {ROWS} labelled rows ({1 / every:.2%}) have labels of one table that contradict"
    assert found.outcome.decision is decision
    assert any(told in note for note in found.notes)
    if decision is GateDecision.HOLD:
        assert found.outcome.reason is Reason.LABEL_CONFLICTS
        assert told in found.outcome.message


def test_rows_without_an_id_are_no_duplicates(store, good):
    query = spoilt(good, "id", "''")
    for deduplicate in (False, True):
        found = judged(store, from_query(query, columns={"requestId": "id"}, deduplicate=deduplicate))
        assert sum(found.tiers[0].judgement.rows) == ROWS
        assert found.outcome.decision is GateDecision.PROMOTE


def test_a_query_that_multiplies_rows_holds_where_it_can_be_seen_and_is_refused_where_not(store, good):
    unfolded = f"SELECT * FROM {good} ARRAY JOIN if(toUInt32(id) % 10 = 0, [1, 2], [1]) AS part"
    with pytest.raises(
        SpecError, match=r"ARRAY JOIN can make several rows of one prediction.*spec\.columns\.requestId"
    ):
        judged(store, from_query(unfolded))
    seen = judged(store, from_query(unfolded, columns={"requestId": "id"}))
    assert (seen.outcome.decision, seen.outcome.reason) == (GateDecision.HOLD, Reason.DUPLICATE_ROWS)
    assert f"{ROWS // 10} of {ROWS + ROWS // 10} rows" in seen.outcome.message
    once = judged(store, from_query(unfolded, columns={"requestId": "id"}, deduplicate=True))
    assert sum(once.tiers[0].judgement.rows) == ROWS
