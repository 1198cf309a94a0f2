"""In place the candidate gets a pod only from a workload that can spare one; what others lack is not its fault."""

from __future__ import annotations

import json

import pytest

from tests.unit.rollout.test_in_place import deliveries, first, judging, pods_by_version, start, tied
from tests.unit.rollout.test_other_kinds import tiers_of
from tests.unit.rollout.world import INCONCLUSIVE, NON_INFERIOR, World
from tierwise.rollout.state.observation import Running

KINDS = ("StatefulSet", "DaemonSet")
LONGER_THAN_PROGRESS_DEADLINE = 200.0


def is_v2_stable(world: World) -> bool:
    return world.status.stable is not None and world.status.stable.name == "v2"


@pytest.mark.parametrize("kind", KINDS)
def test_no_pod_is_taken_while_another_one_is_away_and_the_version_is_not_blamed(kind: str):
    world = tied(kind)
    first(world).lose(1, world.clock.now())
    start(world).run(LONGER_THAN_PROGRESS_DEADLINE)
    assert deliveries(world) == []
    assert world.health == ("Reconciling", "BaselineUnready")
    assert "bot-3: 3 of 4 pods ready before the candidate got any" in world.tier(3).gate.message
    first(world).lose(0, world.clock.now())
    world.run_until(is_v2_stable)


@pytest.mark.parametrize("kind", KINDS)
def test_an_untouched_pod_that_goes_before_the_candidates_is_there_holds_the_tier(kind: str):
    world = tied(kind, ready_seconds=7)
    start(world).run_until(lambda w: bool(deliveries(w)))
    first(world).lose(1, world.clock.now())
    world.run(LONGER_THAN_PROGRESS_DEADLINE)
    assert world.tier(3).gate.reason == "BaselineUnready"
    assert "untouched pods (the control) ready" in world.tier(3).gate.message
    first(world).lose(0, world.clock.now())
    world.run_until(is_v2_stable)


def test_a_candidate_pod_that_waits_for_an_untouched_one_is_not_blamed_while_it_is_judged():
    world = tied()
    world.judge.answer = INCONCLUSIVE
    judging(world).run(20)
    first(world).lose(1, world.clock.now())
    world.run(LONGER_THAN_PROGRESS_DEADLINE)
    change = world.tier(3).pods_changes[-1]
    assert (change.candidate, change.baseline) == (0, 2)
    first(world).lose(0, world.clock.now())
    world.run(30)
    assert world.rollout.result == "Progressing"
    assert pods_by_version(world) == {"v1": 3, "v2": 1}


@pytest.mark.parametrize("kind", KINDS)
def test_a_candidate_that_never_becomes_ready_is_still_rolled_back(kind: str):
    world = tied(kind)
    world.fleet.unready.add("v2")
    start(world).run_until(lambda w: bool(w.fleet.rollouts) and w.rollout.result == "RolledBack")
    assert world.rollout.reason == "CandidateUnready"


def test_no_pod_is_taken_where_none_may_go_before_another_comes():
    surge = json.dumps({"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}, "type": "RollingUpdate"}, sort_keys=True)
    world = tied("DaemonSet", strategy=surge)
    start(world).run(LONGER_THAN_PROGRESS_DEADLINE)
    assert deliveries(world) == []
    assert world.tier(3).gate.reason == "ProbeUnavailable"
    assert "maxUnavailable: 0" in world.tier(3).gate.message
    allowed = surge.replace('"maxSurge": 1, "maxUnavailable": 0', '"maxUnavailable": 1')
    for workload in world.fleet.workloads.values():
        workload.update_strategy = allowed
    world.run_until(is_v2_stable)
    assert {workload.update_strategy for workload in world.fleet.workloads.values()} == {allowed}  # not the former one


def test_an_edit_before_the_candidate_has_a_pod_changes_nothing():
    world = tied()
    first(world).lose(1, world.clock.now())
    start(world).run(20)
    first(world).template = {"memory": "2Gi"}
    first(world).lose(0, world.clock.now())
    world.run_until(is_v2_stable)


def test_another_version_that_others_write_before_the_candidate_has_a_pod_is_not_overwritten():
    world = tied()
    first(world).lose(1, world.clock.now())
    start(world).run(20)
    before = first(world).running
    first(world).set_running(Running("hotfix", dict(before.environment)), world.clock.now(), "argocd")
    first(world).lose(0, world.clock.now())
    world.run(20)
    assert world.health == ("Stalled", "MixedBaseline")
    assert "no longer runs v1: image hotfix instead of" in world.condition("Stalled").message
    assert deliveries(world) == []
    first(world).set_running(before, world.clock.now(), "argocd")
    world.run_until(is_v2_stable)


@pytest.mark.parametrize("kind", KINDS)
def test_a_tier_without_pods_is_not_judged(kind: str):
    world = tied(kind)
    first(world).replicas = 0
    start(world).run(60)
    assert (world.tier(3).phase, world.tier(3).gate.reason) == ("Probing", "ProbeUnavailable")
    assert deliveries(world) == []
    first(world).replicas = 4
    world.run_until(is_v2_stable)


def test_a_workload_too_small_to_probe_is_named_while_another_of_its_tier_is_probed():
    world = tied()
    small = world.add_workload("bot-3b", 3, replicas=1)
    small.kind, small.identity, small.update_strategy = "StatefulSet", "volumes", first(world).update_strategy
    world.judge.answer = INCONCLUSIVE
    judging(world).run(40)
    assert "StatefulSet bot-3b has 1 pod and gets v2 without a probe" in world.tier(3).gate.message
    assert pods_by_version(world, "bot-3b") == {"v1": 1}
    world.judge.answer = NON_INFERIOR
    world.run_until(is_v2_stable)
    assert pods_by_version(world, "bot-3b") == {"v2": 1}


def test_the_remedy_for_a_workload_of_one_pod_works():
    world = tied()
    first(world).replicas = 1
    start(world).run(20)
    for step in ("tierwise.io/rollback", "candidatePods: Beside", "tierwise.io/retry"):
        assert step in world.tier(3).gate.message
    world.fleet.annotate("bot-score", rollback="too small")
    world.run_until(lambda w: w.rollout.result == "RolledBack")
    world.apply("v2", **tiers_of("StatefulSet", candidatePods="Beside"))
    world.fleet.annotate("bot-score", retry="1")
    world.run_until(is_v2_stable)


def test_a_promotion_that_waits_for_broken_old_pods_is_overdue_as_every_delivery_is():
    """Here nobody deletes them, as where Tierwise may not."""
    world = tied()
    judging(world).run_until(lambda w: w.tier(3).phase == "Delivering")
    first(world).stuck = 1
    world.fleet.unready.add("v2")
    world.run(90)
    assert world.rollout.result == "Progressing"
    assert "its controller waits for 1 unready old pod: Tierwise deletes" in world.rollout.message
    world.run_until(lambda w: w.rollout.result == "RollingBack", 60)
    assert world.rollout.reason == "DeliveryUnready"
    assert "not delivered after progressDeadline 2m: StatefulSet bot-3 has 1 of 4 pods ready" in world.rollout.message
    assert "delete them yourself" in world.rollout.message
    world.run_until(lambda w: w.rollout.result == "RolledBack")
    assert pods_by_version(world) == {"v1": 4}


def test_a_rollback_that_waits_for_broken_old_pods_says_who_has_to_delete_them():
    world = tied()
    world.judge.answer = INCONCLUSIVE
    judging(world).run(20)
    first(world).stuck = 1
    world.fleet.unready.add("v1")
    world.fleet.annotate("bot-score", rollback="broken")
    world.run(LONGER_THAN_PROGRESS_DEADLINE)
    assert world.version_of("bot-3") == "v1"
    assert world.health == ("Stalled", "RollingBack")
    assert "its controller waits for 1 unready old pod: Tierwise deletes" in world.condition("Stalled").message
    assert "delete them yourself" in world.condition("Stalled").message
    first(world).stuck = 0
    world.fleet.unready.clear()
    world.run_until(lambda w: w.rollout.result == "RolledBack")
