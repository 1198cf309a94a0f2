"""At rest on a real API server: what another field manager writes is named, and put back when the spec says so."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.fleet_world import Clock, World
from tests.support.polling import eventually
from tests.unit.rollout.world import FakeJudge, NoStore
from tierwise.runtime.control_loop.reconcile import reconcile

pytestmark = pytest.mark.needs_cluster

HOTFIX = "registry.example/model:hotfix"


class Watched:
    """The loop at rest over a world: ticks until nothing is to be done at once."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.judge = FakeJudge()

    def settle(self) -> dict[str, Any]:
        """The status after it."""
        store: Any = NoStore()
        for _ in range(30):
            written = self.world.resource_version("mdep", "model")
            after = reconcile(self.world.namespace, "model", self.world.fleet, store, Clock(), self.judge)
            if after != 0.0 and self.world.resource_version("mdep", "model") == written:
                status: dict[str, Any] = self.world.kubectl.get("mdep", "model")["status"]
                return status
        raise AssertionError("ticks without end")

    def in_sync(self) -> tuple[str, str, str]:
        """The condition InSync."""
        [found] = [each for each in self.settle()["conditions"] if each["type"] == "InSync"]
        return found["status"], found["reason"], found["message"]

    def events(self, reason: str) -> list[dict[str, Any]]:
        """Events of the ModelDeployment with this reason."""
        items = self.world.kubectl.get("events")["items"]
        return [each for each in items if each["reason"] == reason and each["involvedObject"]["name"] == "model"]

    def image(self) -> str:
        running = self.world.workload().running
        assert running is not None
        return running.image


@pytest.fixture
def watched(world: World) -> Watched:
    """v1 is adopted: stable, and never written by Tierwise."""
    watched = Watched(world)
    assert watched.settle()["stable"]["name"] == "v1"
    assert watched.in_sync()[:2] == ("True", "InSync")
    return watched


def set_image(world: World, manager: str) -> None:
    world.kubectl("set", "image", "deployment/w", f"server={HOTFIX}", f"--field-manager={manager}")


def test_a_foreign_image_is_named_with_its_writer_and_put_back_only_once_and_only_when_asked(watched: Watched):
    world = watched.world
    world.woken.clear()
    set_image(world, "kubectl-set")
    eventually(lambda: (world.namespace, "model") in world.woken, within=30, what="the change wakes it")
    status, reason, message = watched.in_sync()
    assert (status, reason) == ("False", "Drifted")
    assert (
        message
        == f"Deployment w does not run v1: image {HOTFIX} instead of registry.example/model:v1, written by kubectl-set"
    )
    assert watched.image() == HOTFIX
    watched.settle()
    assert [event["count"] for event in watched.events("Drifted")] == [1]
    assert "False" in world.kubectl("get", "mdep", "model").splitlines()[1]

    world.kubectl("patch", "mdep", "model", "--type=merge", "-p", json.dumps({"spec": {"drift": "Restore"}}))
    assert watched.in_sync()[:2] == ("True", "InSync")
    assert watched.image() == "registry.example/model:v1"
    assert world.workload().last_writer == "tierwise"

    set_image(world, "argocd")
    status, reason, message = watched.in_sync()
    assert (status, reason) == ("False", "FieldConflict")
    assert "written by argocd; it was restored once before" in message
    generation = world.generation()
    watched.settle()
    assert (watched.image(), world.generation()) == (HOTFIX, generation)


def test_what_is_scaled_paused_or_injected_is_no_drift(watched: Watched):
    world = watched.world
    world.kubectl("scale", "deployment/w", "--replicas=3")
    world.kubectl("rollout", "pause", "deployment/w")
    sidecar = [{"name": "mesh", "image": "registry.example/mesh:1"}]
    patch = {"spec": {"template": {"metadata": {"annotations": {"mesh": "on"}}, "spec": {"containers": sidecar}}}}
    world.kubectl("patch", "deployment", "w", "--type=strategic", "-p", json.dumps(patch))
    world.kubectl("set", "env", "deployment/w", "--containers=server", "LOG_LEVEL=debug")
    assert watched.in_sync()[:2] == ("True", "InSync")
    assert watched.events("Drifted") == []


def test_annotations_without_effect_are_answered_by_events(watched: Watched):
    world = watched.world
    world.kubectl(
        "annotate", "mdep", "model", "tierwise.io/promote=true", "tierwise.io/Promote=x", "tierwise.io/retry="
    )
    refused = {entry["annotation"]: entry["value"] for entry in watched.settle()["refused"]}
    assert refused == {"tierwise.io/promote": "true", "tierwise.io/Promote": "x", "tierwise.io/retry": ""}
    watched.settle()
    found = watched.events("CommandRefused")
    assert [(event["type"], event["count"]) for event in found] == [("Warning", 1)] * 3
    assert any("tierwise.io/promote=x tierwise.io/Promote-" in event["message"] for event in found)
