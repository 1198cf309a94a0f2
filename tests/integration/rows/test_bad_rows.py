"""Whatever is wrong with the rows: no verdict from them is ever a pass, and the message says what to do."""

from __future__ import annotations

import uuid
from datetime import timedelta

import numpy as np
import pytest

from tests.support.judged_rows import HOURS, NOW, ROWS, START, a_spec, from_query, judged, spoilt
from tierwise.api.names import GateDecision
from tierwise.api.reasons import Reason
from tierwise.errors import SpecError
from tierwise.monitoring.counts.model import Block, Dataset, Scope


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
    told = "of the candidate's rows have no valid answer (spec.domain, 0 … 1) and 0.0% of the baseline's"
    assert told in own.outcome.message


def test_nor_are_those_that_the_baselines_good_rows_lack(store, good):
    ours = "model_version = 'v1' AND score = label AND toUInt32(id) % 4 > 0"
    weighted = f"SELECT *, if({ours}, NULL, 2.5) AS w FROM {good}"
    scored = f"SELECT * REPLACE (if({ours}, nan, score) AS score) FROM {good}"
    for query, columns, lack in (
        (weighted, {"weight": "w"}, "have no weight above 0"),
        (scored, {}, "have no valid answer (spec.domain, 0 … 1)"),
    ):
        found = judged(store, from_query(query, columns=columns))
        assert (found.outcome.decision, found.outcome.reason) == (GateDecision.HOLD, Reason.DOMAIN_SUSPECT)
        assert f"of the baseline's rows {lack} and 0.0% of the candidate's" in found.outcome.message


@pytest.mark.parametrize(("version", "arm", "is_good"), [("v2", "candidate", 0), ("v1", "baseline", 1)])
def test_rows_stamped_a_day_early_whose_labels_are_then_too_late_are_no_pass(store, good, version, arm, is_good):
    early = f"model_version = '{version}' AND (score = label) = {is_good} AND toUInt32(id) % 5 > 0"
    query = f"SELECT *, if({early}, ts - toIntervalDay(1), ts) AS stamped FROM {good}"
    found = judged(store, from_query(query, columns={"time": "stamped", "labelledAt": "ts"}, maturity="5m"))
    assert (found.outcome.decision, found.outcome.reason) == (GateDecision.HOLD, Reason.LABELING_DIFFERS)
    assert f"rows of the {arm} in blocks without the other version have no label (100.0%" in found.outcome.message


@pytest.mark.parametrize(("every", "noted"), [(20, True), (500, False)])
def test_rows_of_neither_version_are_noted_from_one_percent_on(store, good, every, noted):
    query = spoilt(good, "model_version", "''", where=f"toUInt32(g.id) % {every} = 0")
    found = judged(store, from_query(query))
    told = f"rows ({1 / every:.1%}) are of neither version, or have none, and count in no arm"
    assert any(told in note for note in found.notes) == noted


@pytest.mark.parametrize("weight", ["NULL", "nan", "-1", "0"])
def test_a_candidate_whose_errors_have_no_weight_is_no_pass(store, good, weight):
    ours = "model_version = 'v2' AND score != label"
    query = f"SELECT *, if({ours}, {weight}, 2.5) AS w FROM {good}"
    found = judged(store, from_query(query, columns={"weight": "w"}))
    assert (found.outcome.decision, found.outcome.reason) == (GateDecision.HOLD, Reason.DOMAIN_SUSPECT)
    assert "of the candidate's rows have no weight above 0 and 0.0% of the baseline's" in found.outcome.message


@pytest.mark.parametrize(
    ("ours", "others", "decision", "noted"),
    [
        ("if(score = label, 9, 1)", "if(score = label, 1.1, 1)", GateDecision.HOLD, True),
        ("if(score = label, 1.3, 1)", "if(score = label, 1.1, 1)", GateDecision.PROMOTE, True),
        ("if(toUInt32(id) % 3 = 0, 9, 1)", "if(toUInt32(id) % 3 = 0, 9, 1)", GateDecision.PROMOTE, False),
        ("1", "10", GateDecision.PROMOTE, False),  # two rates of sampling
    ],
)
def test_weights_that_one_arm_writes_differently_are_noted_and_hold_where_gross(
    store, good, ours, others, decision, noted
):
    query = f"SELECT *, if(model_version = 'v2', {ours}, {others}) AS w FROM {good}"
    found = judged(store, from_query(query, columns={"weight": "w"}))
    assert found.outcome.decision is decision
    notes = found.tiers[0].judgement.notes
    assert any("the candidate's rows weigh" in note for note in notes) == noted
    if decision is GateDecision.HOLD:
        assert found.outcome.reason is Reason.DOMAIN_SUSPECT


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
