"""DaemonSets on a real API server: a twin of as many pods as asked for, deliveries, foreign writes."""

from __future__ import annotations

import pytest

from tests.support.fleet_world import V1, V2, World, is_ready
from tests.support.polling import eventually
from tierwise.errors import ConflictError
from tierwise.rollout.state.actions import DeleteTwin

pytestmark = pytest.mark.needs_cluster
KIND = "DaemonSet"


def test_a_deployment_stands_beside_the_daemon_set_as_its_twin_and_goes_again(world: World):
    rollout = world.rollout()
    before = world.kubectl.get("daemonset", "w")["metadata"]["generation"]
    world.fleet.apply(world.deployment(), world.apply_twin(rollout))
    eventually(lambda: is_ready(world.twin()), within=30, what="the twin is ready")
    twin, workload = world.twin(), world.workload()
    assert twin is not None
    assert twin.owned
    assert (workload.kind, workload.replicas, workload.pods.ready, workload.pods.outdated) == (KIND, 1, 1, 0)
    assert twin.template_fingerprint == workload.template_fingerprint
    assert len(world.kubectl.get("pods", "-l", "app=model,workload=w")["items"]) == 2  # a Service selects both arms
    assert world.kubectl.get("daemonset", "w")["metadata"]["generation"] == before  # it was not touched
    world.fleet.apply(world.deployment(), DeleteTwin(twin.name, twin.uid))
    eventually(lambda: world.twin() is None, within=30, what="the twin is gone")
    assert world.workload().pods.total == 1


def test_a_delivery_replaces_the_pods_of_all_nodes_and_the_old_version_comes_back_the_same_way(world: World):
    for version in (V2, V1):
        world.fleet.apply(world.deployment(), world.deliver(version))
        eventually(lambda: is_ready(world.workload()) and world.workload().pods.outdated == 0, within=60)
        pods = world.kubectl.get("pods", "-l", "workload=w")["items"]
        assert {pod["spec"]["containers"][0]["image"] for pod in pods} == {version.image}


def test_a_foreign_write_is_seen_and_without_force_not_overwritten(world: World):
    world.fleet.apply(world.deployment(), world.deliver())
    world.kubectl("set", "image", "daemonset/w", "server=registry.example/model:hotfix", "--field-manager=argocd")
    assert world.workload().last_writer == "argocd"
    with pytest.raises(ConflictError):
        world.fleet.apply(world.deployment(), world.deliver(force=False))
    world.fleet.apply(world.deployment(), world.deliver(force=True))
    running = world.workload().running
    assert running is not None
    assert running.image == V2.image
