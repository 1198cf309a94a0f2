"""Recovery after a rollback on a real log: which rows count, and until when it is complete."""

from __future__ import annotations

import numpy as np

from tests.unit.rollout.world import T0
from tests.unit.runtime.prediction_log import PredictionLog
from tests.unit.runtime.test_judging import JudgedWorld
from tierwise.api.reasons import Reason
from tierwise.errors import StoreError

ROLLBACK = {"rollback": {"verifyRecovery": "2m"}}


def rolled_back(log: PredictionLog) -> JudgedWorld:
    world = JudgedWorld(log)
    world.adopted(**ROLLBACK)
    world.apply("v2", **ROLLBACK)
    world.run_until(lambda w: bool(w.fleet.rollouts) and w.rollout.result == "RolledBack", 600)
    return world


def without_candidate_after(log: PredictionLog, seconds: float) -> None:
    log.arm = np.where(log.time > seconds, 0, log.arm)


def test_recovery_is_verified_on_rows_of_the_baseline_alone():
    world = rolled_back(PredictionLog(error_rates=(0.1, 0.3)))
    since = (world.rollout.recovery.since - T0).total_seconds()
    without_candidate_after(world.log, since + 10)  # rows on their way are no new predictions
    world.run(180)
    assert world.rollout.recovery.verified_at is not None
    expected = int(((world.log.time >= since + 30) & (world.log.time < since + 120)).sum())
    assert f"{expected} predictions of v1, none of v2" in world.rollout.recovery.message


def test_rows_of_the_rejected_version_fail_it():
    world = rolled_back(PredictionLog(error_rates=(0.1, 0.3)))
    world.run(60)
    assert world.rollout.recovery.failed_at is not None
    assert "predictions of v2 since the rollback" in world.rollout.recovery.message


def test_a_store_that_fails_is_no_verification():
    world = rolled_back(PredictionLog(error_rates=(0.1, 0.3)))
    without_candidate_after(world.log, -3600)
    world.log.error = StoreError("no answer", reason=Reason.STORE_UNREACHABLE)
    world.run(600)
    assert (world.rollout.recovery.verified_at, world.rollout.recovery.failed_at) == (None, None)
    assert "StoreUnreachable" in world.rollout.recovery.message
    world.log.error = None
    world.run(30)
    assert world.rollout.recovery.verified_at is not None


def test_a_log_that_stops_meanwhile_is_no_verification():
    world = rolled_back(PredictionLog(error_rates=(0.1, 0.3)))
    since = (world.rollout.recovery.since - T0).total_seconds()
    without_candidate_after(world.log, since)
    kept = world.log.time < since + 60
    world.log.time, world.log.arm = world.log.time[kept], world.log.arm[kept]
    world.run(600)
    assert world.rollout.recovery.verified_at is None
    assert "the log must be complete until" in world.rollout.recovery.message
