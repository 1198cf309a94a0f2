"""A workload's own update strategy comes back, however a rollout ends, and not before its pods are right."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.rollout.test_in_place import first, pods_by_version, start, tied
from tests.unit.rollout.test_other_kinds import tiers_of
from tests.unit.rollout.world import INCONCLUSIVE, NAME, NON_INFERIOR, REGRESSED, World
from tierwise.api.reasons import Reason
from tierwise.errors import SpecError
from tierwise.rollout.state.actions import CreateRollout, RestoreStrategy
from tierwise.rollout.state.observation import Running
from tierwise.simulation.cluster.workloads import ON_DELETE

KINDS = ("StatefulSet", "DaemonSet")


def in_flight(kind: str, phase: str, *, place: str | None = None, **fleet: Any) -> World:
    world = tied(kind, strategy=ON_DELETE, **fleet)
    if phase == "Judging":
        world.judge.answer = INCONCLUSIVE
    changes = {} if place is None else {"candidatePods": place}
    start(world, **changes).run_until(lambda w: bool(w.fleet.rollouts) and w.tier(3).phase == phase)
    return world.run(1)


def restorations(world: World, name: str = "bot-3") -> list[RestoreStrategy]:
    return [each for each in world.fleet.actions if isinstance(each, RestoreStrategy) and each.workload_name == name]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("place", ["InPlace", "Beside"])
def test_a_deletion_in_the_middle_of_a_delivery_lets_it_end_and_then_gives_the_strategy_back(kind: str, place: str):
    world = in_flight(kind, "Delivering", place=place)
    assert first(world).update_strategy != ON_DELETE
    world.fleet.delete_deployment(NAME)
    world.run(20)
    assert world.fleet.deployments == {}
    assert first(world).update_strategy == ON_DELETE
    assert pods_by_version(world) == {"v2": 4}


@pytest.mark.parametrize("kind", KINDS)
def test_a_deletion_while_it_is_judged_first_brings_the_touched_pods_back(kind: str):
    world = in_flight(kind, "Judging", ready_seconds=7)
    world.fleet.delete_deployment(NAME)
    world.run(30)
    assert world.fleet.deployments == {}
    assert first(world).update_strategy == ON_DELETE
    assert pods_by_version(world) == {"v1": 4}


def test_a_deletion_leaves_alone_what_nothing_was_written_to():
    world = in_flight("StatefulSet", "Judging", place="Beside")
    mine = '{"rollingUpdate": {"partition": 1}, "type": "RollingUpdate"}'
    first(world).update_strategy = mine
    world.fleet.delete_deployment(NAME)
    world.run(20)
    assert (first(world).update_strategy, restorations(world)) == (mine, [])


def test_a_deletion_waits_for_pods_no_longer_than_the_deadline_and_says_what_is_left():
    world = in_flight("StatefulSet", "Judging")
    world.fleet.unready.add("v1")
    world.fleet.delete_deployment(NAME)
    world.run(60)
    assert NAME in world.fleet.deployments
    world.run(90)
    assert world.fleet.deployments == {}
    assert first(world).update_strategy == ON_DELETE
    assert "StatefulSet bot-3: 1 pod without v1" in world.fleet.events[-1].message


def test_a_deletion_that_may_not_write_says_so_and_ends():
    world = in_flight("StatefulSet", "Judging")

    class Refusing:
        def before(self, write: str) -> None:
            if write in ("apply Deliver", "apply RestoreStrategy"):
                raise SpecError("delivery is refused", "mend it", reason=Reason.DELIVERY_REFUSED)

        def after(self, write: str) -> None:
            return None

    world.fleet.faults = Refusing()
    world.fleet.delete_deployment(NAME)
    world.run(20)
    assert world.fleet.deployments == {}
    assert (world.fleet.events[-1].reason, "delivery is refused" in world.fleet.events[-1].message) == (
        "DeliveryRefused",
        True,
    )


def test_a_rollback_that_a_new_version_no_longer_waits_for_gives_the_strategy_back():
    world = in_flight("StatefulSet", "Judging")
    world.fleet.unready.add("v1")
    world.apply("v3", **tiers_of("StatefulSet"))
    world.run_until(lambda w: len(w.fleet.rollouts) == 2)
    kinds = [type(action) for action in world.fleet.actions]
    started = len(kinds) - 1 - kinds[::-1].index(CreateRollout)
    assert RestoreStrategy in kinds[:started]
    assert restorations(world)[0].update_strategy == ON_DELETE


def test_what_a_webhook_adds_to_a_restored_strategy_is_left_there():
    world = in_flight("StatefulSet", "Judging")
    added = '{"added": true, "type": "OnDelete"}'

    class Webhook:
        def before(self, write: str) -> None:
            return None

        def after(self, write: str) -> None:
            if write == "apply RestoreStrategy":
                first(world).update_strategy = added

    world.fleet.faults = Webhook()
    world.judge.answer = REGRESSED
    world.run_until(lambda w: w.rollout.result == "RolledBack")
    world.run(60)
    assert first(world).update_strategy == added
    assert len(restorations(world)) == 1


def test_a_write_by_others_in_one_tier_does_not_lose_the_strategy_of_another():
    world = tied(strategy=ON_DELETE)
    world.judge.by_tier["tier-2"] = INCONCLUSIVE
    start(world).run_until(lambda w: bool(w.fleet.rollouts) and w.tier(2).phase == "Judging")
    world.judge.by_tier["tier-2"] = REGRESSED
    world.run_until(lambda w: w.versions[0] == "v1")
    changed_at = first(world).changed_at
    world.run(first(world).ready_seconds - 1 - (world.clock.now() - changed_at).total_seconds())
    other = world.fleet.workloads["bot-2"]
    other.set_running(Running("hotfix", dict(other.running.environment)), world.clock.now(), "argocd")
    world.clock.advance(1)
    world.run_until(lambda w: w.rollout.result == "RolledBack")
    assert {workload.update_strategy for workload in world.fleet.workloads.values()} == {ON_DELETE}


def test_a_strategy_that_is_changed_while_the_candidate_stands_beside_is_the_one_that_comes_back():
    world = in_flight("StatefulSet", "Judging", place="Beside")
    mine = '{"rollingUpdate": {"partition": 1}, "type": "RollingUpdate"}'
    first(world).update_strategy = mine
    world.judge.answer = NON_INFERIOR
    world.run_until(lambda w: w.tier(3).phase == "Delivered")
    assert first(world).update_strategy == mine
