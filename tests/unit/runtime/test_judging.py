"""Looks: planning, folding, what cannot be judged, and the same bits after a restart."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from tests.unit.rollout.world import NAME, T0, World, a_spec
from tests.unit.runtime.prediction_log import PredictionLog
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.reasons import Reason
from tierwise.errors import SpecError, StoreError
from tierwise.monitoring.checks.concern import Concern
from tierwise.monitoring.counts.model import Block, Cells
from tierwise.runtime.control_loop.reconcile import reconcile
from tierwise.runtime.judging.look import Judging
from tierwise.runtime.reading.history import bounded
from tierwise.simulation.cluster.fleet import NAMESPACE

DATASET = MonitoringDatasetSpec.model_validate(
    {"table": "flights", "dimensions": [{"name": "carrier", "expression": "carrier"}]}
)


class JudgedWorld(World):
    """The real judge on a log in memory; the log's arms follow T0, not the pods."""

    def __init__(self, log: PredictionLog, **judging: Any) -> None:
        super().__init__(ready_seconds=0)
        self.log = log
        self.settings = judging
        self.judge = Judging(**judging)
        self.fleet.datasets["humans"] = DATASET

    def tick(self) -> float | None:
        return reconcile(NAMESPACE, NAME, self.fleet, self.log, self.clock, self.judge)

    def restart(self) -> None:
        self.judge = Judging(**self.settings)

    def judged(self, **spec: Any) -> JudgedWorld:
        self.adopted()
        self.apply("v2", **spec).run_until(lambda w: bool(w.fleet.rollouts) and w.tier(3).phase == "Judging", 60)
        return self


def test_a_candidate_that_is_not_worse_is_promoted_on_real_evidence():
    world = JudgedWorld(PredictionLog(per_second=60, error_rates=(0.1, 0.1))).judged()
    world.run_until(lambda w: w.tier(3).phase == "Delivered", 3000)
    assert world.tier(3).gate.reason == "NonInferior"
    assert world.tier(3).look > 0


def test_a_worse_candidate_is_rolled_back_on_real_evidence_with_numbers():
    world = JudgedWorld(PredictionLog(error_rates=(0.1, 0.3))).judged()
    world.run_until(lambda w: w.rollout.result == "RolledBack", 600)
    assert world.rollout.reason == "Regressed"
    assert "accuracy" in world.rollout.message
    assert world.tier(3).culprits


def test_after_a_restart_the_same_blocks_give_the_same_bits():
    steady, restarted = (JudgedWorld(PredictionLog(error_rates=(0.1, 0.12))).judged() for _ in range(2))
    for _ in range(8):
        steady.run(37)
        restarted.restart()
        restarted.run(37)
        restarted.restart()
        restarted.settle()
        assert restarted.rollout == steady.rollout


def test_after_a_missed_hour_the_same_blocks_give_the_same_bits():
    """Three looks at most in common, then nobody looked for an hour: all its blocks are folded one by one."""
    tiers = [tier | {"maxDuration": "4h"} for tier in a_spec().model_dump(by_alias=True, exclude_none=True)["tiers"]]
    log = {"per_second": 2, "seconds": 7200, "error_rates": (0.1, 0.11)}
    steady, away = (JudgedWorld(PredictionLog(**log)).judged(tiers=tiers) for _ in range(2))
    steady.run(30 + 3600)
    away.run(30)
    away.clock.advance(3600)
    away.restart()
    away.settle()
    assert away.tier(3).look == steady.tier(3).look
    assert steady.tier(3).look > 350
    assert away.tier(3).worst == steady.tier(3).worst
    assert away.tier(3).evidence_until == steady.tier(3).evidence_until


def test_a_look_reads_only_the_blocks_that_are_new():
    world = JudgedWorld(PredictionLog()).judged()
    world.run(200)
    world.log.reads.clear()
    world.run(100)
    assert sum(world.log.reads) == 10


