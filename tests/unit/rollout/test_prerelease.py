"""The pre-release gate: before any pod is touched, and never open for what is missing."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.rollout.world import INCONCLUSIVE, NON_INFERIOR, REGRESSED, Answer, World, a_judgement
from tierwise.api.reasons import Reason
from tierwise.monitoring.checks.concern import Concern

DATASETS = [{"name": "humans", "metrics": [{"name": "accuracy", "margin": {"absolute": 0.02}}]}]


def gated(answer: Answer, **gate: Any) -> World:
    """A world at rest, given a v2 with a gate."""
    world = World(ready_seconds=0)
    world.adopted()
    world.judge.validated = answer
    analysis = {
        "interval": "10s",
        "verification": "0s",
        "datasets": DATASETS,
        "preRelease": {"dataset": "validation", "metrics": DATASETS[0]["metrics"], **gate},
    }
    return world.apply("v2", analysis=analysis)


def told(world: World) -> tuple[str, str]:
    health, reason = world.health
    return health, str(reason)


@pytest.mark.parametrize(
    ("answer", "gate", "expected"),
    [
        (REGRESSED, {}, ("Stalled", "PreReleaseFailed")),
        (REGRESSED, {"onInconclusive": "Promote"}, ("Stalled", "PreReleaseFailed")),
        (a_judgement(out_of_domain=(0.0, 0.9)), {}, ("Stalled", "PreReleaseFailed")),
        (INCONCLUSIVE, {}, ("Reconciling", "PreRelease")),
        (INCONCLUSIVE, {"onInconclusive": "Reject"}, ("Stalled", "PreReleaseFailed")),
        (
            a_judgement(concerns=(Concern(Reason.LABELING_DIFFERS, "labels differ"),)),
            {"onInconclusive": "Promote"},
            ("Reconciling", "LabelingDiffers"),
        ),
        (a_judgement(out_of_domain=(0.9, 0.9)), {"onInconclusive": "Promote"}, ("Reconciling", "DomainSuspect")),
        (
            Concern(Reason.NO_LABELS, "no labels"),
            {"onInconclusive": "Promote"},
            ("Reconciling", "NoLabels"),
        ),
        (Concern(Reason.DATASET_MISSING, "none", stalled=True), {}, ("Stalled", "DatasetMissing")),
        (None, {"onInconclusive": "Promote"}, ("Reconciling", "PreRelease")),
    ],
)
def test_a_closed_gate_starts_no_rollout_and_touches_no_pod(answer, gate, expected):
    world = gated(answer, **gate)
    world.run(120)
    assert told(world) == expected
    assert world.fleet.rollouts == {}


@pytest.mark.parametrize(
    ("answer", "gate"),
    [(NON_INFERIOR, {}), (NON_INFERIOR, {"onInconclusive": "Reject"}), (INCONCLUSIVE, {"onInconclusive": "Promote"})],
)
def test_an_open_gate_starts_the_rollout(answer, gate):
    world = gated(answer, **gate)
    world.run_until(lambda w: bool(w.fleet.rollouts), 60)


def test_a_gate_opens_by_itself_when_its_rows_are_there():
    world = gated(Concern(Reason.PRE_RELEASE, "no predictions of v2"))
    world.run(60)
    assert world.fleet.rollouts == {}
    world.judge.validated = NON_INFERIOR
    world.run_until(lambda w: bool(w.fleet.rollouts), 60)


def test_the_message_has_numbers_and_says_that_nothing_was_touched():
    world = gated(REGRESSED)
    world.run(30)
    message = world.condition("Stalled").message
    assert message.startswith("v2 on the validation set 'validation': ")
    assert message.endswith("no pod was touched: set another version, or change spec.analysis.preRelease")
