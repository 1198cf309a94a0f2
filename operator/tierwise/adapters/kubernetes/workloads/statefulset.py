"""StatefulSets: beside them as beside Deployments, or in place by `partition`, the highest ordinals first."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from copy import deepcopy
from datetime import UTC, datetime

from tierwise.adapters.kubernetes.client import Client, Json
from tierwise.adapters.kubernetes.workloads.base import Item, Placement
from tierwise.adapters.kubernetes.workloads.counted import Counted
from tierwise.adapters.kubernetes.workloads.delivery import apply_version, find_live
from tierwise.adapters.kubernetes.workloads.node_use import use_of_the_node
from tierwise.adapters.kubernetes.workloads.pods import PodRecord, is_outdated
from tierwise.adapters.kubernetes.workloads.update_strategy import (
    delete_pods,
    outdated_among,
    own_pods,
    set_strategy,
    strategy_of,
)
from tierwise.adapters.kubernetes.workloads.views import running_in
from tierwise.api.reasons import Reason
from tierwise.api.workload_kinds import WorkloadKind
from tierwise.errors import ConflictError, SpecError
from tierwise.rollout.state.actions import Deliver
from tierwise.rollout.state.versions import is_running

logger = logging.getLogger(__name__)

_COPIED = ("minReadySeconds", "revisionHistoryLimit", "selector", "template")


class StatefulSets(Counted):
    """Implements `base.Workload`."""

    kind = WorkloadKind.STATEFUL_SET

    def twin_spec(self, item: Item) -> Json:
        """A Deployment of the same pods. What was a volume of each pod's own is an empty directory there."""
        spec = deepcopy({key: item["spec"][key] for key in _COPIED if key in item["spec"]})
        if names := _claims(item):
            empty = [{"name": name, "emptyDir": {}} for name in names]
            spec["template"]["spec"]["volumes"] = [*(spec["template"]["spec"].get("volumes") or []), *empty]
        return spec

    def placement(self, item: Item, container: str, pods: Sequence[PodRecord]) -> Placement:
        """A pod is tied to its place where it has a volume of its own, or uses something of its node.

        Its controller never takes a new template from a pod again. A pod below the partition gets what was before only
        when it is deleted, and only until all pods were new at one time: what was before is forgotten then.
        """
        names, status = _claims(item), item.get("status") or {}
        partition, replicas = _partition(item), self.replicas(item)
        new = {_index(item, pod) for pod in pods if pod.stays and _is_new(item, pod, container)}
        updating = {index for index in range(replicas) if index in new or 0 < partition <= index}
        is_held = partition or (item["spec"].get("updateStrategy") or {}).get("type") == "OnDelete"
        return Placement(
            identity=f"volumeClaimTemplates ({', '.join(names)})"
            if names
            else use_of_the_node(item["spec"]["template"]["spec"]),
            update_strategy=strategy_of(item),
            updating=len(updating) if is_held else None,
            takes_back=bool(partition) and status.get("currentRevision") != status.get("updateRevision"),
            stuck=sum(not pod.ready for pod in outdated_among(pods, item, container)),
        )

    def deliver(self, client: Client, namespace: str, action: Deliver) -> None:
        """To the highest ordinals by the partition, or to all. At most one pod is deleted, where that has to be."""
        item = find_live(client, self, namespace, action.workload_name, action.workload_uid)
        if action.pods is not None:
            # Kept back first, then applied. Never 0, which would be no partition, also while there are no pods.
            kept = max(1, self.replicas(item) - action.pods)
            held = set_strategy(client, self, item, {"type": "RollingUpdate", "rollingUpdate": _rolling(item, kept)})
            _require_one_revision(held, action)
            after = apply_version(client, self, namespace, action)
            delete_pods(client, self.taken_back(after, own_pods(client, after), action.container, datetime.now(UTC)))
            return
        after = apply_version(client, self, namespace, action)
        set_strategy(client, self, after, {"type": "RollingUpdate", "rollingUpdate": _rolling(after, 0)})
        try:
            delete_pods(client, self.unblocked(after, own_pods(client, after), action.container))
        except SpecError as error:  # the template is right: whoever may delete the pod ends the wait
            logger.warning("%s %s/%s: %s", self.kind, namespace, action.workload_name, error)

    def taken_back(self, item: Item, pods: Sequence[PodRecord], container: str, now: datetime) -> list[PodRecord]:
        """The pod below the partition that has the new template and is deleted next, so that it gets the old one.

        As after a scale-up: pods that are made before the partition follows are new. One at a time, the highest first,
        and only while no other pod is away.
        """
        status, partition = item.get("status") or {}, _partition(item)
        is_seen = status.get("observedGeneration", 0) >= item["metadata"]["generation"]
        if not is_seen or status.get("currentRevision") == status.get("updateRevision"):
            return []  # it would be made new again
        excess = [pod for pod in pods if pod.stays and _index(item, pod) < partition and _is_new(item, pod, container)]
        excess.sort(key=lambda pod: (pod.ready, -_index(item, pod)))
        min_ready = item["spec"].get("minReadySeconds", 0)
        others = [pod for pod in pods if not excess or pod.uid != excess[0].uid]
        is_calm = sum(pod.is_available(min_ready, now) for pod in others) >= self.replicas(item) - 1
        return excess[:1] if is_calm else []

    def unblocked(self, item: Item, pods: Sequence[PodRecord], container: str) -> list[PodRecord]:
        """The broken old pod that is deleted next: its controller would wait for ever for it to become ready.

        The highest ordinal first, and one at a time: the one before has to be gone.
        """
        if any(pod.terminating for pod in pods):
            return []
        broken = [pod for pod in outdated_among(pods, item, container) if not pod.ready]
        return sorted(broken, key=lambda pod: -_index(item, pod))[:1]


