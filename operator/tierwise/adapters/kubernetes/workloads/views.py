"""Deployments as the decision sees them. Pure: JSON in, values out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from typing import Any

from tierwise.adapters.kubernetes.workloads.pods import PodRecord, controller_of, count_pods, running_of
from tierwise.api.names import FIELD_MANAGER, LABEL_ARM, LABEL_TWIN, TWIN_SUFFIX
from tierwise.rollout.state.observation import Running, TwinView, WorkloadView

Json = Mapping[str, Any]


def container_named(template: Json, name: str) -> dict[str, Any] | None:
    """The container of a pod template; None when there is none of that name."""
    for container in template["spec"].get("containers") or []:
        if container["name"] == name:
            return dict(container)
    return None


def template_fingerprint(template: Json, container: str) -> str:
    """Hash of a pod template without the container's image and plain environment values and without the arm's label.

    A workload and its twin have the same fingerprint; an edit by a person changes it.
    """
    rest = deepcopy(dict(template))
    labels = (rest.get("metadata") or {}).get("labels") or {}
    labels.pop(LABEL_ARM, None)
    for entry in rest["spec"].get("containers") or []:
        if entry["name"] == container:
            entry.pop("image", None)
            entry["env"] = [value for value in entry.get("env") or [] if "valueFrom" in value]
    (rest.get("metadata") or {}).pop("creationTimestamp", None)
    return hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()[:16]


def is_settled(item: Json) -> bool:
    """Whether its controller is done: observedGeneration current, updated = available = all = wanted replicas."""
    wanted, status = item["spec"].get("replicas", 1), item.get("status") or {}
    counts = (status.get("updatedReplicas", 0), status.get("availableReplicas", 0), status.get("replicas", 0))
    return status.get("observedGeneration", 0) >= item["metadata"]["generation"] and counts == (wanted, wanted, wanted)


def last_writer(item: Json, container: str, parameters: Collection[str]) -> str | None:
    """The field manager that last wrote the container's image or one of the parameters, by managedFields' times.

    Those are whole seconds. Within one the other manager is named: had Tierwise written last, it would own the field.
    """
    latest: tuple[str, bool, str] | None = None
    for entry in item["metadata"].get("managedFields") or []:
        fields = entry.get("fieldsV1") or {}
        for key in ("f:spec", "f:template", "f:spec", "f:containers", f'k:{{"name":"{container}"}}'):
            fields = fields.get(key) or {}
        env = fields.get("f:env") or {}
        # The variable's name stays with who made it; its value is with who wrote it.
        if "f:image" in fields or any("f:value" in env.get(f'k:{{"name":"{name}"}}', ()) for name in parameters):
            manager = str(entry.get("manager", ""))
            written = (str(entry.get("time", "")), manager != FIELD_MANAGER, manager)
            latest = max(latest or written, written)
    return latest[2] if latest else None


def blocked_message(item: Json, pods: Sequence[PodRecord]) -> str | None:
    """What keeps pods from existing: the controller's ReplicaFailure (quota, admission), or the scheduler's message."""
    for condition in (item.get("status") or {}).get("conditions") or []:
        if condition["type"] == "ReplicaFailure" and condition["status"] == "True":
            return str(condition.get("message") or condition.get("reason") or "ReplicaFailure")
    return next((pod.unschedulable for pod in pods if pod.unschedulable and not pod.terminating), None)


def is_twin(item: Json) -> bool:
    """Whether the object says that it is a twin of Tierwise's: by label and by an owner of kind ModelRollout."""
    labels = item["metadata"].get("labels") or {}
    return LABEL_TWIN in labels and controller_of(item).get("kind") == "ModelRollout"


def _running(item: Json, container: str) -> Running | None:
    found = container_named(item["spec"]["template"], container)
    return running_of(found) if found is not None else None


def workload_view(
    item: Json,
    container: str,
    pods: Sequence[PodRecord],
    *,
    parameters: Collection[str] = (),
    autoscaled: bool = False,
) -> WorkloadView:
    """A Deployment of a tier with its own pods. `parameters` are the variables by which versions are told apart."""
    template, running = item["spec"]["template"], _running(item, container)
    return WorkloadView(
        kind="Deployment",
        name=item["metadata"]["name"],
        uid=item["metadata"]["uid"],
        replicas=item["spec"].get("replicas", 1),
        running=running,
        containers=tuple(entry["name"] for entry in template["spec"].get("containers") or []),
        template_fingerprint=template_fingerprint(template, container),
        settled=is_settled(item),
        pods=count_pods(pods, container, running),
        last_writer=last_writer(item, container, parameters),
        autoscaled=autoscaled,
    )


def twin_view(item: Json, container: str, pods: Sequence[PodRecord], *, owned: bool) -> TwinView:
    """A twin, or a foreign object of a twin's name (`owned` False), with its own pods."""
    running = _running(item, container)
    return TwinView(
        name=item["metadata"]["name"],
        uid=item["metadata"]["uid"],
        twin_of=item["metadata"]["name"].removesuffix(TWIN_SUFFIX),
        owned=owned,
        replicas=item["spec"].get("replicas", 1),
        running=running,
        template_fingerprint=template_fingerprint(item["spec"]["template"], container),
        settled=is_settled(item),
        pods=count_pods(pods, container, running),
        blocked=blocked_message(item, pods),
        deleting="deletionTimestamp" in item["metadata"],
    )
