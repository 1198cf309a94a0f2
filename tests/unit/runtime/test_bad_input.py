"""What the log or a dataset may do wrong: each holds with its own reason, and none ever passes."""

import numpy as np
import pytest

from tests.unit.rollout.world import a_spec
from tests.unit.runtime.prediction_log import PredictionLog
from tests.unit.runtime.test_judging import DATASET, JudgedWorld
from tierwise.api.reasons import Reason
from tierwise.errors import StoreError


def judging(metric):
    """Changes to a spec: one metric, looks every 10 seconds."""
    metrics = [{"name": metric, "margin": {"absolute": 0.02}}]
    return {
        "analysis": {
            "interval": "10s",
            "warmUp": "0s",
            "verification": "0s",
            "datasets": [{"name": "humans", "metrics": metrics}],
        }
    }


def told(world):
    return world.condition(world.health[0]).message


def test_a_metric_that_the_dataset_cannot_support_is_told_before_any_pod_is_made():
    world = JudgedWorld(PredictionLog())
    world.adopted(**judging("latency-over@200"))
    world.apply("v2", **judging("latency-over@200")).run(60)
    assert world.health == ("Stalled", Reason.NOT_SUPPORTED)
    assert "needs columns.latency" in told(world)
    assert not world.fleet.rollouts


@pytest.mark.parametrize(("arm", "reason"), [(1, Reason.CANDIDATE_MISSING), (0, Reason.BASELINE_MISSING)])
def test_a_version_that_disappears_holds_although_it_was_shown_to_be_equal(arm, reason):
    log = PredictionLog(per_second=60)
    stays = (log.arm != arm) | (log.time < 100)
    log.time, log.arm, log.label, log.answer, log.carrier = (
        values[stays] for values in (log.time, log.arm, log.label, log.answer, log.carrier)
    )
    slow = {"tiers": [tier.to_wire() | {"minDuration": "5m"} for tier in a_spec().tiers]}
    world = JudgedWorld(log)
    world.adopted(**slow)
    world.apply("v2", **slow).run(400)
    assert world.health[1] in (reason, Reason.SAMPLE_RATIO_MISMATCH)
    assert world.tier(3).phase == "Judging"
    assert world.versions == ("v1", "v1", "v1")


class TightLog(PredictionLog):
    """Refuses to count more than so many blocks at once."""

    most = 3
    refused = 0

    def read_cells(self, dataset, scope, blocks):
        if dataset.groupings and len(blocks) > self.most:
            self.refused += 1
            raise StoreError("too much memory", "shorten the window", reason=Reason.QUERY_OVER_LIMITS)
        return super().read_cells(dataset, scope, blocks)


def test_a_query_over_its_limits_is_asked_again_for_fewer_blocks_to_the_same_bits():
    tight, usual = (JudgedWorld(log).judged() for log in (TightLog(), PredictionLog()))
    for world in (tight, usual):
        world.run(200)
        world.restart()  # all blocks are read again
        world.run(30)
    assert len(tight.log.reads) > len(usual.log.reads)
    assert tight.tier(3).worst == usual.tier(3).worst


def test_what_a_limit_left_of_a_look_is_kept_for_the_looks_after_it():
    world = JudgedWorld(TightLog()).judged()
    refused = []
    for _ in range(2):
        world.log.error = StoreError("away", reason=Reason.STORE_UNREACHABLE)
        world.run(120)
        world.log.error = None
        world.run(30)  # many blocks at once
        refused.append(world.log.refused)
    assert refused[0] == refused[1] > 0


def test_a_single_block_over_the_limits_holds_with_that_reason():
    log = TightLog()
    log.most = 0
    world = JudgedWorld(log)
    world.adopted()
    world.apply("v2").run(60)
    assert world.health[1] == Reason.QUERY_OVER_LIMITS


def test_a_log_without_rows_in_the_blocks_never_passes():
    log = PredictionLog(per_second=60)
    log.label = np.where(log.time >= 0, 2, log.label)
    world = JudgedWorld(log).judged()
    world.run(200)
    assert world.health[1] == Reason.NO_LABELS
    assert world.versions == ("v1", "v1", "v1")
    assert DATASET.columns.label == "label"
