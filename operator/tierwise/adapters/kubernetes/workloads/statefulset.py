"""StatefulSets: beside them as beside Deployments, or in place by `partition`, the highest ordinals first."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy

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
        """A pod is tied to its place where it has a volume of its own, or uses something of its node."""
        names, strategy = _claims(item), item["spec"].get("updateStrategy") or {}
        partition = (strategy.get("rollingUpdate") or {}).get("partition", 0)
        updating = max(0, self.replicas(item) - partition) if partition else None
        return Placement(
            identity=f"volumeClaimTemplates ({', '.join(names)})"
            if names
            else use_of_the_node(item["spec"]["template"]["spec"]),
            update_strategy=strategy_of(item),
            updating=0 if strategy.get("type") == "OnDelete" else updating,
            takes_back=True,
            stuck=sum(not pod.ready for pod in outdated_among(pods, item, container)),
        )

    def deliver(self, client: Client, namespace: str, action: Deliver) -> None:
        """To the highest ordinals by the partition, or to all."""
        item = find_live(client, self, namespace, action.workload_name, action.workload_uid)
        if action.pods is not None:
            # Kept back first, then applied. Never 0, which would be no partition, also while there are no pods.
            kept = max(1, self.replicas(item) - action.pods)
            set_strategy(client, self, item, {"type": "RollingUpdate", "rollingUpdate": _rolling(item, kept)})
            apply_version(client, self, namespace, action)
            return
        after = apply_version(client, self, namespace, action)
        set_strategy(client, self, after, {"type": "RollingUpdate", "rollingUpdate": _rolling(after, 0)})
        # Its controller waits for a broken pod to become ready before it replaces it, for ever.
        outdated = outdated_among(own_pods(client, after), after, action.container)
        delete_pods(client, [pod for pod in outdated if not pod.ready])


def _rolling(item: Item, partition: int) -> Json:
    """The strategy's parameters with this partition; what else they say stays."""
    return {**((item["spec"].get("updateStrategy") or {}).get("rollingUpdate") or {}), "partition": partition}


def _claims(item: Item) -> list[str]:
    return [claim["metadata"]["name"] for claim in item["spec"].get("volumeClaimTemplates") or []]


STATEFUL_SET = StatefulSets()
