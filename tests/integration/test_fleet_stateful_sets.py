"""StatefulSets on a real API server: a twin beside one whose pods need no identity, deliveries, foreign writes."""

from __future__ import annotations

import pytest

from tests.support.fleet_world import V1, V2, World, is_ready
from tests.support.polling import eventually
from tierwise.errors import ConflictError
from tierwise.rollout.state.actions import DeleteTwin

pytestmark = pytest.mark.needs_cluster
KIND = "StatefulSet"


def test_a_deployment_stands_beside_the_stateful_set_as_its_twin_and_goes_again(world: World):
    rollout = world.rollout()
    before = world.resource_version("statefulset", "w")
    world.fleet.apply(world.deployment(), world.apply_twin(rollout))
    eventually(lambda: is_ready(world.twin()), within=30, what="the twin is ready")
    after = world.resource_version("deployment", "w-candidate")
    world.fleet.apply(world.deployment(), world.apply_twin(rollout))
    assert world.resource_version("deployment", "w-candidate") == after  # the second time writes nothing
    twin, workload = world.twin(), world.workload()
    assert twin is not None
    assert twin.owned
    assert (workload.kind, workload.replicas, workload.pods.ready, workload.pods.outdated) == (KIND, 2, 2, 0)
    assert twin.template_fingerprint == workload.template_fingerprint
    assert len(world.kubectl.get("pods", "-l", "app=model,workload=w")["items"]) == 3  # a Service selects both arms
    assert world.resource_version("statefulset", "w") == before  # it was not touched
    world.fleet.apply(world.deployment(), DeleteTwin(twin.name, twin.uid))
    eventually(lambda: world.twin() is None, within=30, what="the twin is gone")
    assert world.workload().pods.total == 2


def test_a_delivery_replaces_every_pod_and_the_old_version_comes_back_the_same_way(world: World):
    for version in (V2, V1):
        world.fleet.apply(world.deployment(), world.deliver(version))
        eventually(lambda: is_ready(world.workload()) and world.workload().pods.outdated == 0, within=60)
        pods = world.kubectl.get("pods", "-l", "workload=w")["items"]
        assert {pod["spec"]["containers"][0]["image"] for pod in pods} == {version.image}
    settled = world.resource_version("statefulset", "w")
    world.fleet.apply(world.deployment(), world.deliver(V1))
    assert world.resource_version("statefulset", "w") == settled  # the second time writes nothing


def test_a_foreign_write_is_seen_and_without_force_not_overwritten(world: World):
    world.fleet.apply(world.deployment(), world.deliver())
    world.kubectl("set", "image", "statefulset/w", "server=registry.example/model:hotfix", "--field-manager=argocd")
    assert world.workload().last_writer == "argocd"
    with pytest.raises(ConflictError):
        world.fleet.apply(world.deployment(), world.deliver(force=False))
    world.fleet.apply(world.deployment(), world.deliver(force=True))
    running = world.workload().running
    assert running is not None
    assert running.image == V2.image


def test_an_autoscaler_that_targets_it_is_seen_while_a_twin_is_there(world: World):
    world.fleet.apply(world.deployment(), world.apply_twin(world.rollout()))
    assert not world.workload().autoscaled
    world.kubectl("autoscale", "statefulset", "w", "--min=2", "--max=9", "--cpu=50%")
    assert world.workload().autoscaled


def test_a_change_of_its_pods_wakes_the_model_deployment(world: World):
    world.woken.clear()
    world.kubectl("scale", "statefulset/w", "--replicas=3")
    eventually(lambda: (world.namespace, "model") in world.woken, within=10)
    eventually(lambda: world.workload().pods.ready == 3, within=30)
