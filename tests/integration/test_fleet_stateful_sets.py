"""What only StatefulSets do, on a real API server: ordinals, a broken pod that blocks its controller, scaling."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.fleet_world import V1, V2, World, a_workload, is_ready
from tests.support.polling import eventually
from tierwise.adapters.kubernetes.client import connect
from tierwise.adapters.kubernetes.workloads.statefulset import STATEFUL_SET
from tierwise.errors import ConflictError
from tierwise.rollout.delivery.converge import is_done

pytestmark = pytest.mark.needs_cluster


@pytest.fixture
def kind() -> str:
    return "StatefulSet"


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


def test_in_place_the_highest_ordinals_get_the_candidate(world: World):
    world.fleet.apply(world.deployment(), world.deliver(pods=1))
    eventually(lambda: world.pods_by_image() == {"v1": ["w-0"], "v2": ["w-1"]}, within=30)


def break_in_place(world: World) -> None:
    """v2 crash-loops in the highest ordinal."""
    world.patch({"template": {"metadata": {"annotations": {"local.tierwise.io/crash-loop": V2.image}}}})
    eventually(lambda: is_done(world.workload()), within=60)
    world.fleet.apply(world.deployment(), world.deliver(pods=1))
    eventually(lambda: sum(group.pods.crash_looping for group in world.workload().groups) == 1, within=30)


def test_a_broken_candidate_in_place_is_taken_away_although_its_controller_waits_for_it(world: World):
    break_in_place(world)
    world.fleet.apply(world.deployment(), world.deliver(V1))

    def is_back() -> bool:
        """As the decision asks for it: while pods are stuck, it is delivered again."""
        if world.workload().stuck:
            world.fleet.apply(world.deployment(), world.deliver(V1))
        return is_done(world.workload())

    eventually(is_back, within=60)
    assert world.pods_by_image() == {"v1": ["w-0", "w-1"]}


def test_without_the_right_to_delete_pods_a_rollback_goes_on_and_says_what_is_left(world: World, tmp_path: Path):
    break_in_place(world)
    verbs = ["get", "list", "watch"]
    rules = [
        {"apiGroups": [""], "resources": ["pods"], "verbs": verbs},
        {"apiGroups": ["apps"], "resources": ["statefulsets"], "verbs": [*verbs, "patch"]},
    ]
    of_rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "limited"}}
    subjects = [{"kind": "ServiceAccount", "name": "limited"}]
    world.kubectl.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "limited"}},
        {**of_rbac, "kind": "Role", "rules": rules},
        {**of_rbac, "kind": "RoleBinding", "subjects": subjects, "roleRef": {"kind": "Role", "name": "limited"}},
    )
    limited = connect(str(world.kubectl.as_service_account("limited", tmp_path).kubeconfig))
    STATEFUL_SET.deliver(limited, world.namespace, world.deliver(V1))
    view = eventually(lambda: (seen := world.workload()).stuck == 1 and seen, within=10)
    assert view.running is not None
    assert view.running.image == V1.image
    world.kubectl("delete", "pod", "w-1")  # as the status asks for
    eventually(lambda: is_done(world.workload()), within=60)


def at_work(world: World, pods: int) -> None:
    """As the decision asks for it: delivered again while another number of pods has the candidate."""
    if world.workload().updating != pods:
        world.fleet.apply(world.deployment(), world.deliver(pods=pods))


@pytest.mark.parametrize("policy", ["OrderedReady", "Parallel"])
def test_scaled_up_under_a_partition_the_pods_too_many_go_back_one_at_a_time(world: World, policy: str):
    world.kubectl("delete", "statefulset", "w")
    manifest = a_workload("w", kind=world.kind, replicas=4)
    manifest["spec"]["podManagementPolicy"] = policy
    world.kubectl.apply(manifest)
    eventually(lambda: is_ready(world.workload()) and world.workload().pods.ready == 4, within=30)
    world.fleet.apply(world.deployment(), world.deliver(pods=1))
    eventually(lambda: world.pods_by_image() == {"v1": ["w-0", "w-1", "w-2"], "v2": ["w-3"]}, within=30)
    world.kubectl("scale", "statefulset/w", "--replicas=8")
    eventually(lambda: sum(map(len, world.pods_by_image().values())) == 8, within=60)
    new = {"v1": [f"w-{i}" for i in range(3)], "v2": [f"w-{i}" for i in range(3, 8)]}
    assert world.pods_by_image() == new  # its controller gives every new ordinal the candidate
    seen = eventually(lambda: (view := world.workload()).updating == 5 and view, within=10)
    assert seen.takes_back
    world.patch({"updateStrategy": {"rollingUpdate": {"partition": 6}}})
    eventually(lambda: is_observed(world), within=10)
    assert world.pods_by_image() == new  # and takes it from none when the partition is raised

    def is_shared() -> bool:
        at_work(world, 2)
        return world.pods_by_image() == {"v1": [f"w-{i}" for i in range(6)], "v2": ["w-6", "w-7"]}

    eventually(is_shared, within=120)
    assert world.workload().updating == 2
    world.fleet.apply(world.deployment(), world.deliver(V1))
    eventually(lambda: world.pods_by_image() == {"v1": [f"w-{i}" for i in range(8)]}, within=60)


def test_a_pod_made_anew_below_the_partition_gets_what_ran_there_also_under_deletion_by_hand(world: World):
    world.patch({"updateStrategy": {"type": "OnDelete", "rollingUpdate": None}})
    container = {"name": "server", "image": "registry.example/model:v0"}
    template = {"spec": {"template": {"spec": {"containers": [container]}}}}
    world.kubectl("patch", "statefulset", "w", "--type=strategic", "-p", json.dumps(template))
    world.kubectl("delete", "pod", "w-1", "w-0")
    eventually(lambda: world.pods_by_image() == {"v0": ["w-0", "w-1"]}, within=60)
    own = world.workload().update_strategy
    revisions = world.kubectl.get("statefulset", "w")["status"]
    assert revisions["currentRevision"] != revisions["updateRevision"]  # what it would make anew is of long ago

    def is_delivered() -> bool:
        """A ConflictError means: observe again."""
        try:
            world.fleet.apply(world.deployment(), world.deliver(pods=1, update_strategy=own))
        except ConflictError:
            return False
        return True

    eventually(is_delivered, within=30)
    eventually(lambda: world.pods_by_image() == {"v0": ["w-0"], "v2": ["w-1"]}, within=30)
    before = world.kubectl.get("pod", "w-0")["metadata"]["uid"]
    world.kubectl("delete", "pod", "w-0")
    eventually(lambda: world.pods_by_image() == {"v0": ["w-0"], "v2": ["w-1"]}, within=30)
    assert world.kubectl.get("pod", "w-0")["metadata"]["uid"] != before


def is_observed(world: World) -> bool:
    item = world.kubectl.get("statefulset", "w")
    return bool(item["status"]["observedGeneration"] >= item["metadata"]["generation"])
