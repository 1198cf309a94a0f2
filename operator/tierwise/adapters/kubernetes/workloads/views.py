"""What a workload of any kind says of itself. Pure: JSON in, values out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from copy import deepcopy
from typing import Any

from tierwise.adapters.kubernetes.workloads.pods import PodRecord, controller_of, running_of, unschedulable
from tierwise.api.names import FIELD_MANAGER, LABEL_ARM, LABEL_TWIN
from tierwise.rollout.state.observation import Running

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


def last_writer(item: Json, container: str, parameters: Collection[str]) -> str | None:
    """The field manager that last wrote the container's image or one of the parameters, by managedFields' times.

    These times are whole seconds. If Tierwise and another manager wrote in the same second, the other one is named. If
    Tierwise had written last, it would own the field.
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
    return unschedulable(pods)


def is_twin(item: Json) -> bool:
    """Whether the object says that it is a twin of Tierwise's: by label and by an owner of kind ModelRollout."""
    labels = item["metadata"].get("labels") or {}
    return LABEL_TWIN in labels and controller_of(item).get("kind") == "ModelRollout"


def running_in(template: Json, container: str) -> Running | None:
    """What the container of a pod template runs; None when there is none of that name."""
    found = container_named(template, container)
    return running_of(found) if found is not None else None
