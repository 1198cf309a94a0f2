"""Writes of candidate twins, which are Deployments beside a workload of any kind.

Each is idempotent and carries its precondition.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from tierwise.adapters.kubernetes.client import Client
from tierwise.adapters.kubernetes.paths import path_of
from tierwise.adapters.kubernetes.workloads.delivery import find_live, require_container
from tierwise.adapters.kubernetes.workloads.deployment import DEPLOYMENT
from tierwise.adapters.kubernetes.workloads.manifests import twin_manifest
from tierwise.adapters.kubernetes.workloads.pods import PodRecord, controller_of, count_pods
from tierwise.adapters.kubernetes.workloads.registry import WORKLOADS
from tierwise.adapters.kubernetes.workloads.views import (
    blocked_message,
    container_named,
    running_in,
    template_fingerprint,
)
from tierwise.adapters.kubernetes.write_errors import write_error
from tierwise.api.names import TWIN_SUFFIX
from tierwise.api.reasons import Reason
from tierwise.errors import ApiError, ConflictError, ForbiddenError, SpecError
from tierwise.rollout.state.actions import ApplyTwin, DeleteTwin, ScaleTwin
from tierwise.rollout.state.observation import TwinView

logger = logging.getLogger(__name__)


def _require_plain(workload: Mapping[str, Any], action: ApplyTwin) -> None:
    """A parameter that the workload sets by reference cannot be delivered: value beside valueFrom is refused."""
    container = container_named(workload["spec"]["template"], action.container) or {}
    for entry in container.get("env") or []:
        if "valueFrom" in entry and entry["name"] in action.version.parameters:
            raise SpecError(
                f"{action.kind} {action.workload_name} sets parameter {entry['name']} of the version by valueFrom",
                "give it a plain value in the workload, or take it out of spec.version.parameters",
                reason=Reason.PARAMETER_CONFLICT,
            )


def apply_twin(client: Client, namespace: str, deployment_name: str, action: ApplyTwin) -> None:
    """Create the twin, or bring it to the workload's live template; no write when nothing differs.

    Raises:
        ConflictError: workload or twin changed meanwhile, or a foreign object has the name.
        SpecError: ContainerMissing; ProbeUnavailable when the API server refuses the twin (quota, admission,
            permission, an invalid template); ParameterConflict when the version could not be delivered later.
    """
    workload = WORKLOADS[action.kind]
    item = find_live(client, workload, namespace, action.workload_name, action.workload_uid)
    require_container(workload, item, action.container)
    _require_plain(item, action)
    wanted = twin_manifest(workload.twin_spec(item), namespace, deployment_name, action)
    path = path_of(DEPLOYMENT.resource, namespace, action.twin_name)
    live = client.find(path)
    try:
        if live is None:
            client.create(path_of(DEPLOYMENT.resource, namespace), wanted)
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
    path = path_of(DEPLOYMENT.resource, namespace, action.twin_name)
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
            path_of(DEPLOYMENT.resource, namespace, action.twin_name), uid=action.twin_uid, propagation="Foreground"
        )
    except ApiError as error:
        raise write_error(error, f"twin {action.twin_name}", "", Reason.PROBE_UNAVAILABLE) from error
    logger.info("twin %s/%s deleted", namespace, action.twin_name)


def twin_view(item: Mapping[str, Any], container: str, pods: Sequence[PodRecord], *, owned: bool) -> TwinView:
    """A twin, or a foreign object of a twin's name (`owned` False), with its own pods."""
    running = running_in(item["spec"]["template"], container)
    return TwinView(
        name=item["metadata"]["name"],
        uid=item["metadata"]["uid"],
        twin_of=item["metadata"]["name"].removesuffix(TWIN_SUFFIX),
        owned=owned,
        replicas=DEPLOYMENT.replicas(item),
        running=running,
        template_fingerprint=template_fingerprint(item["spec"]["template"], container),
        settled=DEPLOYMENT.is_ready(item),
        pods=count_pods(pods, container, running),
        blocked=blocked_message(item, pods),
        deleting="deletionTimestamp" in item["metadata"],
    )