def test_every_block_is_kept_once_also_over_restarts():
    world = JudgedWorld(PredictionLog()).judged()
    for _ in range(5):
        world.run(60)
        world.restart()
    world.settle()
    assert world.log.performance == [(f"{NAME}-1", "tier-3", index) for index in range(world.tier(3).look)]


def test_only_blocks_older_than_the_labels_delay_and_the_safety_margin_count():
    world = JudgedWorld(PredictionLog(), safety_seconds=5)
    world.fleet.datasets["humans"] = DATASET.model_copy(update={"maturity": "30s"})
    world.judged()
    since = world.tier(3).judging_since
    world.run(44)
    assert world.tier(3).look == 0
    world.run(5)
    assert world.tier(3).evidence_until == since + timedelta(seconds=10)


def test_a_plan_is_frozen_before_the_first_block_and_stays():
    world = JudgedWorld(PredictionLog()).judged()
    frozen = world.tier(3).frozen
    assert frozen.datasets[0].slices == ["", "carrier=AA", "carrier=HA"]
    assert frozen.alpha == pytest.approx(0.9 * 0.05 / 3)
    assert frozen.prior_rates["humans/accuracy"][0] == pytest.approx(0.1, abs=0.02)
    world.run(200)
    assert world.tier(3).frozen == frozen


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda log: setattr(log, "arm", np.zeros_like(log.arm)), Reason.CANDIDATE_MISSING),
        (lambda log: setattr(log, "arm", np.ones_like(log.arm)), Reason.BASELINE_MISSING),
        (lambda log: setattr(log, "label", np.full_like(log.label, 2)), Reason.NO_LABELS),
        (lambda log: setattr(log, "time", np.zeros(0)), Reason.NO_ROWS),
    ],
)
def test_missing_rows_arms_and_labels_hold_with_their_reason(spoil, reason):
    log = PredictionLog()
    spoil(log)
    world = JudgedWorld(log).judged()
    world.run(120)
    assert world.condition("Reconciling").reason == reason
    assert world.tier(3).phase == "Judging"
    world.run(700)
    assert world.health == ("Stalled", reason)


def test_a_log_that_stops_is_stale():
    world = JudgedWorld(PredictionLog(seconds=60), stale_seconds=30).judged()
    world.run(30)
    assert world.condition("Reconciling").reason != "StaleLog"
    world.run(120)
    assert world.condition("Reconciling").reason == "StaleLog"
    assert world.condition("AnalysisHealthy").status == "False"


@pytest.mark.parametrize(
    "reason", [Reason.STORE_UNREACHABLE, Reason.STORE_ACCESS_DENIED, Reason.UNKNOWN_TABLE, Reason.QUERY_OVER_LIMITS]
)
def test_a_store_that_fails_holds_and_goes_on_by_itself(reason: Reason):
    world = JudgedWorld(PredictionLog(per_second=60)).judged()
    world.log.error = StoreError("the store does not respond", "check it", reason=reason)
    world.run(120)
    assert world.health == ("Reconciling", reason)
    world.log.error = None
    world.run_until(lambda w: w.tier(3).phase == "Delivered", 3000)


def test_a_dataset_edited_under_a_tier_stalls_until_it_is_restored_or_retried():
    world = JudgedWorld(PredictionLog()).judged()
    world.run(60)
    world.fleet.datasets["humans"] = DATASET.model_copy(update={"threshold": 0.7})
    world.run(20)
    assert world.health == ("Stalled", "DatasetInvalid")
    world.fleet.datasets["humans"] = DATASET
    world.run(20)
    assert world.health[0] == "Reconciling"

    world.fleet.datasets["humans"] = DATASET.model_copy(update={"threshold": 0.7})
    world.run(20)
    before = world.tier(3).frozen
    world.fleet.annotate(NAME, retry="anew")
    world.run(20)
    assert world.health[0] == "Reconciling"
    assert world.tier(3).frozen.at > before.at


def test_a_dataset_removed_under_a_tier_stalls():
    world = JudgedWorld(PredictionLog()).judged()
    del world.fleet.datasets["humans"]
    world.run(20)
    assert world.health == ("Stalled", "DatasetMissing")


