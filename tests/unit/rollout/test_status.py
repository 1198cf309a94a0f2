"""Conditions, summary, Events and the size of statuses."""

import numpy as np
import pytest

from tests.unit.rollout.world import INCONCLUSIVE, NAME, REGRESSED, World, a_judgement, a_result
from tierwise.api.frozen import Frozen, FrozenDataset
from tierwise.runtime.judging.look import Look


def judging(answer=INCONCLUSIVE) -> World:
    world = World().adopted()
    world.judge.answer = answer
    return world.apply("v2").run_until(lambda w: bool(w.fleet.rollouts) and w.tier(3).look > 0)


def rollout_health(world: World) -> str:
    true = [
        c.type for c in world.rollout.conditions if c.type in ("Ready", "Reconciling", "Stalled") and c.status == "True"
    ]
    assert len(true) == 1
    return true[0]


def test_every_condition_has_the_generation_a_reason_and_its_own_time_of_transition():
    world = judging()
    conditions = world.status.conditions
    assert {c.type for c in conditions} == {
        "Ready", "Reconciling", "Stalled", "Available", "InSync",
        "Progressing", "AnalysisHealthy", "RolledBack", "Paused",
    }  # fmt: skip
    assert {c.observed_generation for c in conditions} == {2}
    assert all(c.reason for c in conditions)
    reconciling = world.condition("Reconciling").last_transition_time
    world.run(60)
    assert world.condition("Reconciling").last_transition_time == reconciling


def test_conditions_through_a_rollout_that_goes_back():
    world = judging()
    assert world.health[0] == rollout_health(world) == "Reconciling"
    assert world.condition("Progressing").status == "True"
    assert world.condition("AnalysisHealthy").status == "True"
    world.judge.answer = REGRESSED
    world.run_until(lambda w: w.rollout.result == "RolledBack")
    world.settle()
    assert world.health == ("Stalled", "VersionRejected")
    assert rollout_health(world) == "Stalled"
    assert world.condition("RolledBack").status == "True"
    assert world.condition("Available").status == "True"
    assert world.status.summary.status == "RolledBack"


def test_a_completed_rollout_is_ready():
    world = judging()
    world.fleet.annotate(NAME, promote="all")
    world.run_until(lambda w: w.status.stable.name == "v2")
    assert rollout_health(world) == "Ready"
    assert world.status.summary.status == "Ready"
    assert world.status.summary.message == "v2 is stable in 3 workloads of 3 tiers"


def test_available_is_about_pods():
    world = World().adopted()
    world.fleet.broken.add("v1")
    world.run(1)
    assert world.condition("Available").status == "False"
    assert "bot-3" in world.condition("Available").message


def test_events_come_on_transitions_only():
    world = judging().run(60)  # the soak is over
    count = len(world.fleet.events)
    world.run(300)
    assert len(world.fleet.events) == count
    world.judge.answer = REGRESSED
    world.run_until(lambda w: w.rollout.result == "RolledBack")
    world.run(300)
    reasons = world.event_reasons()
    assert reasons.count("VersionRejected") == 1
    assert reasons.count("Regressed") >= 1
    assert any(e.type == "Warning" and "3800/4000 → 939/1000" in e.message for e in world.fleet.events)


def test_the_phases_of_a_tier_are_told():
    world = judging()
    world.fleet.annotate(NAME, promote="all")
    world.run_until(lambda w: w.status.stable.name == "v2")
    messages = [event.message for event in world.fleet.events]
    for line in ("tier-3: Pending → Probing", "tier-3: Judging → Delivering", "tier-3: Delivering → Delivered"):
        assert line in messages
    assert "v2 is the stable version" in messages


def test_statuses_stay_small_with_a_thousand_slices_and_long_names():
    results = tuple(a_result(slice={"asn": f"{index:05d}" + "x" * 500}) for index in range(2000))
    world = World().adopted()
    world.judge.answer = a_judgement(results=results, culprits=results, non_inferior=True)
    slices = [f"asn={index:05d}" for index in range(1200)]

    def look(request):
        if request.tier.frozen is not None:
            return Look(world.judge.answer)
        rates = {"humans/accuracy": [round(float(x), 4) for x in np.linspace(0, 1, len(slices))]}
        dataset = FrozenDataset(name="humans", config_hash="0" * 16, slices=slices)
        return Look(frozen=Frozen(at=request.now, alpha=0.015, hypotheses=2400, datasets=[dataset], prior_rates=rates))

    world.judge.look = look
    sizes = []

    def is_done(w: World) -> bool:
        stored = (*w.fleet.rollouts.values(), *w.fleet.deployments.values())
        sizes.extend(len(s.status.model_dump_json(by_alias=True, exclude_none=True).encode()) for s in stored)
        return w.status.stable.name == "v2"

    world.apply("v2").run_until(is_done)
    assert max(sizes) < 64 * 1024
    assert world.tier(3).frozen.datasets[0].slices == []
    assert world.tier(3).frozen.hypotheses == 2400


@pytest.mark.parametrize(("slice_", "text"), [({}, "accuracy overall"), ({"carrier": "HA"}, "accuracy carrier=HA")])
def test_the_worst_slice_is_text_for_people(slice_, text):
    world = judging(a_judgement(results=(a_result(slice=slice_),)))
    assert world.status.summary.worst_slice == text
