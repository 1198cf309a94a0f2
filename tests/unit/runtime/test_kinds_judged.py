"""Other kinds of workload under the real judge: with a control beside the candidate, and with one by place."""

from __future__ import annotations

import pytest

from tests.unit.rollout.test_other_kinds import tiers_of
from tests.unit.runtime.prediction_log import PredictionLog
from tests.unit.runtime.test_judging import JudgedWorld
from tierwise.simulation.cluster.workloads import OPEN

KINDS = ("StatefulSet", "DaemonSet")


def judged(kind: str, identity: str | None, error_rates: tuple[float, float]) -> JudgedWorld:
    """A fifth of the log's rows are the candidate's: so are the pods beside, and a quarter of those in place."""
    world = JudgedWorld(PredictionLog(per_second=60, error_rates=error_rates))
    for workload in world.fleet.workloads.values():
        workload.kind, workload.identity, workload.update_strategy = kind, identity, OPEN
    world.adopted(**tiers_of(kind)).apply("v2", **tiers_of(kind))
    return world


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("identity", "control"), [(None, "concurrent"), ("hostPath", "by-place")])
def test_a_version_that_is_not_worse_is_promoted_and_the_verdict_names_its_control(
    kind: str, identity: str | None, control: str
):
    world = judged(kind, identity, (0.1, 0.1))
    world.run_until(lambda w: bool(w.fleet.rollouts) and w.tier(3).phase == "Delivered", 3000)
    record = world.tier(3)
    assert record.gate.reason == "NonInferior"
    assert {verdict.control for verdict in record.worst} == {control}
    assert record.gate.message.endswith("; control: by place") == (control == "by-place")
    assert world.version_of("bot-3") == "v2"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("identity", [None, "hostPath"])
def test_a_worse_version_is_rolled_back(kind: str, identity: str | None):
    world = judged(kind, identity, (0.1, 0.3))
    world.run_until(lambda w: bool(w.fleet.rollouts) and w.rollout.result == "RolledBack", 600)
    assert world.rollout.reason == "Regressed"
    assert world.versions == ("v1", "v1", "v1")
    assert world.twins == set()


def test_what_share_of_the_requests_goes_to_a_place_is_its_own_affair():
    """Of pods beside, a share of the requests other than that of the pods holds; of places it is no sign of a fault."""
    world = judged("DaemonSet", "hostPath", (0.1, 0.1))
    world.fleet.workloads["bot-3"].replicas = 2  # half of the pods, a fifth of the requests
    world.run_until(lambda w: bool(w.fleet.rollouts) and w.tier(3).phase == "Delivered", 3000)
    beside = judged("DaemonSet", None, (0.1, 0.1))
    beside.fleet.workloads["bot-3"].replicas = 1
    beside.run_until(
        lambda w: (
            bool(w.fleet.rollouts) and w.tier(3).gate is not None and w.tier(3).gate.reason == "SampleRatioMismatch"
        ),
        3000,
    )
