"""Kinds of workload besides Deployments, on a real API server: a twin beside one, deliveries, foreign writes."""

from __future__ import annotations

import pytest

from tests.support.fleet_world import V1, V2, World, is_ready
from tests.support.polling import eventually
from tierwise.errors import ConflictError
from tierwise.rollout.state.actions import DeleteTwin

pytestmark = pytest.mark.needs_cluster


@pytest.fixture(params=["StatefulSet", "DaemonSet"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_deployment_stands_beside_the_workload_as_its_twin_and_goes_again(world: World):
    rollout, pods = world.rollout(), world.workload().replicas
    before = world.generation()
    world.fleet.apply(world.deployment(), world.apply_twin(rollout))
    eventually(lambda: is_ready(world.twin()), within=30, what="the twin is ready")
    after = world.resource_version("deployment", "w-candidate")
    world.fleet.apply(world.deployment(), world.apply_twin(rollout))
    assert world.resource_version("deployment", "w-candidate") == after  # the second time writes nothing
    twin, workload = world.twin(), world.workload()
    assert twin is not None
    assert twin.owned
    assert (workload.kind, workload.pods.ready, workload.pods.outdated) == (world.kind, pods, 0)
    assert twin.template_fingerprint == workload.template_fingerprint
    assert len(world.kubectl.get("pods", "-l", "app=model,workload=w")["items"]) == pods + 1  # a Service selects both
    assert world.generation() == before  # it was not touched
    world.fleet.apply(world.deployment(), DeleteTwin(twin.name, twin.uid))
    eventually(lambda: world.twin() is None, within=30, what="the twin is gone")
    assert world.workload().pods.total == pods


def test_a_delivery_replaces_every_pod_and_the_old_version_comes_back_the_same_way(world: World):
    pods = world.workload().replicas
    for version in (V2, V1):
        world.fleet.apply(world.deployment(), world.deliver(version))
        eventually(lambda: is_ready(world.workload()) and world.workload().pods.outdated == 0, within=60)
        assert world.pod_counts() == {version.name: pods}
    settled = world.generation()
    world.fleet.apply(world.deployment(), world.deliver(V1))
    assert world.generation() == settled  # the second time writes nothing


def test_a_foreign_write_is_seen_and_without_force_not_overwritten(world: World):
    world.fleet.apply(world.deployment(), world.deliver())
    image = "server=registry.example/model:hotfix"
    world.kubectl("set", "image", f"{world.kind}/w", image, "--field-manager=argocd")
    assert world.workload().last_writer == "argocd"
    with pytest.raises(ConflictError):
        world.fleet.apply(world.deployment(), world.deliver(force=False))
    world.fleet.apply(world.deployment(), world.deliver(force=True))
    running = world.workload().running
    assert running is not None
    assert running.image == V2.image
