"""Workloads that others change while no rollout writes to them: named, and put back only when the spec says so."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.rollout.world import INCONCLUSIVE, NAME, World
from tierwise.api.reasons import Reason
from tierwise.errors import SpecError
from tierwise.rollout.state.actions import Deliver
from tierwise.rollout.state.observation import Running

HOTFIX = "ghcr.io/acme/bot-score:hotfix"


def set_image(world: World, name: str, image: str = HOTFIX, writer: str = "kubectl-set") -> None:
    """As `kubectl set image` does."""
    workload = world.fleet.workloads[name]
    workload.set_running(Running(image, workload.running.environment), world.clock.now(), writer)


def image_of(world: World, name: str) -> str:
    return world.fleet.workloads[name].running.image


def deliveries(world: World) -> list[str]:
    return [action.workload_name for action in world.fleet.actions if isinstance(action, Deliver)]


def in_sync(world: World) -> tuple[str, str]:
    found = world.condition("InSync")
    return found.status, found.reason


def promoted(**changes: Any) -> World:
    """v2 is stable, delivered by Tierwise."""
    world = World().adopted(**changes)
    world.apply("v2", **changes).run_until(lambda w: w.status.stable.name == "v2" and w.status.rollout is None)
    world.fleet.actions.clear()
    return world


def test_a_foreign_image_at_rest_is_named_with_its_writer_and_left_alone():
    world = World().adopted()
    assert in_sync(world) == ("True", "InSync")
    set_image(world, "bot-3")
    world.run(60)
    found = world.condition("InSync")
    assert (found.status, found.reason) == ("False", "Drifted")
    assert found.message == (
        f"Deployment bot-3 does not run v1: image {HOTFIX} instead of ghcr.io/acme/bot-score:1, written by kubectl-set"
    )
    assert world.health == ("Ready", "AtRest")
    assert "but Deployment bot-3 does not run v1" in world.condition("Ready").message
    assert world.event_reasons().count("Drifted") == 1
    assert image_of(world, "bot-3") == HOTFIX
    assert deliveries(world) == []
    set_image(world, "bot-3", "ghcr.io/acme/bot-score:1")
    world.run(60)
    assert in_sync(world) == ("True", "InSync")
    assert world.status.drift == []


def test_a_parameter_counts_and_its_value_is_not_told():
    world = World().adopted()
    workload = world.fleet.workloads["bot-2"]
    changed = {**workload.running.environment, "MODEL_VERSION": "secret"}
    workload.set_running(Running(workload.running.image, changed), world.clock.now(), "helm")
    world.run(10)
    assert "parameter MODEL_VERSION differs, written by helm" in world.condition("InSync").message
    assert "secret" not in world.condition("InSync").message


def test_what_tierwise_did_not_apply_is_no_drift():
    world = promoted()
    workload = world.fleet.workloads["bot-3"]
    workload.replicas = 9
    workload.template = {"sidecar": "proxy"}
    workload.set_running(
        Running(workload.running.image, {**workload.running.environment, "LOG_LEVEL": "debug"}),
        world.clock.now(),
        "istio",
    )
    world.fleet.workloads["bot-2"].replicas = 0
    world.run(60)
    assert in_sync(world) == ("True", "InSync")
    assert "Drifted" not in world.event_reasons()


def test_restore_puts_it_back_once_and_stops_at_the_second_write():
    world = promoted(drift="Restore")
    set_image(world, "bot-3")
    world.run(30)
    assert image_of(world, "bot-3") == "ghcr.io/acme/bot-score:1"
    assert in_sync(world) == ("True", "InSync")
    assert deliveries(world) == ["bot-3"]
    assert world.event_reasons().count("Drifted") == 1

    world.run(3600)
    set_image(world, "bot-3", writer="argocd")
    world.run(600)
    assert image_of(world, "bot-3") == HOTFIX
    assert deliveries(world) == ["bot-3"]
    assert in_sync(world) == ("False", "FieldConflict")
    assert world.health == ("Stalled", "FieldConflict")
    assert "written by argocd; it was restored once before" in world.condition("Stalled").message
    assert world.event_reasons().count("FieldConflict") == 2  # of the drift, and of the condition Stalled

    world.fleet.annotate(NAME, retry="1")
    world.run(30)
    assert image_of(world, "bot-3") == "ghcr.io/acme/bot-score:1"
    assert world.health == ("Ready", "AtRest")
    assert "CommandRefused" not in world.event_reasons()


def test_a_new_version_counts_foreign_writes_anew():
    world = promoted(drift="Restore")
    set_image(world, "bot-3")
    world.run(30)
    world.apply("v3", drift="Restore").run_until(lambda w: w.status.stable.name == "v3" and w.status.rollout is None)
    set_image(world, "bot-3")
    world.run(30)
    assert image_of(world, "bot-3") == "ghcr.io/acme/bot-score:1"
    assert in_sync(world) == ("True", "InSync")


def test_a_pause_leaves_what_a_person_has_set_by_hand():
    world = promoted(drift="Restore")
    world.apply("v2", drift="Restore", paused=True)
    set_image(world, "bot-3")
    world.run(60)
    assert image_of(world, "bot-3") == HOTFIX
    assert in_sync(world) == ("False", "Drifted")
    world.apply("v2", drift="Restore").run(30)
    assert image_of(world, "bot-3") == "ghcr.io/acme/bot-score:1"


def test_in_a_rollout_tiers_to_come_are_watched_and_the_tier_in_flight_is_not():
    world = World().adopted()
    world.judge.answer = INCONCLUSIVE
    world.apply("v2").run_until(lambda w: bool(w.fleet.rollouts) and w.tier(3).phase == "Judging")
    assert in_sync(world) == ("True", "InSync")
    set_image(world, "bot-3")
    world.run(10)
    assert in_sync(world) == ("True", "InSync")
    set_image(world, "bot-1")
    world.run(10)
    assert in_sync(world) == ("False", "Drifted")
    assert "Deployment bot-1 does not run v1" in world.condition("InSync").message
    assert deliveries(world) == []


def test_in_a_rollout_restore_puts_tiers_to_come_back_to_stable_so_that_they_can_start():
    world = World().adopted(drift="Restore")
    world.judge.by_tier["tier-2"] = INCONCLUSIVE
    world.apply("v2", drift="Restore")
    world.run_until(lambda w: bool(w.fleet.rollouts) and w.tier(3).phase == "Judging")
    set_image(world, "bot-2")
    world.run_until(lambda w: w.tier(2).phase == "Judging")
    assert image_of(world, "bot-2") == "ghcr.io/acme/bot-score:1"
    assert world.version_of("bot-2") == "v1"
    assert in_sync(world) == ("True", "InSync")


@pytest.mark.parametrize("drift", ["Report", "Restore"])
def test_a_delivered_tier_is_defended_by_the_rollout_alone(drift: str):
    world = World().adopted(drift=drift)
    world.judge.by_tier["tier-2"] = INCONCLUSIVE
    world.apply("v2", drift=drift).run_until(lambda w: bool(w.fleet.rollouts) and w.tier(3).phase == "Delivered")
    world.fleet.actions.clear()
    set_image(world, "bot-3")
    world.run(10)
    assert deliveries(world) == ["bot-3"]
    set_image(world, "bot-3", writer="argocd")
    world.run(10)
    assert deliveries(world) == ["bot-3"]
    assert world.health == ("Stalled", "FieldConflict")
    assert world.condition("InSync").status == "False"


def test_a_refused_restore_is_told_and_tried_again():
    world = promoted(drift="Restore")
    apply = world.fleet.apply

    def refusing(_deployment: object, action: object) -> None:
        assert isinstance(action, Deliver)
        raise SpecError("delivery of v2 to Deployment bot-3 is refused", "mend it", reason=Reason.DELIVERY_REFUSED)

    world.fleet.apply = refusing  # type: ignore[method-assign]
    set_image(world, "bot-3")
    world.run(60)
    assert "not restored: delivery of v2 to Deployment bot-3 is refused" in world.condition("InSync").message
    world.fleet.apply = apply  # type: ignore[method-assign]
    world.run(30)
    assert in_sync(world) == ("True", "InSync")


def test_nothing_is_known_before_a_version_is_stable():
    world = World()
    world.fleet.workloads.clear()
    world.apply("v1").run(5)
    assert in_sync(world) == ("Unknown", "WaitingForWorkloads")
