"""The Fleet port on a real API server with real controllers: every action twice, preconditions, what is left alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.cluster import Kubectl
from tests.support.polling import eventually
from tierwise.adapters.kubernetes.client import Client, connect
from tierwise.adapters.kubernetes.fleet import KubernetesFleet
from tierwise.adapters.kubernetes.mirror import Mirror
from tierwise.api.common import Version
from tierwise.api.modelrollout import ModelRolloutSpec
from tierwise.api.names import ANNOTATION_ROLLED_BACK_FROM, FINALIZER, LABEL_ARM
from tierwise.rollout.actions import (
    Annotate,
    ApplyTwin,
    CreateRollout,
    DeleteRollout,
    DeleteTwin,
    Deliver,
    Event,
    ScaleTwin,
    SetFinalizer,
)
from tierwise.rollout.observation import DeploymentView, RolloutView, TierView, TwinView, WorkloadView
from tierwise.runtime.errors import ConflictError, SpecError

pytestmark = pytest.mark.needs_cluster

V1 = Version(name="v1", image="registry.example/model:v1", parameters={"MODEL_VERSION": "v1"})
V2 = Version(name="v2", image="registry.example/model:v2", parameters={"MODEL_VERSION": "v2"})


class Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def a_workload(
    name: str, *, tier: str = "3", replicas: int = 2, labels: dict[str, str] | None = None
) -> dict[str, Any]:
    own = {"app": "model", "workload": name}
    container = {
        "name": "server",
        "image": "registry.example/model:v1",
        "env": [{"name": "MODEL_VERSION", "value": "v1"}, {"name": "LOG_LEVEL", "value": "info"}],
        "resources": {"requests": {"cpu": "1m"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels or {"app": "model", "tier": tier}},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": own},
            "template": {
                "metadata": {"labels": own},
                "spec": {"containers": [container, {"name": "proxy", "image": "registry.example/proxy:1"}]},
            },
        },
    }


def a_model_deployment(name: str = "model") -> dict[str, Any]:
    metric = {"name": "accuracy", "margin": {"absolute": 0.01}}
    return {
        "apiVersion": "tierwise.io/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name},
        "spec": {
            "model": "model",
            "version": V1.to_wire(),
            "delivery": {"container": "server"},
            "tiers": [{"name": "tier-3", "workloads": {"selector": {"matchLabels": {"app": "model", "tier": "3"}}}}],
            "analysis": {"datasets": [{"name": "all", "metrics": [metric]}]},
        },
    }


@dataclass
class World:
    """A ModelDeployment with one workload in a namespace of its own, and the Fleet that serves it."""

    namespace: str
    kubectl: Kubectl
    fleet: KubernetesFleet
    client: Client
    woken: list[tuple[str, str]]

    def deployment(self, name: str = "model") -> DeploymentView:
        view = self.fleet.get_deployment(self.namespace, name)
        assert view is not None
        return view

    def tier(self) -> TierView:
        return self.fleet.list_tiers(self.deployment())[0]

    def workload(self, name: str = "w") -> WorkloadView:
        return next(workload for workload in self.tier().workloads if workload.name == name)

    def twin(self) -> TwinView | None:
        return next((twin for twin in self.tier().twins if twin.name == "w-candidate"), None)

    def rollout(self) -> RolloutView:
        self.fleet.apply(self.deployment(), self.create_rollout())
        return self.fleet.list_rollouts(self.deployment())[0]

    def create_rollout(self, to: Version = V2) -> CreateRollout:
        spec = self.deployment().spec
        strategy = {"delivery": spec.delivery, "tiers": spec.tiers, "analysis": spec.analysis}
        values = {
            "modelDeployment": "model",
            "model": "model",
            "revision": 1,
            "from": V1,
            "to": to,
            "strategy": strategy,
        }
        return CreateRollout("model-1", ModelRolloutSpec.model_validate(values))

    def apply_twin(self, rollout: RolloutView, **changes: Any) -> ApplyTwin:
        action = ApplyTwin(
            tier="tier-3",
            workload_name="w",
            workload_uid=self.workload().uid,
            twin_name="w-candidate",
            rollout_name=rollout.name,
            rollout_uid=rollout.uid,
            container="server",
            version=V2,
            replicas=1,
        )
        return replace(action, **changes)

    def deliver(self, version: Version = V2, *, force: bool = True, uid: str | None = None) -> Deliver:
        return Deliver("tier-3", "Deployment", "w", uid or self.workload().uid, "server", version, force)

    def resource_version(self, *what: str) -> str:
        return str(self.kubectl.get(*what)["metadata"]["resourceVersion"])


@pytest.fixture
def world(control_plane: Any, crds_installed: None, namespace: str, kubectl: Kubectl) -> Iterator[World]:
    client = connect(str(control_plane.kubeconfig))
    woken: list[tuple[str, str]] = []
    kubectl.apply(a_workload("w"), a_model_deployment())
    mirror = Mirror(client, (namespace,), lambda ns, name: woken.append((ns, name)))
    mirror.start()
    world = World(namespace, kubectl, KubernetesFleet(client, mirror, Clock()), client, woken)
    eventually(lambda: is_ready(world.workload()), within=30, what="the workload's pods are ready")
    yield world
    mirror.stop()


def is_ready(workload: WorkloadView | TwinView | None) -> bool:
    return workload is not None and workload.settled and workload.pods.ready == workload.replicas


def test_a_workload_is_seen_with_its_own_ready_pods(world: World):
    workload = world.workload()
    assert (workload.kind, workload.replicas, workload.containers) == ("Deployment", 2, ("server", "proxy"))
    assert workload.running is not None
    assert workload.running.image == V1.image
    assert workload.running.environment == {"MODEL_VERSION": "v1", "LOG_LEVEL": "info"}
    assert (workload.pods.total, workload.pods.ready, workload.pods.outdated) == (2, 2, 0)
    assert workload.last_writer is not None
    assert workload.last_writer.startswith("kubectl")


def test_what_does_not_exist_is_none(world: World):
    assert world.fleet.get_deployment(world.namespace, "other") is None
    assert world.fleet.get_dataset(world.namespace, "other") is None
    assert world.fleet.get_secret(world.namespace, "other", "key") is None


def test_creating_a_rollout_twice_makes_one_and_another_spec_is_a_conflict(world: World):
    first, second = world.rollout(), world.rollout()
    assert first.uid == second.uid
    assert first.owner_uid == world.deployment().uid
    assert first.has_finalizer
    with pytest.raises(ConflictError):
        world.fleet.apply(world.deployment(), world.create_rollout(to=Version(name="v3", image="x")))


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
    set_by_reference(world)
    version = Version(name="v2", image=V2.image, parameters={"NODE": "x"})
    world.fleet.apply(world.deployment(), world.apply_twin(world.rollout(), version=version))
    twin = world.twin()
    assert twin is not None
    assert "sets parameter NODE of the version by valueFrom" in str(twin.blocked)
    assert len(world.kubectl.get("deployments")["items"]) == 1


def set_by_reference(world: World) -> None:
    env = [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "server", "env": env}]}}}}
    world.kubectl("patch", "deployment", "w", "--type=strategic", "-p", json.dumps(patch))


def test_a_delivery_owns_exactly_image_and_parameters(world: World):
    world.fleet.apply(world.deployment(), world.deliver())
    item = world.kubectl.get("deployment", "w", "--show-managed-fields")
    entry = next(each for each in item["metadata"]["managedFields"] if each["manager"] == "tierwise")
    assert entry["operation"] == "Apply"
    container = {
        ".": {},
        "f:name": {},
        "f:image": {},
        "f:env": {'k:{"name":"MODEL_VERSION"}': {".": {}, "f:name": {}, "f:value": {}}},
    }
    owned = entry["fieldsV1"]["f:spec"]["f:template"]["f:spec"]["f:containers"]['k:{"name":"server"}']
    assert {key: value for key, value in owned.items() if value or key != "."} == {
        key: value for key, value in container.items() if value or key != "."
    }
    assert set(entry["fieldsV1"]) == {"f:spec"}
    running = world.workload().running
    assert running is not None
    assert running.environment == {"MODEL_VERSION": "v2", "LOG_LEVEL": "info"}
    assert world.workload().replicas == 2
    eventually(lambda: is_ready(world.workload()) and world.workload().pods.terminating == 0, within=60)
    assert world.workload().pods.outdated == 0
    settled = world.resource_version("deployment", "w")
    world.fleet.apply(world.deployment(), world.deliver())
    assert world.resource_version("deployment", "w") == settled  # the second time writes nothing


def test_delivering_the_old_version_again_gives_the_parameters_back(world: World):
    wider = Version(name="v2", image=V2.image, parameters={"MODEL_VERSION": "v2", "EXTRA": "1"})
    world.fleet.apply(world.deployment(), world.deliver(wider))
    world.fleet.apply(world.deployment(), world.deliver(V1))
    running = world.workload().running
    assert running is not None
    assert running.image == V1.image
    assert running.environment == {"MODEL_VERSION": "v1", "LOG_LEVEL": "info"}


def test_a_delivery_to_a_workload_made_anew_or_gone_is_a_conflict(world: World):
    old = world.workload().uid
    world.kubectl("delete", "deployment", "w")
    with pytest.raises(ConflictError):
        world.fleet.apply(world.deployment(), world.deliver(uid=old))
    world.kubectl.apply(a_workload("w"))
    with pytest.raises(ConflictError):
        world.fleet.apply(world.deployment(), world.deliver(uid=old))


def test_a_mistyped_container_is_not_added(world: World):
    with pytest.raises(SpecError, match=r"no container 'sever' \(containers: server, proxy\)"):
        world.fleet.apply(world.deployment(), replace(world.deliver(), container="sever"))
    assert world.workload().containers == ("server", "proxy")


def test_a_foreign_write_is_seen_and_without_force_not_overwritten(world: World):
    world.fleet.apply(world.deployment(), world.deliver())
    world.kubectl("set", "image", "deployment/w", "server=registry.example/model:hotfix", "--field-manager=argocd")
    running = world.workload().running
    assert running is not None
    assert running.image.endswith(":hotfix")
    assert world.workload().last_writer == "argocd"
    with pytest.raises(ConflictError):
        world.fleet.apply(world.deployment(), world.deliver(force=False))
    world.fleet.apply(world.deployment(), world.deliver(force=True))
    running = world.workload().running
    assert running is not None
    assert running.image == V2.image


def test_a_parameter_that_is_set_by_reference_is_told_as_a_conflict_of_parameters(world: World):
    set_by_reference(world)
    version = Version(name="v2", image=V2.image, parameters={"NODE": "x"})
    with pytest.raises(SpecError) as refused:
        world.fleet.apply(world.deployment(), world.deliver(version))
    assert refused.value.reason == "ParameterConflict"


def test_an_autoscaler_and_the_replicas_are_left_alone(world: World):
    world.kubectl("autoscale", "deployment", "w", "--min=2", "--max=9", "--cpu=50%")
    rollout = world.rollout()
    world.fleet.apply(world.deployment(), world.apply_twin(rollout))
    world.kubectl("scale", "deployment/w", "--replicas=5")  # as the autoscaler would
    world.fleet.apply(world.deployment(), world.deliver())
    assert world.workload().replicas == 5
    assert world.kubectl.get("hpa", "w")["spec"]["maxReplicas"] == 9
    assert len(world.kubectl.get("hpa")["items"]) == 1


def test_a_workload_that_an_autoscaler_targets_is_told_while_a_twin_is_there(world: World):
    world.fleet.apply(world.deployment(), world.apply_twin(world.rollout()))
    assert not world.workload().autoscaled
    world.kubectl("autoscale", "deployment", "w", "--min=2", "--max=9", "--cpu=50%")
    assert world.workload().autoscaled
    world.kubectl.apply(a_workload("w2"))
    eventually(lambda: not world.workload("w2").autoscaled, within=10, what="only its target is scaled")


def test_the_status_is_written_once_per_observed_version(world: World):
    view = world.deployment()
    status = view.status.model_copy(update={"last_revision": 7})
    world.fleet.replace_deployment_status(view, status)
    assert world.deployment().status.last_revision == 7
    assert world.deployment().generation == view.generation
    assert world.deployment().spec == view.spec
    with pytest.raises(ConflictError):
        world.fleet.replace_deployment_status(view, status)
    rollout = world.rollout()
    done = rollout.status.model_copy(update={"result": "Completed"})
    world.fleet.replace_rollout_status(rollout, world.namespace, done)
    assert world.fleet.list_rollouts(world.deployment())[0].status.result == "Completed"
    with pytest.raises(ConflictError):
        world.fleet.replace_rollout_status(rollout, world.namespace, done)


def test_finalizers_and_annotations_of_others_stay(world: World):
    world.kubectl("patch", "mdep", "model", "--type=merge", "-p", '{"metadata":{"finalizers":["example.com/theirs"]}}')
    for _ in range(2):
        world.fleet.apply(world.deployment(), SetFinalizer(present=True))
    assert world.kubectl.get("mdep", "model")["metadata"]["finalizers"] == ["example.com/theirs", FINALIZER]
    for _ in range(2):
        world.fleet.apply(world.deployment(), SetFinalizer(present=False))
    assert world.kubectl.get("mdep", "model")["metadata"]["finalizers"] == ["example.com/theirs"]
    world.kubectl("patch", "mdep", "model", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    world.kubectl("annotate", "mdep", "model", "theirs=kept")
    for _ in range(2):
        world.fleet.apply(world.deployment(), Annotate({ANNOTATION_ROLLED_BACK_FROM: "v2"}))
    annotations = world.deployment().annotations
    assert (annotations["theirs"], annotations[ANNOTATION_ROLLED_BACK_FROM]) == ("kept", "v2")
    world.fleet.apply(world.deployment(), Annotate({ANNOTATION_ROLLED_BACK_FROM: None}))
    assert ANNOTATION_ROLLED_BACK_FROM not in world.deployment().annotations


def test_a_rollout_is_deleted_by_uid_and_waits_for_its_finalizer(world: World):
    rollout = world.rollout()
    with pytest.raises(ConflictError):
        world.fleet.apply(world.deployment(), DeleteRollout(rollout.name, "another"))
    for _ in range(2):
        world.fleet.apply(world.deployment(), DeleteRollout(rollout.name, rollout.uid))
    assert world.fleet.list_rollouts(world.deployment())[0].deleting
    for _ in range(2):
        world.fleet.apply(world.deployment(), SetFinalizer(present=False, rollout_name=rollout.name))
    assert world.fleet.list_rollouts(world.deployment()) == ()
    world.fleet.apply(world.deployment(), DeleteRollout(rollout.name, rollout.uid))


def test_a_twin_goes_with_its_rollout(world: World):
    rollout = world.rollout()
    world.fleet.apply(world.deployment(), world.apply_twin(rollout))
    world.fleet.apply(world.deployment(), SetFinalizer(present=False, rollout_name=rollout.name))
    world.fleet.apply(world.deployment(), DeleteRollout(rollout.name, rollout.uid))
    eventually(lambda: world.twin() is None, within=60, every=0.5)


def test_the_same_event_twice_is_one_event_with_a_count(world: World):
    event = Event("Warning", "Regressed", "carrier=HA is worse")
    for _ in range(3):
        world.fleet.emit(world.deployment(), None, [event])
    found = world.kubectl.get("events", "--field-selector=reason=Regressed")["items"]
    assert [(each["count"], each["message"], each["type"]) for each in found] == [(3, "carrier=HA is worse", "Warning")]
    assert "carrier=HA is worse" in world.kubectl("describe", "mdep", "model")


def test_a_claim_of_another_on_the_same_workload_is_seen_and_wakes_both(world: World):
    world.kubectl.apply(a_model_deployment("rival"))
    claims = eventually(lambda: world.fleet.list_claims(world.deployment()), within=10)
    assert [(claim.deployment, claim.workload_uid) for claim in claims] == [("rival", world.workload().uid)]
    eventually(lambda: (world.namespace, "model") in world.woken, within=10)


def test_a_change_of_a_workload_wakes_its_model_deployment(world: World):
    world.woken.clear()
    world.kubectl("scale", "deployment/w", "--replicas=3")
    eventually(lambda: (world.namespace, "model") in world.woken, within=10)


def test_secrets_and_datasets_are_read_by_name(world: World):
    world.kubectl("create", "secret", "generic", "store", "--from-literal=dsn=clickhouse://u:p@h/d")
    assert world.fleet.get_secret(world.namespace, "store", "dsn") == "clickhouse://u:p@h/d"
    assert world.fleet.get_secret(world.namespace, "store", "other") is None
    dataset = {
        "apiVersion": "tierwise.io/v1alpha1",
        "kind": "MonitoringDataset",
        "metadata": {"name": "all"},
        "spec": {"table": "predictions", "maturity": "5s"},
    }
    world.kubectl.apply(dataset)
    spec = world.fleet.get_dataset(world.namespace, "all")
    assert spec is not None
    assert (spec.table, spec.maturity) == ("predictions", "5s")


def test_nothing_is_written_once_the_guard_says_no(world: World):
    class LostError(Exception):
        pass

    def guard() -> None:
        raise LostError

    before = world.resource_version("deployment", "w")
    action = world.deliver()
    deployment = world.deployment()
    world.client.guard = guard
    with pytest.raises(LostError):
        world.fleet.apply(deployment, action)
    assert world.resource_version("deployment", "w") == before
