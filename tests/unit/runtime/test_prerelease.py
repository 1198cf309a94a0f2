"""The pre-release gate on a table with rows: judged by the evidence that judges tiers, asked only when it changed."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.unit.runtime.prediction_log import PredictionLog
from tests.unit.runtime.test_judging import DATASET, JudgedWorld
from tierwise.api.monitoringdataset import Store
from tierwise.api.reasons import Reason
from tierwise.errors import StoreError

METRICS = [{"name": "accuracy", "margin": {"absolute": 0.05}}]


def validated(error_rates: tuple[float, float], **gate: Any) -> JudgedWorld:
    """A world given a v2, whose validation table has 40,000 rows, half of each version, since long ago."""
    log = PredictionLog(per_second=20, seconds=0, error_rates=error_rates)
    rng = np.random.default_rng(3)
    log.time = log.time[:40_000] - 10.0
    log.arm = np.arange(len(log.time)) % 2
    wrong = rng.random(len(log.time)) < np.array(error_rates)[log.arm]
    log.label, log.carrier = (values[: len(log.time)] for values in (log.label, log.carrier))
    log.answer = np.where(wrong, 1 - log.label, log.label)
    world = JudgedWorld(log)
    world.fleet.datasets["validation"] = DATASET
    world.adopted()
    analysis = {
        "interval": "10s",
        "verification": "0s",
        "datasets": [{"name": "humans", "metrics": METRICS}],
        "preRelease": {"dataset": "validation", "metrics": METRICS, **gate},
    }
    world.apply("v2", analysis=analysis)
    return world


def test_a_version_that_is_worse_on_the_validation_set_is_not_tried():
    world = validated((0.1, 0.3)).run(60)
    assert world.health == ("Stalled", "PreReleaseFailed")
    assert "accuracy" in world.condition("Stalled").message
    assert world.fleet.rollouts == {}


def test_a_version_that_is_not_worse_there_is_rolled_out():
    world = validated((0.1, 0.1))
    world.run_until(lambda w: bool(w.fleet.rollouts), 60)


def test_without_rows_of_the_candidate_the_gate_waits_and_names_it():
    world = validated((0.1, 0.1))
    world.log.arm[:] = 0
    world.run(60)
    assert world.health == ("Reconciling", "PreRelease")
    message = world.condition("Reconciling").message
    assert message.startswith("validation set 'validation': no predictions of v2 beside 40000 of v1")


def test_without_labels_the_gate_waits_even_where_inconclusive_promotes():
    world = validated((0.1, 0.1), onInconclusive="Promote")
    world.log.label[:] = 2
    world.run(60)
    assert world.health == ("Reconciling", "NoLabels")


def test_a_dataset_that_is_missing_or_a_store_that_is_away_keeps_it_closed():
    world = validated((0.1, 0.1), dataset="nothing").run(60)
    assert world.health == ("Stalled", "DatasetMissing")
    world = validated((0.1, 0.1))
    world.log.error = StoreError("the store does not respond", "check it", reason=Reason.STORE_UNREACHABLE)
    world.run(60)
    assert world.health == ("Reconciling", "StoreUnreachable")
    world.log.error = None
    world.run_until(lambda w: bool(w.fleet.rollouts), 60)


def test_an_unchanged_table_is_read_once_in_five_minutes():
    world = validated((0.1, 0.3)).run(200)
    assert len(world.log.reads) == 1
    world.run(200)
    assert len(world.log.reads) == 2


def test_a_table_in_another_store_is_read_at_once():
    world = validated((0.1, 0.3)).run(60)
    assert len(world.log.reads) == 1
    store = Store.model_validate({"dsnSecret": {"name": "logs", "key": "dsn"}})
    world.fleet.datasets["validation"] = DATASET.model_copy(update={"store": store})
    world.fleet.secrets["logs", "dsn"] = "clickhouse://ch:9000/logs"
    log, world.log = world.log, lambda _: log  # of every DSN
    world.run(60)
    assert len(log.reads) == 2