def preflight(**changes: Any) -> Concern | None:
    world = JudgedWorld(PredictionLog())
    dataset = changes.pop("dataset", DATASET)
    world.log.error = changes.pop("error", None)
    if dataset is None:
        world.fleet.datasets.clear()
    else:
        world.fleet.datasets["humans"] = dataset
    spec = a_spec().analysis.to_wire()
    spec["datasets"][0].update(changes)
    world.fleet.apply_deployment(NAME, a_spec(analysis=spec))
    view = world.fleet.get_deployment(NAMESPACE, NAME)
    return world.judge.preflight(view, world.fleet, lambda _: world.log, T0)


def test_before_a_rollout_all_that_a_person_has_to_change_is_told_naming_what_there_is():
    assert preflight() is None
    missing = preflight(dataset=None)
    assert (missing.reason, missing.stalled) == (Reason.DATASET_MISSING, True)
    assert "'humans' does not exist in namespace 'default'" in missing.message
    metric = preflight(metrics=[{"name": "acuracy", "margin": {"absolute": 0.01}}])
    assert metric.reason == Reason.UNKNOWN_METRIC
    assert "did you mean accuracy" in metric.message
    dimension = preflight(slices=["browser"])
    assert dimension.reason == Reason.UNKNOWN_DIMENSION
    assert "carrier" in dimension.message
    column = preflight(error=SpecError("column 'is_bot' is not in flights", "set it", reason=Reason.UNKNOWN_COLUMN))
    assert column.reason == Reason.UNKNOWN_COLUMN
    scale = preflight(
        dataset=DATASET.model_copy(update={"scale": DATASET.scale.model_copy(update={"kind": "Classes"})})
    )
    assert scale.reason == Reason.NOT_SUPPORTED


def test_an_unreachable_store_is_no_reason_not_to_start():
    assert preflight(error=StoreError("no answer", reason=Reason.STORE_UNREACHABLE)) is None


def test_a_secret_that_is_missing_is_named_and_its_content_never_is():
    store = {"store": {"dsnSecret": {"name": "clickhouse", "key": "dsn"}}}
    dataset = MonitoringDatasetSpec.model_validate({**DATASET.to_wire(), **store})
    world = JudgedWorld(PredictionLog())
    world.fleet.datasets["humans"] = dataset
    world.adopted().apply("v2").run(60)
    assert world.condition("Reconciling").reason == "StoreAccessDenied"
    assert "Secret 'clickhouse'" in world.condition("Reconciling").message


def test_what_was_counted_is_kept_in_the_operators_own_store():
    """The user of a dataset's own store may do no more than read."""
    own, read = PredictionLog(), PredictionLog()
    world = JudgedWorld(read)
    world.fleet.datasets["humans"] = MonitoringDatasetSpec.model_validate(
        {**DATASET.to_wire(), "store": {"dsnSecret": {"name": "clickhouse", "key": "dsn"}}}
    )
    world.fleet.secrets["clickhouse", "dsn"] = "clickhouse://reader@ch"
    world.log = lambda dsn: own if dsn is None else read
    world.judged().run_until(lambda w: w.tier(3).look > 0)
    assert len(own.performance) == world.tier(3).look
    assert read.performance == []
    assert own.reads == []


def test_slices_that_do_not_fit_into_the_status_leave_by_traffic_and_the_whole_stays():
    slices = ("", *(f"asn={index:05d}" for index in range(5000)))
    counts = np.zeros((1, len(slices), 2, 3, 3), dtype=np.int64)
    counts[0, :, 0, 0, 0] = [10**6, *range(5000)]
    kept = bounded(Cells((Block(T0, T0 + timedelta(seconds=1)),), slices, counts), 2, 24_000)
    assert kept.slices[0] == ""
    assert kept.slices[-1] == "asn=04999"
    assert 500 < len(kept.slices) < 1500
    assert kept.counts[0, -1].sum() == 4999
