"""Twins on a real API server: beside the workload, apart from its pods, gone without a trace."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.support.fleet_world import V2, World, a_workload, is_ready
from tests.support.polling import eventually
from tierwise.api.common import Version
from tierwise.api.names import LABEL_ARM
from tierwise.errors import ConflictError
from tierwise.rollout.state.actions import DeleteTwin, ScaleTwin

pytestmark = pytest.mark.needs_cluster


def test_a_twin_stands_beside_the_workload_and_their_pods_are_kept_apart(world: World):
    rollout = world.rollout()
    before = world.resource_version("deployment", "w")
    action = world.apply_twin(rollout)
    world.fleet.apply(world.deployment(), action)
    eventually(lambda: is_ready(world.twin()), within=30, what="the twin is ready")
    after = world.resource_version("deployment", "w-candidate")
    world.fleet.apply(world.deployment(), action)
    assert world.resource_version("deployment", "w-candidate") == after  # the second time writes nothing
    twin, workload = world.twin(), world.workload()
    assert twin is not None
    assert twin.owned
    assert twin.running is not None
    assert (twin.running.image, twin.running.environment["MODEL_VERSION"]) == (V2.image, "v2")
    assert twin.template_fingerprint == workload.template_fingerprint
    assert (twin.pods.ready, workload.pods.ready, workload.pods.outdated) == (1, 2, 0)
    assert [each.name for each in world.tier().workloads] == ["w"]  # the twin is no workload of the tier
    assert world.resource_version("deployment", "w") == before  # the workload was not touched
    pods = world.kubectl.get("pods", "-l", "app=model,workload=w")["items"]
    assert len(pods) == 3  # a Service selects both arms
    assert sum(pod["metadata"]["labels"].get(LABEL_ARM) == "candidate" for pod in pods) == 1


def test_scaling_a_twin_twice_is_scaling_it_once_and_needs_its_uid(world: World):
    rollout = world.rollout()
    world.fleet.apply(world.deployment(), world.apply_twin(rollout))
    twin = world.twin()
    assert twin is not None
    action = ScaleTwin(twin.name, twin.uid, 3)
    for _ in range(2):
        world.fleet.apply(world.deployment(), action)
    eventually(lambda: is_ready(world.twin()) and world.twin().pods.ready == 3, within=30)  # type: ignore[union-attr]
    with pytest.raises(ConflictError):
        world.fleet.apply(world.deployment(), replace(action, twin_uid="another"))


def test_deleting_a_twin_leaves_the_workload_no_replica_set_and_no_pod_of_it(world: World):
    rollout = world.rollout()
    world.fleet.apply(world.deployment(), world.apply_twin(rollout))
    eventually(lambda: is_ready(world.twin()), within=30)
    twin = world.twin()
    assert twin is not None
    with pytest.raises(ConflictError):
        world.fleet.apply(world.deployment(), DeleteTwin(twin.name, "another"))
    for _ in range(2):
        world.fleet.apply(world.deployment(), DeleteTwin(twin.name, twin.uid))
    eventually(lambda: world.twin() is None, within=30, what="the twin is gone")
    world.fleet.apply(world.deployment(), DeleteTwin(twin.name, twin.uid))
    owner = world.workload().uid
    sets = world.kubectl.get("replicasets")["items"]
    assert len(sets) == 1
    assert sets[0]["metadata"]["ownerReferences"][0]["uid"] == owner
    eventually(lambda: len(world.kubectl.get("pods")["items"]) == 2, within=30)
    assert world.workload().pods.outdated == 0


def test_an_edit_by_a_person_goes_to_the_twin_too(world: World):
    rollout = world.rollout()
    world.fleet.apply(world.deployment(), world.apply_twin(rollout))
    world.kubectl("set", "resources", "deployment/w", "-c=proxy", "--requests=cpu=2m")
    world.kubectl("set", "env", "deployment/w", "-c=server", "LOG_LEVEL-")
    twin = world.twin()
    assert twin is not None
    assert world.workload().template_fingerprint != twin.template_fingerprint
    world.fleet.apply(world.deployment(), world.apply_twin(rollout))
    twin = world.twin()
    assert twin is not None
    assert world.workload().template_fingerprint == twin.template_fingerprint
    assert twin.running is not None
    assert twin.running.environment == {"MODEL_VERSION": "v2"}


def test_a_workload_of_no_pods_has_a_twin_of_no_pods(world: World):
    world.kubectl("scale", "deployment/w", "--replicas=0")
    eventually(lambda: is_ready(world.workload()), within=30)
    world.fleet.apply(world.deployment(), world.apply_twin(world.rollout(), replicas=0))
    eventually(lambda: is_ready(world.twin()), within=30)
    assert (world.workload().replicas, world.workload().pods.total) == (0, 0)


def test_a_foreign_object_with_a_twins_name_is_told_and_never_written(world: World):
    rollout = world.rollout()
    world.kubectl.apply(a_workload("w-candidate", labels={"app": "someone-elses"}))
    foreign = eventually(world.twin, within=10, what="the object is seen under the twin's name")
    assert not foreign.owned
    with pytest.raises(ConflictError):
        world.fleet.apply(world.deployment(), world.apply_twin(rollout))


def test_a_twin_of_a_workload_made_anew_is_a_conflict(world: World):
    rollout = world.rollout()
    with pytest.raises(ConflictError):
        world.fleet.apply(world.deployment(), world.apply_twin(rollout, workload_uid="another"))


def test_a_twin_that_a_quota_keeps_from_having_pods_says_so(world: World):
    rollout = world.rollout()
    world.kubectl("create", "quota", "few", "--hard=pods=2")
    eventually(lambda: world.kubectl.get("quota", "few")["status"].get("used", {}).get("pods") == "2", within=20)
    world.fleet.apply(world.deployment(), world.apply_twin(rollout))
    blocked = eventually(lambda: (twin := world.twin()) and twin.blocked, within=30)
    assert "exceeded quota" in str(blocked)


def test_a_twin_that_the_server_refuses_is_seen_as_blocked_until_it_can_be_made(world: World):
    rollout = world.rollout()
    world.kubectl("create", "quota", "one", "--hard=count/deployments.apps=1")
    eventually(lambda: world.kubectl.get("quota", "one")["status"].get("used"), within=20)
    world.fleet.apply(world.deployment(), world.apply_twin(rollout))
    twin = world.twin()
    assert twin is not None
    assert twin.owned
    assert "exceeded quota" in str(twin.blocked)
    world.kubectl("delete", "quota", "one")
    world.fleet.apply(world.deployment(), world.apply_twin(rollout))
    eventually(lambda: is_ready(world.twin()), within=30)
    twin = world.twin()
    assert twin is not None
    assert twin.blocked is None


def test_a_parameter_that_is_set_by_reference_is_told_before_any_write(world: World):
    world.set_by_reference()
    version = Version(name="v2", image=V2.image, parameters={"NODE": "x"})
    world.fleet.apply(world.deployment(), world.apply_twin(world.rollout(), version=version))
    twin = world.twin()
    assert twin is not None
    assert "sets parameter NODE of the version by valueFrom" in str(twin.blocked)
    assert len(world.kubectl.get("deployments")["items"]) == 1