def _require_one_revision(item: Item, action: Deliver) -> None:
    """Wait until the controller knows what the pods run now: a pod made anew below the partition gets that.

    Under `OnDelete` it does not follow, so that such a pod would get a template of long ago. Raises ConflictError where
    it is to follow at once, and SpecError where it waits for pods that are away or have an older template.
    """
    if is_running(running_in(item["spec"]["template"], action.container), action.version):
        return
    status, replicas = item.get("status") or {}, STATEFUL_SET.replicas(item)
    if status.get("currentRevision") == status.get("updateRevision"):
        return
    what = f"StatefulSet {action.workload_name}: its controller does not yet know what its pods run now"
    if min(status.get(name, 0) for name in ("readyReplicas", "updatedReplicas")) >= replicas:
        raise ConflictError(what)
    remedy = "bring all of its pods up, with its present template; it is tried again by itself"
    raise SpecError(what, remedy, reason=Reason.DELIVERY_REFUSED)


def _partition(item: Item) -> int:
    return int(((item["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}).get("partition", 0))


def _index(item: Item, pod: PodRecord) -> int:
    """The pod's place in the set, from 0: what a partition counts."""
    ordinal = pod.name.rpartition("-")[2]
    start = (item["spec"].get("ordinals") or {}).get("start", 0)
    return int(ordinal) - int(start) if ordinal.isdigit() else -1


def _is_new(item: Item, pod: PodRecord, container: str) -> bool:
    """Whether the pod has the template, by the revision that its controller wrote on it."""
    revision, newest = pod.labels.get("controller-revision-hash"), (item.get("status") or {}).get("updateRevision")
    is_seen = (item.get("status") or {}).get("observedGeneration", 0) >= item["metadata"]["generation"]
    if revision and newest and is_seen:
        return bool(revision == newest)
    return not is_outdated(pod, container, running_in(item["spec"]["template"], container))


def _rolling(item: Item, partition: int) -> Json:
    """The strategy's parameters with this partition; what else they say stays."""
    return {**((item["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}), "partition": partition}


def _claims(item: Item) -> list[str]:
    return [claim["metadata"]["name"] for claim in item["spec"].get("volumeClaimTemplates") or []]


STATEFUL_SET = StatefulSets()
