"""Workloads whose pods are tied to a place: some of their own pods get the candidate, the others are the control."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.rollout.test_other_kinds import tiers_of
from tests.unit.rollout.world import INCONCLUSIVE, NAME, NON_INFERIOR, REGRESSED, World
from tierwise.rollout.state.actions import ApplyTwin, Deliver, RestoreStrategy
from tierwise.rollout.state.exposure import exposure_fraction, pods_in_place
from tierwise.rollout.state.observation import Running
from tierwise.simulation.cluster.workloads import OPEN, SimulatedWorkload


def tied(kind: str = "StatefulSet", *, strategy: str = OPEN, **fleet: Any) -> World:
    """v1 is stable in workloads of the kind whose pods have volumes of their own."""
    world = World(**fleet)
    for workload in world.fleet.workloads.values():
        workload.kind, workload.identity, workload.update_strategy = kind, "volumeClaimTemplates (data)", strategy
    return world.adopted(**tiers_of(kind))


def start(world: World, **workloads: Any) -> World:
    kind = world.fleet.workloads["bot-3"].kind
    return world.apply("v2", **tiers_of(kind, **workloads))


def judging(world: World) -> World:
    return start(world).run_until(lambda w: bool(w.fleet.rollouts) and w.tier(3).phase == "Judging")


def pods_by_version(world: World, name: str = "bot-3") -> dict[str, int]:
    pods = [pod for pod in world.fleet.ready_pods() if pod.workload == name]
    versions = [pod.environment["MODEL_VERSION"] for pod in pods]
    return {version: versions.count(version) for version in sorted(set(versions))}


def deliveries(world: World) -> list[Deliver]:
    return [action for action in world.fleet.actions if isinstance(action, Deliver)]


def first(world: World) -> SimulatedWorkload:
    return world.fleet.workloads["bot-3"]


@pytest.mark.parametrize(
    ("replicas", "exposure", "pods"),
    [(0, "20%", 0), (1, "20%", 0), (2, "20%", 1), (4, "20%", 1), (10, "20%", 2), (10, "90%", 9), (2, "90%", 1)],
)
def test_the_exposure_is_a_share_of_the_workloads_own_pods_and_one_stays(replicas: int, exposure: str, pods: int):
    assert pods_in_place(replicas, exposure_fraction(exposure)) == pods


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_a_good_version_gets_some_pods_then_all_and_the_next_tier_begins(kind: str):
    world = tied(kind)
    world.judge.answer = INCONCLUSIVE
    judging(world).run(60)
    assert pods_by_version(world) == {"v1": 3, "v2": 1}
    assert not any(isinstance(action, ApplyTwin) for action in world.fleet.actions)
    assert world.tier(3).pods_changes[-1].model_dump(exclude={"at", "until"}) == {"candidate": 1, "baseline": 3}
    world.judge.answer = NON_INFERIOR
    world.run_until(lambda w: w.status.stable.name == "v2")
    assert world.versions == ("v2", "v2", "v2")
    assert [action.pods for action in deliveries(world)] == [1, None, 2, None, 2, None]  # of 4, 8 and 12 pods
    assert {workload.update_strategy for workload in world.fleet.workloads.values()} == {OPEN}


def test_a_verdict_of_pods_of_other_places_says_so():
    world = tied()
    world.judge.answer = INCONCLUSIVE
    judging(world).run(60)
    assert {verdict.control for verdict in world.tier(3).worst} == {"by-place"}
    assert world.tier(3).gate.message.endswith("control: by place")
    world.judge.answer = REGRESSED
    world.run_until(lambda w: w.rollout.result == "RolledBack")
    assert {verdict.control for verdict in world.tier(3).culprits} == {"by-place"}
    assert "control: by place" in world.status.rejected[0].reason


@pytest.mark.parametrize("kind", ["StatefulSet", "DaemonSet"])
def test_a_regression_brings_the_old_version_back_to_the_touched_pods(kind: str):
    world = tied(kind)
    world.judge.answer = INCONCLUSIVE
    judging(world).run(30)
    world.judge.answer = REGRESSED
    world.run_until(lambda w: w.rollout.result == "RolledBack")
    assert world.version_of("bot-3") == "v1"
    assert pods_by_version(world) == {"v1": 4}
    assert first(world).update_strategy == OPEN
    assert [action.version.name for action in deliveries(world)] == ["v2", "v1"]


def test_an_update_strategy_of_ones_own_comes_back_after_delivery_and_after_rollback():
    for answer, end in ((NON_INFERIOR, "Completed"), (REGRESSED, "RolledBack")):
        world = tied(strategy='{"type": "OnDelete"}')
        world.judge.answer = answer
        start(world).run_until(lambda w, end=end: bool(w.fleet.rollouts) and w.rollout.result == end)
        assert {workload.update_strategy for workload in world.fleet.workloads.values()} == {'{"type": "OnDelete"}'}
        assert any(isinstance(action, RestoreStrategy) for action in world.fleet.actions)


def test_a_first_write_by_others_is_undone_and_the_second_stalls():
    world = tied()
    world.judge.answer = INCONCLUSIVE
    judging(world).run(30)
    workload = first(world)
    hotfix = Running("hotfix", dict(workload.running.environment))
    workload.set_part(hotfix, 1, world.clock.now(), "argocd")
    world.run(30)
    assert (world.version_of("bot-3"), workload.running.image) == ("v2", "ghcr.io/acme/bot-score:1")
    assert world.tier(3).workloads[0].foreign_writes == 1
    workload.set_part(hotfix, 1, world.clock.now(), "argocd")
    world.run(30)
    assert world.health == ("Stalled", "FieldConflict")
    assert "argocd overwrote v2" in world.condition("Stalled").message


def test_an_update_strategy_that_others_open_is_a_foreign_write_too():
    world = tied()
    world.judge.answer = INCONCLUSIVE
    judging(world).run(30)
    for writes in (1, 2):
        first(world).set_running(first(world).running, world.clock.now(), "argocd")
        world.run(30)
        assert world.tier(3).workloads[0].foreign_writes == writes
        if writes == 1:
            assert first(world).updating == 1  # held back again
    assert world.health == ("Stalled", "FieldConflict")
    assert "its updateStrategy was changed" in world.condition("Stalled").message


def test_an_edit_reaches_new_pods_only_so_nothing_is_judged_until_it_is_taken_back():
    world = tied()
    world.judge.answer = INCONCLUSIVE
    judging(world).run(30)
    first(world).template = {"sidecar": "2"}
    world.run(30)
    assert world.health == ("Stalled", "MixedBaseline")
    assert "was edited while some of its own pods have v2" in world.condition("Stalled").message
    assert world.tier(3).pods_changes[-1].candidate == 0  # such times are not judged
    first(world).template = {}
    world.judge.answer = NON_INFERIOR
    world.run_until(lambda w: w.status.stable.name == "v2")


def test_a_workload_of_one_pod_leaves_nothing_to_compare_with():
    world = tied()
    first(world).replicas = 1
    start(world).run(60)
    assert world.tier(3).gate.reason == "ProbeUnavailable"
    assert "scale the workload to 2 pods or more" in world.tier(3).gate.message
    assert deliveries(world) == []
    first(world).replicas = 4
    world.run_until(lambda w: w.status.stable.name == "v2")


def test_a_candidate_that_crashes_in_place_is_rolled_back():
    world = tied()
    first(world).ready_seconds = 3
    world.fleet.broken.add("v2")
    start(world).run_until(lambda w: bool(w.fleet.rollouts) and w.rollout.result == "RolledBack")
    assert world.rollout.reason == "CandidateUnready"
    assert pods_by_version(world) == {"v1": 4}


def test_pods_follow_when_the_workload_is_scaled():
    world = tied()
    world.judge.answer = INCONCLUSIVE
    judging(world).run(20)
    first(world).replicas = 10
    world.run(30)
    assert pods_by_version(world) == {"v1": 8, "v2": 2}


def test_beside_is_possible_where_it_is_asked_for():
    world = tied()
    start(world, candidatePods="Beside").run_until(lambda w: bool(w.twins))
    assert world.twins == {"bot-3-candidate"}
    assert deliveries(world) == []


def test_in_place_is_possible_where_it_is_asked_for():
    world = tied()
    for workload in world.fleet.workloads.values():
        workload.identity = None
    world.judge.answer = INCONCLUSIVE
    start(world, candidatePods="InPlace").run_until(lambda w: bool(w.fleet.rollouts) and w.tier(3).phase == "Judging")
    assert pods_by_version(world) == {"v1": 3, "v2": 1}


def test_another_version_meanwhile_first_brings_the_old_one_back():
    world = tied()
    world.judge.answer = INCONCLUSIVE
    judging(world).run(20)
    world.apply("v3", **tiers_of("StatefulSet"))
    world.run_until(lambda w: len(w.fleet.rollouts) == 2 and w.tier(3).phase == "Judging")
    assert [action.version.name for action in deliveries(world)] == ["v2", "v1", "v3"]
    assert pods_by_version(world) == {"v1": 3, "v3": 1}


def test_a_deleted_model_deployment_takes_the_candidate_out_of_the_workload_again():
    world = tied(strategy='{"type": "OnDelete"}')
    world.judge.answer = INCONCLUSIVE
    judging(world).run(20)
    world.fleet.delete_deployment(NAME)
    world.run(10)
    assert world.fleet.deployments == {}
    assert world.version_of("bot-3") == "v1"
    assert first(world).update_strategy == '{"type": "OnDelete"}'
