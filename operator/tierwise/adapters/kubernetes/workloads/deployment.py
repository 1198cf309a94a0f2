"""Writes of Deployments: twins, deliveries, deletions. Each is idempotent and carries its precondition."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from tierwise.adapters.kubernetes.client import Client
from tierwise.adapters.kubernetes.paths import path_of
from tierwise.adapters.kubernetes.workloads.manifests import delivery_manifest, twin_manifest
from tierwise.adapters.kubernetes.workloads.pods import controller_of
from tierwise.adapters.kubernetes.workloads.views import container_named
from tierwise.adapters.kubernetes.write_errors import write_error
from tierwise.api.names import FIELD_MANAGER
from tierwise.api.reasons import Reason
from tierwise.errors import ApiError, ConflictError, ForbiddenError, SpecError
from tierwise.rollout.state.actions import ApplyTwin, DeleteTwin, Deliver, ScaleTwin

logger = logging.getLogger(__name__)


def _workload(client: Client, namespace: str, name: str, uid: str, container: str) -> Mapping[str, Any]:
    """The live workload of that uid, checked to have the container (applying a mistyped name would *add* one)."""
    item = client.find(path_of("deployments", namespace, name))
    if item is None or item["metadata"]["uid"] != uid:
        raise ConflictError(f"Deployment {name}: is gone or was made anew")
    if container_named(item["spec"]["template"], container) is None:
        names = ", ".join(entry["name"] for entry in item["spec"]["template"]["spec"]["containers"])
        raise SpecError(
            f"Deployment {name} has no container {container!r} (containers: {names})",
            "set spec.delivery.container to the one that serves the model",
            reason=Reason.CONTAINER_MISSING,
        )
    return item


def _require_plain(workload: Mapping[str, Any], action: ApplyTwin) -> None:
    """A parameter that the workload sets by reference cannot be delivered: value beside valueFrom is refused."""
    container = container_named(workload["spec"]["template"], action.container) or {}
    for entry in container.get("env") or []:
        if "valueFrom" in entry and entry["name"] in action.version.parameters:
            raise SpecError(
                f"Deployment {action.workload_name} sets parameter {entry['name']} of the version by valueFrom",
                "give it a plain value in the workload, or take it out of spec.version.parameters",
                reason=Reason.PARAMETER_CONFLICT,
            )


def apply_twin(client: Client, namespace: str, deployment_name: str, action: ApplyTwin) -> None:
    """Create the twin, or bring it to the workload's live template; no write when nothing differs.

    Raises:
        ConflictError: workload or twin changed meanwhile, or a foreign object has the name.
        SpecError: ProbeUnavailable when quota, admission or a missing permission keeps it from being created;
            ParameterConflict when the version could not be delivered later.
    """
    workload = _workload(client, namespace, action.workload_name, action.workload_uid, action.container)
    _require_plain(workload, action)
    wanted = twin_manifest(workload, deployment_name, action)
    path = path_of("deployments", namespace, action.twin_name)
    live = client.find(path)
    try:
        if live is None:
            client.create(path_of("deployments", namespace), wanted)
            logger.info("twin %s/%s created with %d pods", namespace, action.twin_name, action.replicas)
            return
        if controller_of(live).get("uid") != action.rollout_uid or "deletionTimestamp" in live["metadata"]:
            raise ConflictError(f"Deployment {action.twin_name}: belongs to another owner or is being deleted")
        if all(live["spec"].get(key) == value for key, value in wanted["spec"].items()):
            return
        # Replace, not apply: what a person removed from the workload has to go from the twin too.
        wanted["metadata"] |= {key: live["metadata"][key] for key in ("uid", "resourceVersion")}
        client.replace(path, wanted)
        logger.info("twin %s/%s follows its workload, %d pods", namespace, action.twin_name, action.replicas)
    except ForbiddenError as error:
        raise SpecError(
            f"twin {action.twin_name} cannot be written: {error.message}",
            "raise the quota, mend the admission policy or give the operator's Role the verb",
            reason=Reason.PROBE_UNAVAILABLE,
        ) from error
    except ApiError as error:
        what, remedy = (
            f"twin {action.twin_name}",
            "see whether the workload's template is still valid for a second Deployment",
        )
        raise write_error(error, what, remedy, Reason.PROBE_UNAVAILABLE) from error


def scale_twin(client: Client, namespace: str, action: ScaleTwin) -> None:
    """Set the twin's replicas; no write when they are so already."""
    path = path_of("deployments", namespace, action.twin_name)
    live = client.find(path)
    if live is None or live["metadata"]["uid"] != action.twin_uid:
        raise ConflictError(f"twin {action.twin_name}: is gone or was made anew")
    if live["spec"].get("replicas") == action.replicas:
        return
    body = {"metadata": {"uid": action.twin_uid}, "spec": {"replicas": action.replicas}}
    try:
        client.patch(path, body)
    except ApiError as error:
        raise write_error(error, f"twin {action.twin_name}", "", Reason.PROBE_UNAVAILABLE) from error


def delete_twin(client: Client, namespace: str, action: DeleteTwin) -> None:
    """Delete in the foreground: the workload would adopt an orphaned ReplicaSet. Gone counts as done."""
    try:
        client.delete(
            path_of("deployments", namespace, action.twin_name), uid=action.twin_uid, propagation="Foreground"
        )
    except ApiError as error:
        raise write_error(error, f"twin {action.twin_name}", "", Reason.PROBE_UNAVAILABLE) from error
    logger.info("twin %s/%s deleted", namespace, action.twin_name)


def deliver(client: Client, namespace: str, action: Deliver) -> None:
    """Server-side apply of image and parameters into the workload.

    Raises:
        ConflictError: gone, made anew, or (without `force`) another manager owns a field with another value.
        SpecError: ContainerMissing; DeliveryRefused by quota, admission or a missing permission; ParameterConflict
            when the server refuses it otherwise (a parameter set by valueFrom).
    """
    workload = _workload(client, namespace, action.workload_name, action.workload_uid, action.container)
    path = path_of("deployments", namespace, action.workload_name)
    try:
        after = client.apply(path, delivery_manifest(workload, action), manager=FIELD_MANAGER, force=action.force)
    except ApiError as error:
        if not _is_denied(error):
            remedy = "give the parameter a plain value in the workload, or take it out of spec.version.parameters"
            raise write_error(error, f"Deployment {action.workload_name}", remedy, Reason.PARAMETER_CONFLICT) from error
        raise SpecError(
            f"delivery of {action.version.name} to Deployment {action.workload_name} is refused: {error.message}",
            "raise the quota, mend the admission policy or the Role; it is tried again by itself",
            reason=Reason.DELIVERY_REFUSED,
        ) from error
    if after["metadata"]["generation"] != workload["metadata"]["generation"]:
        logger.info("delivered %s to Deployment %s/%s", action.version.name, namespace, action.workload_name)


def _is_denied(error: ApiError) -> bool:
    """Refused by quota, a missing permission or admission, which may answer with any status."""
    said = error.message.lower()
    return isinstance(error, ForbiddenError) or "denied request" in said or "denied the request" in said
