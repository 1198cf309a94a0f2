"""What Tierwise writes of workloads: the twin, and the applied part of a workload. Pure: JSON in, JSON out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

from tierwise.adapters.kubernetes.workloads.views import container_named
from tierwise.api.common import Version
from tierwise.api.names import (
    API_VERSION,
    FIELD_MANAGER,
    LABEL_ARM,
    LABEL_DEPLOYMENT,
    LABEL_ROLLOUT,
    LABEL_TIER,
    LABEL_TWIN,
)
from tierwise.api.workload_kinds import WorkloadKind
from tierwise.rollout.state.actions import ApplyTwin, Deliver

Json = dict[str, Any]


def label_value(name: str) -> str:
    """A name as a label's value: names over 63 characters are cut and made unique by a hash."""
    return name if len(name) <= 63 else f"{name[:50]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def with_version(container: Mapping[str, Any], version: Version) -> Json:
    """The container with the version's image (if it names one) and parameters; other values stay in place."""
    changed = deepcopy(dict(container))
    if version.image is not None:
        changed["image"] = version.image
    environment = [dict(entry) for entry in changed.get("env") or []]
    known = {entry["name"]: entry for entry in environment}
    for key, value in sorted(version.parameters.items()):
        if key in known:
            known[key].pop("valueFrom", None)
            known[key]["value"] = value
        else:
            environment.append({"name": key, "value": value})
    if environment:
        changed["env"] = environment
    return changed


def twin_manifest(source: Json, namespace: str, deployment_name: str, action: ApplyTwin) -> Json:
    """The candidate twin of a live workload: its template with the version, and a selector no other pod meets.

    `source` is the spec of a Deployment with the workload's own pods (`Workload.twin_spec`).

    The object carries only Tierwise's labels: copied ones would match the tier's own selector. Its pods carry the
    workload's labels (Services select them) plus the arm's.
    """
    template = deepcopy(source["template"])
    template.setdefault("metadata", {}).setdefault("labels", {})[LABEL_ARM] = "candidate"
    template["metadata"].pop("creationTimestamp", None)
    template["spec"]["containers"] = [
        with_version(container, action.version) if container["name"] == action.container else container
        for container in template["spec"]["containers"]
    ]
    selector = deepcopy(source["selector"])
    selector.setdefault("matchLabels", {})[LABEL_ARM] = "candidate"
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": action.twin_name,
            "namespace": namespace,
            "labels": {
                LABEL_TWIN: label_value(action.workload_name),
                LABEL_DEPLOYMENT: label_value(deployment_name),
                LABEL_ROLLOUT: label_value(action.rollout_name),
                LABEL_TIER: label_value(action.tier),
            },
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": "ModelRollout",
                    "name": action.rollout_name,
                    "uid": action.rollout_uid,
                    "controller": True,
                }
            ],
        },
        "spec": {
            **deepcopy(source),
            "replicas": action.replicas,
            "selector": selector,
            "template": template,
        },
    }


def owns_image(workload: Mapping[str, Any], container: str) -> bool:
    """Whether an earlier apply of ours owns the container's image."""
    for entry in workload["metadata"].get("managedFields") or []:
        if entry.get("manager") == FIELD_MANAGER and entry.get("operation") == "Apply":
            fields = entry.get("fieldsV1") or {}
            for key in ("f:spec", "f:template", "f:spec", "f:containers", f'k:{{"name":"{container}"}}'):
                fields = fields.get(key) or {}
            return "f:image" in fields
    return False


def delivery_manifest(workload: Mapping[str, Any], action: Deliver) -> Json:
    """What is applied to a workload of that uid: exactly the container's image and the version's parameters."""
    container: Json = {"name": action.container}
    if action.version.image is not None:
        container["image"] = action.version.image
    elif owns_image(workload, action.container):
        # Leaving out what an earlier apply owns would remove it, and a container without an image is refused.
        container["image"] = (container_named(workload["spec"]["template"], action.container) or {})["image"]
    if action.version.parameters:
        container["env"] = [{"name": key, "value": value} for key, value in sorted(action.version.parameters.items())]
    metadata = workload["metadata"]
    return {
        "apiVersion": WorkloadKind(action.kind).facts.api_version,
        "kind": action.kind,
        "metadata": {"name": action.workload_name, "namespace": metadata["namespace"], "uid": action.workload_uid},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }
