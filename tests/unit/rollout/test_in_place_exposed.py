"""How many pods have the candidate in place, when pods come, go or are made anew, or others write."""

from __future__ import annotations

import json

import pytest

from tests.unit.rollout.test_in_place import deliveries, first, judging, pods_by_version, tied
from tests.unit.rollout.world import INCONCLUSIVE, NAME, NON_INFERIOR, REGRESSED, World


def held(kind: str) -> World:
    world = tied(kind)
    world.judge.answer = INCONCLUSIVE
    return judging(world).run(20)


def test_pods_that_a_scale_up_makes_with_the_candidate_go_back_where_that_is_possible():
    world = held("StatefulSet")
    first(world).replicas = 10
    assert first(world).updating == 7  # every new ordinal is above the partition
    world.run(30)
    assert pods_by_version(world) == {"v1": 8, "v2": 2}
    assert world.tier(3).workloads[0].foreign_writes == 0


def test_a_write_that_meets_a_scaled_workload_is_no_write_by_others():
    world = tied("StatefulSet", ready_seconds=7)
    first(world).replicas = 10
    world.judge.answer = INCONCLUSIVE
    judging(world).run(20)

    class Scaling:
        def before(self, write: str) -> None:
            if write == "apply Deliver" and first(world).replicas == 12:
                first(world).replicas = 20

        def after(self, write: str) -> None:
            return None

    world.fleet.faults = Scaling()
    first(world).replicas = 12
    world.run(60)
    assert pods_by_version(world) == {"v1": 16, "v2": 4}
    assert world.tier(3).workloads[0].foreign_writes == 0


def test_scaling_down_leaves_the_candidate_its_share():
    world = tied("StatefulSet")
    first(world).replicas = 10
    world.judge.answer = INCONCLUSIVE
    judging(world).run(20)
    first(world).replicas = 5
    world.run(30)
    assert pods_by_version(world) == {"v1": 4, "v2": 1}


def test_one_pod_of_a_daemon_set_that_is_made_anew_is_borne():
    world = held("DaemonSet")
    first(world).remake(1)
    world.run(30)
    assert pods_by_version(world) == {"v1": 2, "v2": 2}
    assert world.health == ("Reconciling", "Inconclusive")


def exceeded() -> World:
    world = held("DaemonSet")
    before = len(deliveries(world))
    first(world).remake(2)
    world.run(30)
    assert len(deliveries(world)) == before  # nothing can be done about it
    return world


def test_more_pods_of_a_daemon_set_than_can_be_borne_hold_the_tier_and_say_what_to_do():
    world = exceeded()
    assert world.health == ("Stalled", "ExposureExceeded")
    message = world.condition("Stalled").message
    assert "3 of 4 pods of DaemonSet bot-3 have v2, where exposure asks for 1" in message
    assert f"tierwise.io/promote={NAME}-1/tier-3" in message
    assert "tierwise.io/rollback" in message
    world.judge.answer = NON_INFERIOR
    world.run(60)
    assert world.tier(3).phase == "Judging"


def test_a_person_may_promote_what_is_exposed_too_much():
    world = exceeded()
    world.fleet.annotate(NAME, promote=f"{NAME}-1/tier-3")
    world.run_until(lambda w: w.tier(3).phase == "Delivered")


def test_a_regression_of_what_is_exposed_too_much_is_rolled_back():
    world = exceeded()
    world.judge.answer = REGRESSED
    world.run_until(lambda w: w.rollout.result == "RolledBack")
    assert pods_by_version(world) == {"v1": 4}


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}},
        {"type": "RollingUpdate", "rollingUpdate": {"partition": 3, "maxUnavailable": 2}},
        {"type": "OnDelete"},
    ],
)
def test_any_change_of_the_update_strategy_by_others_is_counted(changed: dict[str, object]):
    world = held("StatefulSet")
    ours = first(world).update_strategy
    for writes in (1, 2):
        first(world).update_strategy = json.dumps(changed, sort_keys=True)
        world.run(30)
        assert world.tier(3).workloads[0].foreign_writes == writes
        assert (first(world).update_strategy == ours) == (writes == 1)  # undone once
    assert world.health == ("Stalled", "FieldConflict")
    assert "let it ignore spec.updateStrategy" in world.condition("Stalled").message
    world.fleet.annotate(NAME, retry="1")
    world.run(30)
    assert first(world).update_strategy == ours


def test_a_fight_over_the_template_names_its_fields():
    world = held("StatefulSet")
    for _ in range(2):
        other = type(first(world).running)("hotfix", dict(first(world).running.environment))
        first(world).set_part(other, 1, world.clock.now(), "argocd")
        world.run(30)
    assert "let it ignore the container's image and parameters" in world.condition("Stalled").message
