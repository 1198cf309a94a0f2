"""`spec.updateStrategy` of StatefulSets and DaemonSets: which pods get a changed template, and when."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from tierwise.adapters.kubernetes.client import Client, Json
from tierwise.adapters.kubernetes.paths import path_of
from tierwise.adapters.kubernetes.workloads.base import Item, Workload
from tierwise.adapters.kubernetes.workloads.delivery import find_live, is_denied, refusal
from tierwise.adapters.kubernetes.workloads.pods import PodRecord, is_outdated, pod_record
from tierwise.adapters.kubernetes.workloads.views import running_in
from tierwise.adapters.kubernetes.write_errors import write_error
from tierwise.errors import ApiError
from tierwise.rollout.state.actions import RestoreStrategy

logger = logging.getLogger(__name__)


def strategy_of(item: Item) -> str:
    """The update strategy as JSON, keys in order: equal strategies are equal texts."""
    return json.dumps(item["spec"].get("updateStrategy") or {}, sort_keys=True)


def set_strategy(client: Client, workload: Workload, item: Item, wanted: Mapping[str, Any]) -> Item:
    """Make `wanted` the live workload's update strategy; the object after it. No write when it is so already.

    Raises ConflictError when the workload is gone or was made anew, SpecError when it is refused.
    """
    live, metadata = item["spec"].get("updateStrategy") or {}, item["metadata"]
    if live == wanted:
        return item
    body = {"metadata": {"uid": metadata["uid"]}, "spec": {"updateStrategy": _merge_patch(live, wanted)}}
    try:
        after = client.patch(path_of(workload.resource, metadata["namespace"], metadata["name"]), body)
    except ApiError as error:
        what = f"updateStrategy of {workload.kind} {metadata['name']}"
        raise refusal(error, what) if is_denied(error) else write_error(error, what, "") from error
    logger.info("%s %s/%s: updateStrategy is %s", workload.kind, metadata["namespace"], metadata["name"], wanted)
    return after


def restore_strategy(client: Client, workload: Workload, namespace: str, action: RestoreStrategy) -> None:
    """Give the live workload back the strategy that it had. Raises ConflictError when it is gone or was made anew."""
    item = find_live(client, workload, namespace, action.workload_name, action.workload_uid)
    set_strategy(client, workload, item, json.loads(action.update_strategy))


def _merge_patch(live: Mapping[str, Any], wanted: Mapping[str, Any]) -> Json:
    """What makes `live` be `wanted` by a JSON merge patch: keys that have to go are null."""
    patch: Json = dict.fromkeys(live.keys() - wanted.keys())
    for key, value in wanted.items():
        before = live.get(key)
        patch[key] = _merge_patch(before, value) if isinstance(value, dict) and isinstance(before, dict) else value
    return patch


def own_pods(client: Client, item: Item) -> list[PodRecord]:
    """The live workload's own pods, fresh, those that terminate included."""
    metadata = item["metadata"]
    labels = (item["spec"].get("selector") or {}).get("matchLabels") or {}
    pods = map(pod_record, client.list_items(path_of("pods", metadata["namespace"]), labels=labels))
    return [pod for pod in pods if pod.owner_uid == metadata["uid"] and not pod.finished]


def outdated_among(pods: Sequence[PodRecord], item: Item, container: str) -> list[PodRecord]:
    """Pods that stay and do not run what the template says."""
    template = running_in(item["spec"]["template"], container)
    return [pod for pod in pods if pod.stays and is_outdated(pod, container, template)]


def delete_pods(client: Client, pods: Sequence[PodRecord]) -> None:
    """Delete pods, each with its uid; gone or made anew counts as done: their controller makes new ones.

    Raises SpecError when that is refused.
    """
    for pod in pods:
        try:
            client.delete(path_of("pods", pod.namespace, pod.name), uid=pod.uid)
        except ApiError as error:
            if is_denied(error):
                raise refusal(error, f"deletion of pod {pod.name}, which has to change its version,") from error
            if error.status != 409:
                raise
        logger.info("pod %s/%s deleted, so that it is made anew", pod.namespace, pod.name)
