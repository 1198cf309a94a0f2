"""Looks hold when the log is too old, has too few rows or labels, or repeats requests; a proven regression stands."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.rollout.world import T0
from tests.unit.runtime.prediction_log import PredictionLog
from tests.unit.runtime.test_judging import DATASET, JudgedWorld
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.reasons import Reason
from tierwise.monitoring.checks.arrivals import detect_arrivals, received_window, stale
from tierwise.monitoring.counts.model import Block, Dataset
from tierwise.monitoring.planning import snapshot
from tierwise.monitoring.query.log import config
from tierwise.monitoring.query.quality.arrivals import Received
from tierwise.monitoring.query.quality.label_conflicts import LabelConflicts
from tierwise.monitoring.query.quality.repeated_requests import Dropped

SAME = (0.1, 0.1)


def dataset(**spec: Any) -> MonitoringDatasetSpec:
    return MonitoringDatasetSpec.model_validate(DATASET.to_wire() | spec)


def world_of(spec: MonitoringDatasetSpec, error_rates: tuple[float, float] = SAME) -> JudgedWorld:
    world = JudgedWorld(PredictionLog(per_second=60, error_rates=error_rates))
    world.fleet.datasets["humans"] = spec
    return world.judged()


@pytest.mark.parametrize(
    ("spec", "received", "reason", "words"),
    [
        (
            {"volume": {"per": "5m", "minRows": 100_000}},
            Received(18_000, 18_000),
            Reason.TOO_FEW_ROWS,
            "18000 predictions in 5m, at least 100000 are expected",
        ),
        (
            {"volume": {"per": "5m", "minLabels": 100}},
            Received(18_000, 40),
            Reason.TOO_FEW_ROWS,
            "40 labels in 5m, at least 100 are expected",
        ),
        (
            {"columns": {"requestId": "id"}},
            Received(18_000, 18_000, 900),
            Reason.DUPLICATE_ROWS,
            "900 of 18000 rows (5.00%) repeat a request that is in the log already; set spec.deduplicate",
        ),
        (
            {"columns": {"requestId": "id"}},
            Received(18_000, 9_000, 0, LabelConflicts((9_000, 9_000), (50, 50))),
            Reason.LABEL_CONFLICTS,
            "100 of 9000 labelled rows (1.11%) have labels of one table that contradict each other",
        ),
        (
            {"columns": {"requestId": "id"}},
            Received(50_000, 50_000, 0, LabelConflicts((25_000, 25_000), (0, 400))),
            Reason.LABELING_DIFFERS,
            "(1.60% of the candidate's rows, 0.00% of the baseline's)",
        ),
        (
            {"columns": {"requestId": "id"}, "deduplicate": True},
            Received(18_000, 18_000, dropped=Dropped((9_000, 9_000), (0, 400), 401, "ab", "unknown")),
            Reason.DUPLICATE_ROWS,
            "and 0 of the baseline's (0.00%), which repeat a request; the request id 'unknown' alone is on 401 rows",
        ),
    ],
)
def test_a_tier_is_not_promoted_on_rows_that_are_too_few_or_repeated(spec, received, reason, words):
    world = world_of(dataset(**spec))
    world.log.received = received
    world.run(300)
    assert world.condition("Reconciling").reason == reason
    assert words in world.condition("Reconciling").message
    assert world.condition("AnalysisHealthy").status == "False"
    assert world.tier(3).phase == "Judging"
    world.log.received = Received(10**6, 10**6, 0)
    world.run_until(lambda w: w.tier(3).phase == "Delivered", 3000)


def test_a_regression_stands_with_however_few_rows_and_not_with_repeated_ones():
    few = world_of(dataset(volume={"per": "5m", "minRows": 10**9}), (0.1, 0.3))
    few.run_until(lambda w: w.rollout.result == "RolledBack", 600)
    contradicted = world_of(dataset(columns={"requestId": "id"}), (0.1, 0.3))
    contradicted.log.received = Received(18_000, 9_000, 0, LabelConflicts((9_000, 9_000), (50, 50)))
    contradicted.run_until(lambda w: w.rollout.result == "RolledBack", 600)
    dropped = world_of(dataset(columns={"requestId": "id"}, deduplicate=True), (0.1, 0.3))
    dropped.log.received = Received(18_000, 18_000, dropped=Dropped((9_000, 9_000), (0, 400)))
    dropped.run_until(lambda w: w.rollout.result == "RolledBack", 600)
    repeated = world_of(dataset(columns={"requestId": "id"}), (0.1, 0.3))
    repeated.log.received = Received(18_000, 18_000, 900)
    repeated.run(300)
    assert repeated.condition("Reconciling").reason == Reason.DUPLICATE_ROWS


def test_the_oldest_allowed_is_the_datasets_own_or_five_intervals():
    def age(seconds: int, **spec: Any) -> bool:
        found = stale(Dataset("d", dataset(**spec)), T0, T0 + timedelta(seconds=seconds), interval=60)
        assert found is None or f"{seconds} s old" in found.message
        return found is not None

    assert (age(300), age(301)) == (False, True)
    strict, patient = {"freshness": {"maxAge": "30s"}}, {"freshness": {"maxAge": "1h"}}
    assert (age(30, **strict), age(31, **strict), age(3600, **patient)) == (False, True, False)


def test_rows_are_counted_only_for_those_who_ask():
    def window(**spec: Any) -> Block | None:
        return received_window(Dataset("d", dataset(**spec)), T0)

    assert window() is None
    assert window(columns={"requestId": "id"}, deduplicate=True) == Block(T0 - timedelta(minutes=10), T0)
    assert window(columns={"requestId": "id"}) == Block(T0 - timedelta(minutes=10), T0)
    table = {"name": "research", "kind": "Table", "table": "labels", "key": "id", "column": "y"}
    labels = {"columns": {"requestId": "id"}, "deduplicate": True, "labels": {"sources": [table]}}
    assert window(**labels) == Block(T0 - timedelta(minutes=10), T0)
    hourly = received_window(Dataset("d", dataset(columns={"requestId": "id"})), T0, interval=3600)
    assert hourly == Block(T0 - timedelta(hours=2), T0)
    assert window(volume={"per": "5m", "minRows": 1}) == Block(T0 - timedelta(minutes=5), T0)


def test_a_few_repeated_rows_in_many_change_nothing():
    spec = Dataset("d", dataset(columns={"requestId": "id"}))
    assert not detect_arrivals(spec, Received(10_000, 10_000, 10))
    assert detect_arrivals(spec, Received(10_000, 10_000, 11))


@pytest.mark.parametrize(
    ("dropped", "holds"), [((2_000, 2_000), False), ((400, 420), False), ((0, 300), True), ((300, 0), True)]
)
def test_left_out_rows_hold_only_where_one_arm_loses_clearly_more(dropped, holds):
    spec = Dataset("d", dataset(columns={"requestId": "id"}, deduplicate=True))
    found = detect_arrivals(spec, Received(16_000, 16_000, dropped=Dropped((10_000, 10_000), dropped)))
    assert bool(found) == holds


def test_what_is_expected_of_arrival_may_be_edited_while_a_tier_is_judged():
    strict = dataset(freshness={"maxAge": "30s"}, volume={"minRows": 9})
    plain, changed = Dataset("d", DATASET), Dataset("d", strict)
    assert config.config_hash(plain) == config.config_hash(changed)
    assert snapshot.pinned_hash(plain) == snapshot.pinned_hash(changed)
    other = Dataset("d", dataset(columns={"requestId": "id"}, deduplicate=True))
    assert config.config_hash(plain) != config.config_hash(other)
    assert snapshot.pinned_hash(plain) != snapshot.pinned_hash(other)
