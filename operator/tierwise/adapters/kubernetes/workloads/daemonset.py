"""DaemonSets: beside them as beside Deployments, or in place by `OnDelete` on a group of nodes."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime

from tierwise.adapters.kubernetes.client import Client, Json
from tierwise.adapters.kubernetes.workloads.base import Item, Placement
from tierwise.adapters.kubernetes.workloads.counted import Counted
from tierwise.adapters.kubernetes.workloads.delivery import apply_version, find_live
from tierwise.adapters.kubernetes.workloads.node_use import use_of_the_node
from tierwise.adapters.kubernetes.workloads.pods import PodRecord
from tierwise.adapters.kubernetes.workloads.update_strategy import (
    delete_pods,
    outdated_among,
    own_pods,
    set_strategy,
    strategy_of,
)
from tierwise.api.workload_kinds import WorkloadKind
from tierwise.rollout.state.actions import Deliver
from tierwise.rollout.state.strategies import most_away

_COPIED = ("minReadySeconds", "revisionHistoryLimit", "selector", "template")


class DaemonSets(Counted):
    """Implements `base.Workload`."""

    kind = WorkloadKind.DAEMON_SET
    updated_in = "updatedNumberScheduled"
    available_in = "numberAvailable"
    all_in = "currentNumberScheduled"

    def replicas(self, item: Item) -> int:
        """How many nodes should have a pod; 0 until the controller has counted them."""
        return int((item.get("status") or {}).get("desiredNumberScheduled", 0))

    def twin_spec(self, item: Item) -> Json:
        """A Deployment of the same pods, which need not be on every node."""
        return {key: item["spec"][key] for key in _COPIED if key in item["spec"]}

    def placement(self, item: Item, container: str, pods: Sequence[PodRecord]) -> Placement:
        """A pod is tied to its place where it uses something of its node that a second pod there could not use."""
        kept = len(outdated_among(pods, item, container))
        return Placement(
            identity=use_of_the_node(item["spec"]["template"]["spec"]),
            update_strategy=strategy_of(item),
            # A pod that is made anew, for whatever reason, gets the template: only those that stay are kept back.
            updating=max(0, self.replicas(item) - kept) if _is_held(item) else None,
        )

    def deliver(self, client: Client, namespace: str, action: Deliver) -> None:
        """To the pods of some nodes by deleting them, as many at a time as the own strategy allows; or to all."""
        item = find_live(client, self, namespace, action.workload_name, action.workload_uid)
        if action.pods is None:
            after = apply_version(client, self, namespace, action)
            if _is_held(after):
                own = json.loads(action.update_strategy or "{}")
                wanted = own if own.get("type") == "RollingUpdate" else {"type": "RollingUpdate"}
                set_strategy(client, self, after, wanted)
            return
        set_strategy(client, self, item, {"type": "OnDelete"})
        after = apply_version(client, self, namespace, action)
        delete_pods(client, self.swapped(after, own_pods(client, after), action, datetime.now(UTC)))

    def swapped(self, item: Item, pods: Sequence[PodRecord], action: Deliver, now: datetime) -> list[PodRecord]:
        """Which of its pods are deleted now, so that `action.pods` have the template in the end."""
        replicas, min_ready = self.replicas(item), item["spec"].get("minReadySeconds", 0)
        kept = sorted(outdated_among(pods, item, action.container), key=lambda pod: _rank(item, pod))
        missing = (action.pods or 0) - (replicas - len(kept))
        there = sum(pod.is_available(min_ready, now) for pod in pods)
        return kept[: max(0, min(missing, most_away(action.update_strategy, replicas) - (replicas - there)))]


def _is_held(item: Item) -> bool:
    return (item["spec"].get("updateStrategy") or {}).get("type") == "OnDelete"


def _rank(item: Item, pod: PodRecord) -> str:
    """A place in an order of nodes that is the same at every look, and has nothing to do with their names' order."""
    return hashlib.sha256(f"{item['metadata']['uid']} {pod.node}".encode()).hexdigest()


DAEMON_SET = DaemonSets()
