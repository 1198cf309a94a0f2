"""Writes into a live workload of any kind. Each is idempotent and carries its precondition."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from tierwise.adapters.kubernetes.client import Client, Json
from tierwise.adapters.kubernetes.paths import path_of
from tierwise.adapters.kubernetes.workloads.base import Workload
from tierwise.adapters.kubernetes.workloads.manifests import delivery_manifest
from tierwise.adapters.kubernetes.workloads.views import container_named
from tierwise.adapters.kubernetes.write_errors import write_error
from tierwise.api.names import FIELD_MANAGER
from tierwise.api.reasons import Reason
from tierwise.errors import ApiError, ConflictError, ForbiddenError, SpecError
from tierwise.rollout.state.actions import Deliver

logger = logging.getLogger(__name__)


def find_live(client: Client, workload: Workload, namespace: str, name: str, uid: str) -> Json:
    """The live workload of that uid. Raises ConflictError when it is gone or was made anew."""
    item = client.find(path_of(workload.resource, namespace, name))
    if item is None or item["metadata"]["uid"] != uid:
        raise ConflictError(f"{workload.kind} {name}: is gone or was made anew")
    return item


def require_container(workload: Workload, item: Mapping[str, Any], container: str) -> None:
    """Raise SpecError unless the pod template has the container: applying a mistyped name would *add* one."""
    if container_named(item["spec"]["template"], container) is None:
        names = ", ".join(entry["name"] for entry in item["spec"]["template"]["spec"]["containers"])
        raise SpecError(
            f"{workload.kind} {item['metadata']['name']} has no container {container!r} (containers: {names})",
            "set spec.delivery.container to the one that serves the model",
            reason=Reason.CONTAINER_MISSING,
        )


def apply_version(client: Client, workload: Workload, namespace: str, action: Deliver) -> Json:
    """Server-side apply of image and parameters into the pod template; the object after it.

    Raises:
        ConflictError: gone, made anew, or (without `force`) another manager owns a field with another value.
        SpecError: ContainerMissing; DeliveryRefused by quota, admission or a missing permission; ParameterConflict
            when the server refuses it otherwise (a parameter set by valueFrom).
    """
    item = find_live(client, workload, namespace, action.workload_name, action.workload_uid)
    require_container(workload, item, action.container)
    path = path_of(workload.resource, namespace, action.workload_name)
    what = f"{workload.kind} {action.workload_name}"
    try:
        after = client.apply(path, delivery_manifest(item, action), manager=FIELD_MANAGER, force=action.force)
    except ApiError as error:
        if is_denied(error):
            raise refusal(error, f"delivery of {action.version.name} to {what}") from error
        remedy = "give the parameter a plain value in the workload, or take it out of spec.version.parameters"
        raise write_error(error, what, remedy, Reason.PARAMETER_CONFLICT) from error
    if after["metadata"]["generation"] != item["metadata"]["generation"]:
        logger.info("delivered %s to %s %s/%s", action.version.name, workload.kind, namespace, action.workload_name)
    return after


def refusal(error: ApiError, what: str) -> SpecError:
    """What a person has to mend before the write can be done."""
    return SpecError(
        f"{what} is refused: {error.message}",
        "raise the quota, mend the admission policy or the Role; it is tried again by itself",
        reason=Reason.DELIVERY_REFUSED,
    )


def is_denied(error: ApiError) -> bool:
    """Refused by quota, a missing permission or admission, which may answer with any status."""
    said = error.message.lower()
    return isinstance(error, ForbiddenError) or "denied request" in said or "denied the request" in said
