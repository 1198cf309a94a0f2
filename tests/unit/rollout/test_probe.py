"""Twins, pods and the times that are judged."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.unit.rollout.world import INCONCLUSIVE, NAME, World
from tierwise.rollout.state.actions import ApplyTwin, Deliver, ScaleTwin
from tierwise.rollout.state.exposure import exposure_fraction, twin_replicas
from tierwise.rollout.state.observation import Running


def probing(**changes) -> World:
    world = World().adopted(**changes)
    world.judge.answer = None
    return world.apply("v2", **changes).run_until(lambda w: bool(w.twins))


def judging() -> World:
    world = probing()
    return world.run_until(lambda w: w.tier(3).phase == "Judging")


@pytest.mark.parametrize(
    ("replicas", "exposure", "twins"),
    [
        (4, "20%", 1),
        (8, "20%", 2),
        (12, "20%", 3),
        (1, "5%", 1),
        (100, "5%", 5),
        (0, "20%", 0),
        (4, "50%", 4),
        (1, "90%", 9),
        (10, 20, 3),
    ],
)
def test_twin_replicas_give_the_twin_its_share_of_all_pods(replicas, exposure, twins):
    assert twin_replicas(replicas, exposure_fraction(exposure)) == twins


@pytest.mark.parametrize("exposure", ["0%", "91%", "120%", "half", -5, ""])
def test_an_exposure_outside_one_to_ninety_percent_is_refused(exposure):
    with pytest.raises(ValueError, match="1-90 %"):
        exposure_fraction(exposure)


def test_the_workload_is_not_touched_while_its_twin_is_judged():
    world = judging()
    world.run(200)
    assert not any(isinstance(action, Deliver) for action in world.fleet.actions)
    assert world.fleet.workloads["bot-3"].running.environment["MODEL_VERSION"] == "v1"
    twin = world.fleet.workloads["bot-3-candidate"]
    assert twin.running.environment == {"MODEL_VERSION": "v2", "LOG_LEVEL": "info"}


def test_no_twin_is_made_before_the_plan_of_the_tier_is_recorded():
    world = World().adopted()
    planned_at = []

    def answer(request):
        planned_at.append(bool(world.twins))

    world.judge.answer = answer
    world.apply("v2").run_until(lambda w: bool(w.twins))
    assert planned_at[0] is False
    assert world.tier(3).frozen is not None


def test_judging_begins_when_both_arms_are_ready_and_warm():
    world = World().adopted()
    world.judge.answer = None
    spec = world.fleet.deployments[NAME].spec
    world.apply("v2", analysis={**spec.analysis.to_wire(), "warmUp": "20s"})
    world.run_until(lambda w: w.tier(3).phase == "Judging" if w.fleet.rollouts else False)
    ready_at = world.clock.now()
    assert (world.tier(3).judging_since - ready_at).total_seconds() == 20
    assert world.tier(3).pods_changes[0].model_dump(exclude={"at", "until"}) == {"candidate": 1, "baseline": 4}


def test_the_twin_follows_when_the_workload_is_scaled_and_replicas_are_never_written():
    world = judging()
    world.fleet.workloads["bot-3"].replicas = 12
    world.run(15)
    assert world.fleet.workloads["bot-3-candidate"].replicas == 3
    assert world.fleet.workloads["bot-3"].replicas == 12
    assert any(isinstance(action, ScaleTwin) for action in world.fleet.actions)
    last = world.tier(3).pods_changes[-1]
    assert (last.candidate, last.baseline) == (3, 12)


def test_a_workload_scaled_to_nothing_has_a_twin_of_nothing():
    world = judging()
    world.fleet.workloads["bot-3"].replicas = 0
    world.run(15)
    assert world.fleet.workloads["bot-3-candidate"].replicas == 0
    world.fleet.workloads["bot-3"].replicas = 4
    world.run(15)
    assert world.fleet.workloads["bot-3-candidate"].replicas == 1


def test_a_persons_edit_of_the_workload_goes_to_the_twin_and_cuts_the_block():
    world = judging()
    world.run(30)
    before = len(world.tier(3).pods_changes)
    world.fleet.workloads["bot-3"].template = {"sidecar": "2"}
    world.run(20)

    assert world.fleet.workloads["bot-3-candidate"].template == {"sidecar": "2"}
    cut = world.tier(3).pods_changes[before:]
    assert cut[0].candidate == 0
    assert (cut[-1].candidate, cut[-1].baseline) == (1, 4)


def test_a_persons_edit_of_the_environment_goes_to_the_twin_too():
    world = judging()
    workload = world.fleet.workloads["bot-3"]
    environment = {**workload.running.environment, "LOG_LEVEL": "debug"}
    workload.set_running(Running(workload.running.image, environment), world.clock.now(), "kubectl-edit")
    world.run(20)
    assert world.fleet.workloads["bot-3-candidate"].running.environment["LOG_LEVEL"] == "debug"
    assert world.tier(3).phase == "Judging"


def test_a_foreign_object_with_the_twins_name_stalls_and_is_left_alone():
    world = World().adopted()
    foreign = world.fleet.add_workload("bot-3-candidate", labels={"app": "other"}, image="other")
    world.apply("v2").run(20)
    assert world.health == ("Stalled", "TwinConflict")
    assert not any(isinstance(action, ApplyTwin) for action in world.fleet.actions)
    assert world.fleet.workloads["bot-3-candidate"] is foreign

    del world.fleet.workloads["bot-3-candidate"]
    world.run_until(lambda w: w.twins == {"bot-3-candidate"})


def test_a_parameter_that_only_the_workload_has_stalls_before_any_write():
    world = World()
    for workload in world.fleet.workloads.values():
        workload.running = Running(workload.running.image, {**workload.running.environment, "MODEL_URI": "s3://x"})
    world.adopted()
    parameters = {"MODEL_VERSION": "v2", "MODEL_URI": "s3://v2"}
    world.apply({"name": "v2", "image": "ghcr.io/acme/bot-score:1", "parameters": parameters}).run(30)
    assert world.health == ("Stalled", "ParameterConflict")
    assert "MODEL_URI" in world.condition("Stalled").message
    assert "s3://x" not in world.condition("Stalled").message
    assert world.twins == set()


def test_a_control_that_no_longer_runs_the_baseline_is_not_judged_against():
    world = judging()
    workload = world.fleet.workloads["bot-3"]
    environment = {**workload.running.environment, "MODEL_VERSION": "v0"}
    workload.set_running(Running(workload.running.image, environment), world.clock.now(), "argocd")
    world.run(20)
    assert world.health == ("Stalled", "MixedBaseline")
    assert "argocd" in world.condition("Stalled").message
    assert world.tier(3).pods_changes[-1].baseline == 0

    workload.set_running(
        Running(workload.running.image, {**environment, "MODEL_VERSION": "v1"}), world.clock.now(), "argocd"
    )
    world.run(20)
    assert world.health == ("Reconciling", "WarmingUp")


def test_the_workloads_of_a_tier_are_fixed_when_it_starts():
    world = judging()
    world.add_workload("bot-3-late", 3)
    world.run(30)
    assert world.twins == {"bot-3-candidate"}
    assert [record.name for record in world.tier(3).workloads] == ["bot-3"]


def test_quota_holds_and_the_deadline_does_not_run_meanwhile():
    world = probing()
    world.fleet.workloads["bot-3-candidate"].blocked = "exceeded quota: pods=10"
    world.run(300)
    assert world.health == ("Reconciling", "ProbeUnavailable")
    assert "exceeded quota" in world.condition("Reconciling").message

    world.fleet.workloads["bot-3-candidate"].blocked = None
    world.run(30)
    assert world.tier(3).phase == "Judging"


def test_an_unready_control_holds_and_never_rolls_back():
    world = judging()
    world.fleet.broken.add("v1")
    world.run(300)
    assert world.health == ("Reconciling", "BaselineUnready")
    assert world.rollout.result == "Progressing"
    world.fleet.broken.clear()
    world.run(20)
    assert world.condition("Reconciling").reason == "WarmingUp"


def test_a_good_version_can_still_be_promoted_past_a_broken_baseline_by_annotation():
    world = judging()
    world.fleet.broken.add("v1")
    world.run(30)
    world.fleet.annotate(NAME, promote=f"{NAME}-1/all")
    world.run_until(lambda w: w.status.stable.name == "v2")


def test_candidate_pods_that_crash_loop_roll_back_at_once_and_those_not_ready_at_the_deadline():
    crashing = World().adopted()
    crashing.fleet.broken.add("v2")
    crashing.apply("v2").run(30)
    assert (crashing.rollout.result, crashing.rollout.reason) == ("RolledBack", "CandidateUnready")

    slow = World().adopted()
    slow.fleet.unready.add("v2")
    slow.apply("v2").run(100)
    assert slow.rollout.result == "Progressing"
    slow.run(60)
    assert (slow.rollout.result, slow.rollout.reason) == ("RolledBack", "CandidateUnready")
    assert "0 of 1 candidate pod ready after progressDeadline 2m" in slow.rollout.message


def test_candidate_pods_that_stop_being_ready_while_judged_roll_back_at_the_deadline():
    world = judging()
    world.run(60)
    world.fleet.unready.add("v2")
    world.run(90)
    assert world.rollout.result == "Progressing"
    world.run(60)
    assert world.rollout.reason == "CandidateUnready"


def flapping(world: World, times: int) -> World:
    """Judged for a day at most, while the workload has 4 and 44 pods by turns, every 6 seconds."""
    world.judge.answer = INCONCLUSIVE
    tiers = [{**tier.to_wire(), "maxDuration": "20h"} for tier in world.fleet.deployments[NAME].spec.tiers]
    world.apply("v2", tiers=tiers).run_until(lambda w: bool(w.fleet.rollouts) and w.tier(3).phase == "Judging")
    for index in range(times):
        world.fleet.workloads["bot-3"].replicas = 4 + index % 2 * 40
        world.run(6)
    return world


def test_pods_that_come_and_go_for_hours_leave_the_status_small_and_are_judged_ever_more_rarely():
    world = flapping(World().adopted(), 600)
    changes = world.tier(3).pods_changes
    pauses = [change.until - change.at for change in changes if change.until is not None]
    assert [pause.total_seconds() for pause in pauses[:4]] == [60, 120, 240, 480]
    assert len(changes) < 220
    assert all(a.at <= b.at for a, b in pairwise(changes))
    assert changes[-1].until > world.clock.now()
    assert "times: nothing is judged before 2026-03-01" in world.condition("Reconciling").message
    assert len(world.rollout.model_dump_json(by_alias=True)) < 64 * 1024


def test_pods_that_calmed_down_are_judged_again_as_they_are():
    world = flapping(World().adopted(), 210)
    ends = world.tier(3).pods_changes[-1].until
    world.fleet.workloads["bot-3"].replicas = 8
    world.run_until(lambda w: w.clock.now() > ends + timedelta(seconds=30))
    last = world.tier(3).pods_changes[-1]
    assert (last.candidate, last.baseline, last.until) == (2, 8, None)
    assert "nothing is judged before" not in world.condition("Reconciling").message


def test_a_candidate_that_was_not_followed_is_not_said_to_be_unready_all_that_time():
    world = flapping(World().adopted(), 212)
    for _ in range(200):
        last = world.tier(3).pods_changes[-1]
        if last.until is not None and last.candidate == 0:
            break
        world.fleet.unready ^= {"v2"}
        world.run(6)
    world.fleet.unready.clear()
    world.run(130)  # longer than progressDeadline
    assert world.tier(3).pods_changes[-1] == last
    assert world.clock.now() < last.until
    world.fleet.unready.add("v2")
    world.run(10)
    assert world.rollout.result == "Progressing"


def test_pods_of_the_workload_changed_between_ticks_do_not_change_the_twins_version():
    world = judging()
    twin = world.fleet.workloads["bot-3-candidate"]
    world.fleet.workloads["bot-3-candidate"] = replace(
        twin, running=Running(twin.running.image, {**twin.running.environment, "MODEL_VERSION": "v9"})
    )
    world.run(10)
    assert world.version_of("bot-3-candidate") == "v2"
