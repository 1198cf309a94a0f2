"""Whatever is wrong with the rows: no verdict from them is ever a pass, and the message says what to do."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from tierwise.adapters.clickhouse import ClickHouseStore, open_store
from tierwise.adapters.recorded import RecordedStore
from tierwise.api.common import Margin
from tierwise.api.modeldeployment import DatasetAnalysis, MetricSpec
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.names import GateDecision, Reason
from tierwise.monitoring.cells import Block, Dataset, Scope
from tierwise.runtime.analysis import Analysis, AnalysisRequest, TierRequest, analyze
from tierwise.runtime.errors import SpecError

START = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)  # midnight in Berlin; at 01:00 UTC the clocks go back
HOURS = 4
NOW = START + timedelta(days=2)
ROWS = 6000


@pytest.fixture(scope="module")
def store(store_dsn: str) -> Iterator[ClickHouseStore]:
    """One store: what is tried here is the same over HTTP and embedded."""
    store = open_store(store_dsn)
    yield store
    store.close()


@pytest.fixture(scope="module")
def good(store: ClickHouseStore) -> str:
    """Two equal versions, a tenth of the answers wrong in each; request i of version i % 2."""
    name = f"good_{uuid.uuid4().hex[:8]}"
    store.execute(
        f"CREATE TABLE {name} ENGINE = MergeTree ORDER BY ts AS SELECT "
        f"toDateTime64('{START:%Y-%m-%d %H:%M:%S}', 3, 'UTC') + "
        f"toIntervalMillisecond(number * {HOURS * 3600_000 // ROWS}) "
        "AS ts, if(number % 2 = 0, 'v1', 'v2') AS model_version, toString(number) AS id, "
        "toNullable(toUInt8(cityHash64(number, 'label') % 2)) AS label, "
        "toFloat64(if(cityHash64(number, 'wrong') % 10 = 0, 1 - label, label)) AS score "
        f"FROM numbers({ROWS})"
    )
    return name


def a_spec(table: str, **more: Any) -> MonitoringDatasetSpec:
    columns = {"model": "", "tier": "", **more.pop("columns", {})}
    return MonitoringDatasetSpec.model_validate({"table": table, "columns": columns, **more})


def judged(store: ClickHouseStore, spec: MonitoringDatasetSpec, **request: Any) -> Analysis:
    metric = MetricSpec(name="accuracy", margin=Margin(absolute=0.1))
    given: dict[str, Any] = {
        "model": None,
        "baseline": "v1",
        "candidate": "v2",
        "analysis": (DatasetAnalysis(name="data", metrics=[metric]),),
        "datasets": {"data": spec},
        "tiers": (TierRequest(None, 0.05, 4 * 3600.0),),
        "since": None,
        "until": None,
        "block_seconds": 600.0,
        **request,
    }
    return analyze(AnalysisRequest(**given), RecordedStore(store), NOW)


def spoilt(good: str, column: str, expression: str, *, where: str = "true") -> str:
    """A query of the good rows with another column where the condition (over the good rows) holds."""
    value = expression if where == "true" else f"if({where}, {expression}, g.{column})"
    names = ("ts", "model_version", "id", "label", "score")
    columns = ", ".join(f"{value} AS {name}" if name == column else f"g.{name} AS {name}" for name in names)
    return f"SELECT {columns} FROM {good} AS g"


def from_query(query: str, **more: Any) -> MonitoringDatasetSpec:
    columns = {"model": "", "tier": "", **more.pop("columns", {})}
    return MonitoringDatasetSpec.model_validate({"query": query, "columns": columns, **more})


def test_the_good_rows_pass(store, good):
    assert judged(store, a_spec(good)).outcome.decision is GateDecision.PROMOTE


@pytest.mark.parametrize("score", ["nan", "inf", "-inf", "-0.01", "1.01"])
def test_scores_that_are_none_hold_in_both_arms_and_roll_the_candidate_back_in_its_own(store, good, score):
    both = judged(store, from_query(spoilt(good, "score", score)))
    assert (both.outcome.decision, both.outcome.reason) == (GateDecision.HOLD, Reason.DOMAIN_SUSPECT)
    assert both.invalid.score == ROWS
    own = judged(store, from_query(spoilt(good, "score", score, where="g.model_version = 'v2'")))
    assert (own.outcome.decision, own.outcome.reason) == (GateDecision.ROLL_BACK, Reason.OUT_OF_DOMAIN)


def test_scores_that_a_part_of_the_candidates_rows_lacks_are_never_a_pass(store, good):
    own = judged(store, from_query(spoilt(good, "score", "nan", where="g.model_version = 'v2' AND g.label = 1")))
    assert (own.outcome.decision, own.outcome.reason) == (GateDecision.HOLD, Reason.DOMAIN_SUSPECT)
    assert "of the candidate's rows have no valid answer and 0.0% of the baseline's" in own.outcome.message


@pytest.mark.parametrize("weight", ["NULL", "nan", "-1", "0"])
def test_a_candidate_whose_errors_have_no_weight_is_no_pass(store, good, weight):
    ours = "model_version = 'v2' AND score != label"
    query = f"SELECT *, if({ours}, {weight}, 2.5) AS w FROM {good}"
    found = judged(store, from_query(query, columns={"weight": "w"}))
    assert (found.outcome.decision, found.outcome.reason) == (GateDecision.HOLD, Reason.DOMAIN_SUSPECT)
    assert "of the candidate's rows have no weight above 0 and 0.0% of the baseline's" in found.outcome.message


def test_rows_that_lack_a_weight_in_both_arms_alike_are_counted_and_hold_nothing(store, good):
    query = f"SELECT *, if(toUInt32(id) % 100 < 2, NULL, 2.5) AS w FROM {good}"
    found = judged(store, from_query(query, columns={"weight": "w"}))
    assert found.outcome.decision is GateDecision.PROMOTE
    assert found.invalid.value == ROWS // 50


@pytest.mark.parametrize(("version", "reason"), [("v1", Reason.BASELINE_MISSING), ("v2", Reason.CANDIDATE_MISSING)])
def test_a_version_that_stops_half_way_holds(store, good, version, reason):
    still = f"version = '{version}' AND ts > toDateTime64('{START + timedelta(hours=3):%Y-%m-%d %H:%M:%S}', 3, 'UTC')"
    query = f"SELECT * FROM {good} WHERE NOT ({still.replace('version =', 'model_version =', 1)})"
    found = judged(store, from_query(query))
    assert (found.outcome.decision, found.outcome.reason) == (GateDecision.HOLD, reason)
    assert f"{version} has stopped" in found.outcome.message


@pytest.mark.parametrize("label", ["7", "NULL"])
def test_labels_outside_their_domain_are_no_labels(store, good, label):
    found = judged(store, from_query(spoilt(good, "label", label)))
    assert (found.outcome.decision, found.outcome.reason) == (GateDecision.HOLD, Reason.NO_LABELS)
    assert found.invalid.label == (ROWS if label == "7" else 0)


def test_a_score_column_of_the_wrong_type_is_refused_by_name(store, good):
    query = spoilt(good, "score", "toString(g.score)")
    with pytest.raises(
        SpecError, match=r"the score 'score' is Nullable\(String\), not a number; set spec\.columns\.score"
    ):
        judged(store, from_query(query))


def test_rows_of_the_future_are_not_judged_and_counted(store, good):
    with pytest.raises(SpecError, match="there are no rows at all"):
        judged(store, from_query(spoilt(good, "ts", "g.ts + toIntervalDay(9)")))
    some = judged(store, from_query(spoilt(good, "ts", "g.ts + toIntervalDay(9)", where="toUInt32(g.id) % 3 = 0")))
    assert some.invalid.time == ROWS // 3
    assert (some.outcome.decision, some.outcome.reason) == (GateDecision.HOLD, Reason.TIMES_UNUSABLE)
    assert some.tiers[0].outcome.decision is GateDecision.PROMOTE  # but for the rows that no block holds
    assert sum(some.tiers[0].judgement.rows) == ROWS - ROWS // 3


@pytest.mark.parametrize(
    ("version", "without", "reason"),
    [
        ("v2", 45, Reason.TIMES_UNUSABLE),  # 0.75 % of all rows, and 1.5 % of the candidate's
        ("v1", 45, Reason.TIMES_UNUSABLE),
        ("v2", 20, Reason.NON_INFERIOR),
    ],
)
def test_rows_without_a_time_hold_where_one_arm_has_them(store, good, version, without, reason):
    ours = f"g.model_version = '{version}' AND toUInt32(g.id) < {2 * without}"
    found = judged(store, from_query(spoilt(good, "ts", "NULL", where=ours)))
    assert found.outcome.reason == reason
    assert found.invalid.time == without
    if reason is Reason.TIMES_UNUSABLE:
        assert "1.50% of the candidate's" in found.outcome.message or "1.50% of the baseline's" in found.outcome.message


def test_an_empty_window_is_an_error_that_says_where_to_look(store, good):
    with pytest.raises(SpecError, match="check --model, --tier, --since and --until"):
        judged(store, a_spec(good), since=NOW - timedelta(hours=2), until=NOW - timedelta(hours=1))


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


def test_fewer_rows_or_labels_than_expected_hold_with_numbers(store, good):
    found = judged(store, a_spec(good, volume={"per": "1h", "minRows": ROWS}))
    assert (found.outcome.decision, found.outcome.reason) == (GateDecision.HOLD, Reason.TOO_FEW_ROWS)
    assert f"{ROWS // HOURS} predictions in 1h, at least {ROWS} are expected" in found.outcome.message
    enough = {"per": "1h", "minRows": ROWS // HOURS - 10, "minLabels": ROWS // HOURS - 10}
    assert judged(store, a_spec(good, volume=enough)).outcome.decision is GateDecision.PROMOTE
    unlabelled = from_query(spoilt(good, "label", "NULL", where="toUInt32(g.id) % 2000 > 500"), volume=enough)
    assert judged(store, unlabelled).outcome.reason == Reason.TOO_FEW_ROWS


@pytest.mark.parametrize(
    "kind",
    [
        "DateTime('UTC')",
        "DateTime('Europe/Berlin')",
        "DateTime64(6, 'America/New_York')",
        "Nullable(DateTime64(9, 'Europe/Berlin'))",
    ],
)
def test_a_time_of_any_zone_and_precision_is_the_same_time_also_when_clocks_change(store, good, kind):
    table = f"zoned_{uuid.uuid4().hex[:8]}"
    columns = "model_version, id, label, score"
    store.execute(
        f"CREATE TABLE {table} ENGINE = MergeTree ORDER BY tuple() AS "
        f"SELECT CAST(toStartOfSecond(ts) AS {kind}) AS ts, {columns} FROM {good}"
    )
    zoned, utc = a_spec(table), from_query(spoilt(good, "ts", "toDateTime(g.ts)"))
    blocks = [Block(START + timedelta(minutes=30 * i), START + timedelta(minutes=30 * (i + 1))) for i in range(8)]
    counts = [
        store.read_cells(Dataset("data", one, ()), Scope(None, "v1", "v2"), blocks).counts for one in (zoned, utc)
    ]
    assert np.array_equal(*counts)
    assert counts[0].sum(axis=(1, 2, 3, 4)).tolist() == [ROWS // 8] * 8
    assert store.watermark(Dataset("data", zoned, ()), Scope(None, "v1", "v2"), NOW) == store.watermark(
        Dataset("data", utc, ()), Scope(None, "v1", "v2"), NOW
    )


@pytest.mark.parametrize("kind", ["Date", "String", "UInt32"])
def test_a_time_that_is_none_is_refused_with_the_way_out(store, good, kind):
    with pytest.raises(SpecError, match=rf"the time 'ts' is {kind}, not a time; .* convert it in spec\.query"):
        judged(store, from_query(spoilt(good, "ts", f"CAST(toDateTime(g.ts), '{kind}')")))


def test_a_query_may_rename_columns_and_name_parts_of_itself(store, good):
    query = f"WITH rows AS (SELECT ts AS at, model_version AS v, score AS s, label AS y FROM {good}) SELECT * FROM rows"
    columns = {"time": "at", "version": "v", "score": "s", "label": "y"}
    assert judged(store, from_query(query, columns=columns)).tiers[0].judgement.rows == (ROWS // 2, ROWS // 2)


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


def test_a_query_that_joins_another_table_is_refused(store, good):
    with pytest.raises(SpecError, match="it reads 2 tables"):
        judged(store, from_query(f"SELECT a.ts FROM {good} AS a JOIN labels AS b ON a.id = b.id"))


def test_a_million_values_are_capped_with_the_rest_as_other(store, good):
    """By name stay at most maxValues and what was known; memory is bounded by the store's own limit for a query."""
    rows = 1_000_000
    table = f"wide_{uuid.uuid4().hex[:8]}"
    store.execute(
        f"CREATE TABLE {table} ENGINE = MergeTree ORDER BY ts AS SELECT "
        f"toDateTime64('{START:%Y-%m-%d %H:%M:%S}', 3, 'UTC') AS ts, if(number % 2 = 0, 'v1', 'v2') AS model_version, "
        f"toString(number) AS id, 0.9 AS score, toUInt8(1) AS label FROM numbers({rows})"
    )
    dimension = {"name": "id", "expression": "id", "maxValues": 50}
    dataset = Dataset("data", a_spec(table, dimensions=[dimension]), (("id",),))
    cells = store.read_cells(dataset, Scope(None, "v1", "v2"), [Block(START, START + timedelta(minutes=1))])
    assert len(cells.slices) == 1 + 50 + 1
    assert cells.counts[0, cells.slices.index("id=other")].sum() == rows - 50
    assert cells.counts[0, 0].sum() == rows
