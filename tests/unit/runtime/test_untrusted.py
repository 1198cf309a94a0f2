"""Evidence that cannot be trusted reaches the gate from the counts of the log, holds, and stalls in the end."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from tests.unit.rollout.world import NAME
from tests.unit.runtime.prediction_log import PredictionLog
from tests.unit.runtime.test_judging import JudgedWorld
from tierwise.api.reasons import Reason
from tierwise.errors import StoreError

UNKNOWN = 2  # of a label; of an answer: the score is outside the dataset's domain
Spoil = Callable[[PredictionLog], None]


def traffic_split_off(log: PredictionLog) -> None:
    rng = np.random.default_rng(1)
    log.arm = ((log.time >= 0) & (rng.random(len(log.time)) < 0.5)).astype(int)


def labels_for_the_baseline_only(log: PredictionLog) -> None:
    rng = np.random.default_rng(1)
    log.label = np.where((log.arm == 1) & (rng.random(len(log.time)) < 0.5), UNKNOWN, log.label)


def scores_of_both_out_of_the_domain(log: PredictionLog) -> None:
    log.answer = np.where(log.time >= 0, UNKNOWN, log.answer)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (traffic_split_off, Reason.SAMPLE_RATIO_MISMATCH),
        (labels_for_the_baseline_only, Reason.LABELING_DIFFERS),
        (scores_of_both_out_of_the_domain, Reason.DOMAIN_SUSPECT),
    ],
)
def test_what_cannot_be_trusted_holds_and_stalls_after_max_duration(spoil: Spoil, reason: Reason):
    log = PredictionLog(per_second=60)
    spoil(log)
    world = JudgedWorld(log).judged()
    world.run(120)
    assert world.health == ("Reconciling", reason)
    assert world.condition("AnalysisHealthy").status == "False"
    world.run(600)
    assert world.health == ("Stalled", reason)
    assert world.versions == ("v1", "v1", "v1")
    world.fleet.annotate(NAME, promote=f"{NAME}-1/tier-3")  # a person may know better
    world.run_until(lambda w: w.tier(3).phase == "Delivered", 60)


def test_scores_out_of_the_domain_are_told_with_its_bounds():
    log = PredictionLog(per_second=60)
    scores_of_both_out_of_the_domain(log)
    world = JudgedWorld(log).judged()
    world.run(120)
    assert "dataset 'humans': spec.domain, 0 … 1); correct it, or the score column" in world.condition("Ready").message


def test_scores_of_the_candidate_alone_out_of_the_domain_roll_back():
    log = PredictionLog(per_second=60)
    log.answer = np.where(log.arm == 1, UNKNOWN, log.answer)
    world = JudgedWorld(log).judged()
    world.run_until(lambda w: w.rollout.result == "RolledBack", 120)
    assert world.rollout.reason == "OutOfDomain"
    assert world.versions == ("v1", "v1", "v1")


def test_a_deployment_is_deleted_while_the_store_is_away():
    world = JudgedWorld(PredictionLog()).judged()
    assert world.twins
    world.log.error = StoreError("no answer", reason=Reason.STORE_UNREACHABLE)
    world.fleet.delete_deployment(NAME)
    world.run(30)
    assert world.fleet.deployments == {}
    assert world.twins == set()
    assert set(world.versions) == {"v1"}
