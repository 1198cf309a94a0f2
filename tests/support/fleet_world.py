"""A ModelDeployment with one workload on a real API server, and the Fleet that serves it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.support.cluster import Kubectl
from tests.support.polling import eventually
from tierwise.adapters.kubernetes.caches.mirror import Mirror
from tierwise.adapters.kubernetes.client import Client, connect
from tierwise.adapters.kubernetes.fleet import KubernetesFleet
from tierwise.api.common import Version
from tierwise.api.modelrollout import ModelRolloutSpec
from tierwise.rollout.delivery.converge import is_done
from tierwise.rollout.state.actions import ApplyTwin, CreateRollout, Deliver, RestoreStrategy
from tierwise.rollout.state.observation import DeploymentView, RolloutView, TierView, TwinView, WorkloadView

V1 = Version(name="v1", image="registry.example/model:v1", parameters={"MODEL_VERSION": "v1"})
V2 = Version(name="v2", image="registry.example/model:v2", parameters={"MODEL_VERSION": "v2"})


class Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


def a_workload(
    name: str,
    *,
    tier: str = "3",
    replicas: int = 2,
    labels: dict[str, str] | None = None,
    kind: str = "Deployment",
) -> dict[str, Any]:
    """Two pods, or as many as asked for; a DaemonSet has one per node."""
    own = {"app": "model", "workload": name}
    container = {
        "name": "server",
        "image": "registry.example/model:v1",
        "env": [{"name": "MODEL_VERSION", "value": "v1"}, {"name": "LOG_LEVEL", "value": "info"}],
        "resources": {"requests": {"cpu": "1m"}},
    }
    of_kind: dict[str, dict[str, Any]] = {
        "Deployment": {"replicas": replicas},
        "StatefulSet": {"replicas": replicas, "serviceName": name},
        "DaemonSet": {},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name, "labels": labels or {"app": "model", "tier": tier}},
        "spec": {
            **of_kind[kind],
            "selector": {"matchLabels": own},
            "template": {
                "metadata": {"labels": own},
                "spec": {"containers": [container, {"name": "proxy", "image": "registry.example/proxy:1"}]},
            },
        },
    }


def a_model_deployment(name: str = "model", kind: str = "Deployment") -> dict[str, Any]:
    selector = {"matchLabels": {"app": "model", "tier": "3"}}
    metric = {"name": "accuracy", "margin": {"absolute": 0.01}}
    return {
        "apiVersion": "tierwise.io/v1alpha1",
        "kind": "ModelDeployment",
        "metadata": {"name": name},
        "spec": {
            "model": "model",
            "version": V1.to_wire(),
            "delivery": {"container": "server"},
            "tiers": [{"name": "tier-3", "workloads": {"kind": kind, "selector": selector}}],
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
    kind: str
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
            kind=self.kind,
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

    def deliver(self, version: Version = V2, *, force: bool = True, uid: str | None = None, **place: Any) -> Deliver:
        return Deliver("tier-3", self.kind, "w", uid or self.workload().uid, "server", version, force, **place)

    def restore(self, update_strategy: str | None) -> RestoreStrategy:
        assert update_strategy is not None
        return RestoreStrategy(self.kind, "w", self.workload().uid, update_strategy)

    def pods_by_image(self) -> dict[str, list[str]]:
        """Names of the workload's ready pods, by the tag of their image."""
        found: dict[str, list[str]] = {}
        for pod in self.kubectl.get("pods", "-l", "workload=w")["items"]:
            conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
            if conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]:
                found.setdefault(pod["spec"]["containers"][0]["image"].split(":")[1], []).append(
                    pod["metadata"]["name"]
                )
        return {tag: sorted(names) for tag, names in found.items()}

    def pod_counts(self) -> dict[str, int]:
        """How many of the workload's pods are ready, by the tag of their image."""
        return {tag: len(names) for tag, names in self.pods_by_image().items()}

    def pods_of(self, version: Version) -> list[dict[str, Any]]:
        """The workload's pods with the version's image, as the API server has them."""
        pods = self.kubectl.get("pods", "-l", "workload=w")["items"]
        return [pod for pod in pods if pod["spec"]["containers"][0]["image"] == version.image]

    def deliver_to(self, pods: int, own: str | None, version: Version = V2) -> None:
        """As the decision asks for it in place: again until so many pods have the version. `own`: its own strategy."""

        def is_there() -> bool:
            if (self.workload().updating or 0) < pods:
                self.fleet.apply(self.deployment(), self.deliver(version, pods=pods, update_strategy=own))
            return self.pod_counts().get(version.name) == pods

        eventually(is_there, within=60, what=f"{pods} pods have {version.name}")

    def generation(self) -> int:
        """Of the workload: it counts writes that change the spec."""
        return int(self.kubectl.get(self.kind, "w")["metadata"]["generation"])

    def patch(self, spec: dict[str, Any]) -> None:
        """Change the workload's spec, as a person does."""
        self.kubectl("patch", self.kind, "w", "--type=merge", "-p", json.dumps({"spec": spec}))

    def set_by_reference(self) -> None:
        """The workload sets a parameter from a field of the pod."""
        env = [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]
        patch = {"spec": {"template": {"spec": {"containers": [{"name": "server", "env": env}]}}}}
        self.kubectl("patch", self.kind, "w", "--type=strategic", "-p", json.dumps(patch))

    def resource_version(self, *what: str) -> str:
        return str(self.kubectl.get(*what)["metadata"]["resourceVersion"])


@pytest.fixture
def kind() -> str:
    """The workload's kind; files about other kinds have a fixture of this name."""
    return "Deployment"


@pytest.fixture
def world(control_plane: Any, crds_installed: None, namespace: str, kubectl: Kubectl, kind: str) -> Iterator[World]:
    """A world with one workload whose pods are ready."""
    client = connect(str(control_plane.kubeconfig))
    woken: list[tuple[str, str]] = []
    kubectl.apply(a_workload("w", kind=kind), a_model_deployment(kind=kind))
    mirror = Mirror(client, (namespace,), lambda ns, name: woken.append((ns, name)))
    mirror.start()
    world = World(namespace, kubectl, KubernetesFleet(client, mirror, Clock()), client, kind, woken)
    eventually(lambda: is_ready(world.workload()), within=30, what="the workload's pods are ready")
    yield world
    mirror.stop()


@pytest.fixture
def five_pods(world: World, admin: Kubectl) -> Iterator[None]:
    """The workload has five pods; those of a DaemonSet are on five nodes of the test's own."""
    nodes = [f"{world.namespace}-{index}" for index in range(5)] if world.kind == "DaemonSet" else []
    labels = {"type": "kwok", "of": world.namespace}
    try:
        if nodes:
            made = (
                {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}} for name in nodes
            )
            admin.apply(*made)
            world.patch({"template": {"spec": {"nodeSelector": {"of": world.namespace}}}})
        else:
            world.patch({"replicas": 5})
        eventually(lambda: world.workload().replicas == 5 and is_done(world.workload()), within=60)
        yield
    finally:
        if nodes:
            admin("delete", "node", *nodes, "--wait=false")


def is_ready(workload: WorkloadView | TwinView | None) -> bool:
    return workload is not None and workload.settled and workload.pods.ready == workload.replicas
