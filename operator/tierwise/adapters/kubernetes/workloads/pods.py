"""Pods and ReplicaSets, cut down to what a decision needs. Pure: JSON in, values out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tierwise.rollout.state.observation import PodGroup, Pods, Running

_CRASHES = frozenset({"CrashLoopBackOff", "RunContainerError", "CreateContainerConfigError", "InvalidImageName"})


@dataclass(frozen=True, slots=True)
class PodRecord:
    """One pod. `running` is by container; `unschedulable` the scheduler's message; `finished`: Failed or Succeeded.

    `ready_since` is None while it is not ready, or where that is not told.
    """

    namespace: str
    name: str
    uid: str
    owner_kind: str
    owner_uid: str  # of its ReplicaSet, or of the workload that owns it itself
    owner_name: str
    template_hash: str
    labels: Mapping[str, str]
    node: str
    running: Mapping[str, Running]
    ready: bool
    terminating: bool
    finished: bool
    crash_looping: bool
    unschedulable: str | None
    ready_since: datetime | None = None

    @property
    def stays(self) -> bool:
        """Whether it neither ended nor terminates."""
        return not (self.terminating or self.finished)

    def is_available(self, min_ready_seconds: float, now: datetime) -> bool:
        """Whether the pod is ready, stays, and has been ready for `min_ready_seconds`.

        If `ready_since` is not known, it counts as long enough.
        """
        since = self.ready_since
        is_long_enough = not min_ready_seconds or since is None or (now - since).total_seconds() >= min_ready_seconds
        return self.ready and self.stays and is_long_enough


@dataclass(frozen=True, slots=True)
class ReplicaSetRecord:
    """One ReplicaSet: which Deployment owns it."""

    namespace: str
    name: str
    uid: str
    owner_uid: str


def controller_of(item: Mapping[str, Any]) -> Mapping[str, Any]:
    """The owner reference of the controller; empty without one."""
    for owner in item["metadata"].get("ownerReferences") or []:
        if owner.get("controller"):
            return dict(owner)
    return {}


def running_of(container: Mapping[str, Any]) -> Running:
    """Image and plain environment values (those from references are not known before the pod runs)."""
    environment = {
        entry["name"]: entry.get("value", "") for entry in container.get("env") or [] if "valueFrom" not in entry
    }
    return Running(image=str(container.get("image", "")), environment=environment)


def pod_record(item: Mapping[str, Any]) -> PodRecord:
    """A pod from its JSON."""
    metadata, status, owner = item["metadata"], item.get("status") or {}, controller_of(item)
    conditions = {condition["type"]: condition for condition in status.get("conditions") or []}
    scheduled = conditions.get("PodScheduled", {})
    waiting = [
        (state.get("state") or {}).get("waiting", {}).get("reason") for state in status.get("containerStatuses") or []
    ]
    labels, ready = metadata.get("labels") or {}, conditions.get("Ready", {})
    since = ready.get("lastTransitionTime")
    return PodRecord(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        owner_kind=owner.get("kind", ""),
        owner_uid=owner.get("uid", ""),
        owner_name=owner.get("name", ""),
        template_hash=labels.get("pod-template-hash", ""),
        labels=labels,
        node=item["spec"].get("nodeName", ""),
        running={container["name"]: running_of(container) for container in item["spec"].get("containers") or []},
        ready=ready.get("status") == "True",
        terminating="deletionTimestamp" in metadata,
        finished=status.get("phase") in ("Failed", "Succeeded"),
        crash_looping=any(reason in _CRASHES for reason in waiting),
        unschedulable=scheduled.get("message", "unschedulable") if scheduled.get("reason") == "Unschedulable" else None,
        ready_since=datetime.fromisoformat(since) if since and ready["status"] == "True" else None,
    )


def replica_set_record(item: Mapping[str, Any]) -> ReplicaSetRecord:
    """A ReplicaSet from its JSON."""
    metadata = item["metadata"]
    return ReplicaSetRecord(
        metadata["namespace"], metadata["name"], metadata["uid"], controller_of(item).get("uid", "")
    )


def group_pods(pods: Iterable[PodRecord], container: str) -> tuple[PodGroup, ...]:
    """Pods of one workload by what their container runs, in the order in which they come."""
    groups: dict[tuple[str, frozenset[tuple[str, str]]], list[PodRecord]] = {}
    for pod in pods:
        running = pod.running.get(container)
        if running is not None:
            groups.setdefault((running.image, frozenset(running.environment.items())), []).append(pod)
    return tuple(
        PodGroup(running, count_pods(alike, container, running))
        for alike in groups.values()
        if (running := alike[0].running[container])
    )


def unschedulable(pods: Iterable[PodRecord]) -> str | None:
    """The scheduler's message for the first pod that finds no node."""
    return next((pod.unschedulable for pod in pods if pod.unschedulable and not pod.terminating), None)


def is_outdated(pod: PodRecord, container: str, template: Running | None) -> bool:
    """Whether the pod runs another image or other values than the template names.

    Webhooks may add values to a pod's environment. They make no difference. If the template has lost a value, only the
    workload's own status shows it (its number of updated pods).
    """
    if template is None:
        return False
    running = pod.running.get(container)
    if running is None or running.image != template.image:
        return True
    return any(running.environment.get(key) != value for key, value in template.environment.items())


def count_pods(pods: Iterable[PodRecord], container: str, template: Running | None) -> Pods:
    """Counts of an arm. A finished pod is not counted. A terminating pod is counted only in `terminating`."""
    live = [pod for pod in pods if not pod.finished]
    staying = [pod for pod in live if not pod.terminating]
    return Pods(
        total=len(staying),
        ready=sum(pod.ready for pod in staying),
        terminating=len(live) - len(staying),
        crash_looping=sum(pod.crash_looping for pod in staying),
        outdated=sum(is_outdated(pod, container, template) for pod in staying),
    )
