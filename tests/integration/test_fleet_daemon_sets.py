"""DaemonSets on a real API server: a twin beside one, the pods of some nodes in place, deliveries, foreign writes."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.fleet_world import V1, V2, World, a_workload, is_ready
from tests.support.polling import eventually
from tierwise.errors import ConflictError
from tierwise.rollout.delivery.converge import is_done
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


def counts(world: World) -> dict[str, int]:
    return {tag: len(names) for tag, names in world.pods_by_image().items()}


def deliver_part(world: World, pods: int, own: str | None) -> None:
    """As the decision asks for it: again until so many pods have the candidate."""

    def is_there() -> bool:
        if (world.workload().updating or 0) < pods:
            world.fleet.apply(world.deployment(), world.deliver(pods=pods, update_strategy=own))
        return counts(world).get("v2") == pods

    eventually(is_there, within=60)


def test_what_pods_use_of_their_node_ties_them_to_it(world: World):
    assert world.workload().identity is None
    changes: dict[str, dict[str, Any]] = {
        "hostNetwork": {"hostNetwork": True},
        "hostPath": {"volumes": [{"name": "models", "hostPath": {"path": "/models"}}]},
    }
    for name, change in changes.items():
        tied = a_workload(name.lower(), kind=KIND)
        tied["spec"]["template"]["spec"] |= change
        world.kubectl.apply(tied)
        assert world.workload(name.lower()).identity == name
    tied = a_workload("port", kind=KIND)
    tied["spec"]["template"]["spec"]["containers"][0]["ports"] = [{"containerPort": 80, "hostPort": 8080}]
    world.kubectl.apply(tied)
    assert world.workload("port").identity == "hostPort"


def test_in_place_the_pods_of_some_nodes_get_the_candidate_and_later_all_do(world: World, nodes: list[str]):
    own = world.workload().update_strategy
    deliver_part(world, 1, own)
    [first] = {pod["spec"]["nodeName"] for pod in pods_of(world, V2.image)}
    deliver_part(world, 2, own)
    assert counts(world) == {"v1": 3, "v2": 2}
    assert first in {pod["spec"]["nodeName"] for pod in pods_of(world, V2.image)}  # the group of nodes grows
    seen = eventually(lambda: (view := world.workload()).updating == 2 and len(view.groups) == 2 and view, within=10)
    assert {group.running.image: group.pods.ready for group in seen.groups} == {V1.image: 3, V2.image: 2}
    settled = world.kubectl.get("daemonset", "w")["metadata"]["generation"]
    world.fleet.apply(world.deployment(), world.deliver(pods=2, update_strategy=own))
    assert world.kubectl.get("daemonset", "w")["metadata"]["generation"] == settled
    assert counts(world) == {"v1": 3, "v2": 2}  # the second time deletes nothing
    world.fleet.apply(world.deployment(), world.deliver(update_strategy=own))
    eventually(lambda: counts(world) == {"v2": 5} and is_done(world.workload()), within=60)
    assert world.workload().update_strategy == own


def test_no_more_pods_are_away_at_a_time_than_the_own_strategy_allows(world: World, nodes: list[str]):
    own = world.workload().update_strategy
    before = {pod["metadata"]["uid"] for pod in pods_of(world, V1.image)}
    world.fleet.apply(world.deployment(), world.deliver(pods=4, update_strategy=own))
    live = world.kubectl.get("pods", "-l", "workload=w")["items"]
    staying = {pod["metadata"]["uid"] for pod in live if "deletionTimestamp" not in pod["metadata"]}
    assert len(before - staying) == 1


def test_in_place_the_old_version_comes_back_to_the_touched_nodes_alone(world: World, nodes: list[str]):
    own = world.workload().update_strategy
    deliver_part(world, 2, own)
    untouched = {pod["metadata"]["uid"] for pod in pods_of(world, V1.image)}
    world.fleet.apply(world.deployment(), world.deliver(V1, update_strategy=own))
    eventually(lambda: counts(world) == {"v1": 5} and is_done(world.workload()), within=60)
    assert untouched <= {pod["metadata"]["uid"] for pod in pods_of(world, V1.image)}
    assert world.workload().update_strategy == own


def test_deletion_by_hand_as_ones_own_strategy_comes_back(world: World, nodes: list[str]):
    patch = {"spec": {"updateStrategy": {"type": "OnDelete", "rollingUpdate": None}}}
    world.kubectl("patch", "daemonset", "w", "--type=merge", "-p", json.dumps(patch))
    own = world.workload().update_strategy
    world.fleet.apply(world.deployment(), world.deliver(update_strategy=own))
    eventually(lambda: counts(world) == {"v2": 5} and is_done(world.workload()), within=60)
    world.fleet.apply(world.deployment(), world.restore(own))
    assert world.kubectl.get("daemonset", "w")["spec"]["updateStrategy"] == {"type": "OnDelete"}


def pods_of(world: World, image: str | None) -> list[dict[str, Any]]:
    pods = world.kubectl.get("pods", "-l", "workload=w")["items"]
    return [pod for pod in pods if pod["spec"]["containers"][0]["image"] == image]
