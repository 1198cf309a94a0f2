"""A StatefulSet or DaemonSet with pods of its own as plain JSON, and an API server that has only these."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime
from typing import Any

from tests.unit.adapters.builders import Json, a_deployment, a_pod, server_of
from tierwise.adapters.kubernetes.workloads.pods import PodRecord, pod_record
from tierwise.api.common import Version
from tierwise.errors import ForbiddenError
from tierwise.rollout.state.actions import Deliver

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
V7 = Version(name="v7", image="bot:v7", parameters={"MODEL_VERSION": "v7"})
V8 = Version(name="v8", image="bot:v8", parameters={"MODEL_VERSION": "v8"})
OLD, NEW = "w-old", "w-new"


def a_stateful_set(version: str = "v8", *, replicas: int = 4, partition: int = 0, **changes: Any) -> Json:
    """Under a partition, where that is not 0; its controller has seen all of it."""
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}
    revisions = {"currentRevision": OLD, "updateRevision": NEW if version == "v8" else OLD}
    counts = {"replicas": replicas, "updatedReplicas": replicas, "availableReplicas": replicas}
    status = {"observedGeneration": 3, "readyReplicas": replicas, **counts, **revisions}
    item = a_deployment("w", kind="StatefulSet", spec__replicas=replicas, status=status)
    item["spec"]["updateStrategy"] = strategy
    return _with(item, version, changes)


def a_daemon_set(version: str = "v8", *, nodes: int = 5, **changes: Any) -> Json:
    """On so many nodes, under OnDelete."""
    counts = {"updatedNumberScheduled": nodes, "numberAvailable": nodes, "currentNumberScheduled": nodes}
    item = a_deployment(
        "w", kind="DaemonSet", status={"observedGeneration": 3, "desiredNumberScheduled": nodes, **counts}
    )
    item["spec"]["updateStrategy"] = {"type": "OnDelete"}
    return _with(item, version, changes)


def _with(item: Json, version: str, changes: dict[str, Any]) -> Json:
    server_of(item)["image"] = f"bot:{version}"
    server_of(item)["env"][0]["value"] = version
    return _with_changes(item, changes)


def a_pod_of(index: int, version: str = "v7", *, ready: bool = True, **changes: Any) -> Json:
    """w-<index>, on a node of its own."""
    item = a_pod(f"w-{index}", image=f"bot:{version}", version=version, ready=ready)
    owner = {"kind": "StatefulSet", "name": "w", "uid": "uid-w", "controller": True}
    item["metadata"] |= {
        "ownerReferences": [owner],
        "labels": {"controller-revision-hash": NEW if version == "v8" else OLD},
    }
    item["spec"]["nodeName"] = f"node-{index}"
    return _with_changes(item, changes)


def _with_changes(item: Json, changes: dict[str, Any]) -> Json:
    for path, value in changes.items():
        *parents, last = path.split("__")
        target = item
        for part in parents:
            target = target[part]
        target[last] = value
    return item


def records(*items: Json) -> list[PodRecord]:
    return [pod_record(item) for item in items]


def a_delivery(kind: str, version: Version = V8, *, pods: int | None = None, own: str | None = None) -> Deliver:
    return Deliver("tier-3", kind, "w", "uid-w", "server", version, True, pods, own)


class FakeServer:
    """Stands for `Client`: one workload, its pods, and what was asked for, in order."""

    def __init__(self, item: Json, *pods: Json, forbids: str | None = None) -> None:
        self.item = deepcopy(item)
        self.pods = {pod["metadata"]["name"]: deepcopy(pod) for pod in pods}
        self.forbids = forbids
        self.asked: list[str] = []

    def find(self, path: str) -> Json | None:
        return deepcopy(self.item)

    def list_items(self, path: str, *, labels: Any = None) -> list[Json]:
        return deepcopy(list(self.pods.values()))

    def apply(self, path: str, body: Json, **_: Any) -> Json:
        container = body["spec"]["template"]["spec"]["containers"][0]
        if server_of(self.item)["image"] != container["image"]:
            self.asked.append(f"image {container['image']}")
            server_of(self.item)["image"] = container["image"]
            server_of(self.item)["env"][0]["value"] = container["env"][0]["value"]
            self.item["metadata"]["generation"] += 1
        return deepcopy(self.item)

    def patch(self, path: str, body: Json) -> Json:
        changed = _merged(self.item["spec"].get("updateStrategy") or {}, body["spec"]["updateStrategy"])
        self.item["spec"]["updateStrategy"] = changed
        self.item["metadata"]["generation"] += 1
        self.asked.append(f"strategy {changed}")
        return deepcopy(self.item)

    def delete(self, path: str, *, uid: str) -> None:
        name = path.rpartition("/")[2]
        if self.forbids == "delete":
            raise ForbiddenError(403, "Forbidden", f"pods {name} is forbidden")
        self.asked.append(f"delete {name}")
        del self.pods[name]


def _merged(live: Json, patch: Json) -> Json:
    after = dict(live)
    for key, value in patch.items():
        if value is None:
            after.pop(key, None)
        else:
            after[key] = _merged(after.get(key) or {}, value) if isinstance(value, dict) else value
    return after
