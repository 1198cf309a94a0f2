"""StatefulSets."""

from __future__ import annotations

from copy import deepcopy

from tierwise.adapters.kubernetes.client import Client, Json
from tierwise.adapters.kubernetes.workloads.base import Item
from tierwise.adapters.kubernetes.workloads.delivery import apply_version
from tierwise.rollout.state.actions import Deliver

_COPIED = ("minReadySeconds", "revisionHistoryLimit", "selector", "template")


class StatefulSets:
    """Implements `base.Workload`."""

    kind = "StatefulSet"
    resource = "statefulsets"

    def replicas(self, item: Item) -> int:
        """`spec.replicas`."""
        return int(item["spec"].get("replicas", 1))

    def is_ready(self, item: Item) -> bool:
        """Whether the generation is observed, and updated = available = all = wanted pods."""
        wanted, status = self.replicas(item), item.get("status") or {}
        counts = [status.get(name, 0) for name in ("updatedReplicas", "availableReplicas", "replicas")]
        return status.get("observedGeneration", 0) >= item["metadata"]["generation"] and counts == [wanted] * 3

    def available(self, item: Item) -> int:
        """`status.availableReplicas`."""
        return int((item.get("status") or {}).get("availableReplicas", 0))

    def identity(self, item: Item) -> str | None:
        """The volume that each pod has for itself."""
        names = _claims(item)
        return f"volumeClaimTemplates ({', '.join(names)})" if names else None

    def twin_spec(self, item: Item) -> Json:
        """A Deployment of the same pods. What was a volume of each pod's own is an empty directory there."""
        spec = deepcopy({key: item["spec"][key] for key in _COPIED if key in item["spec"]})
        if names := _claims(item):
            empty = [{"name": name, "emptyDir": {}} for name in names]
            spec["template"]["spec"]["volumes"] = [*(spec["template"]["spec"].get("volumes") or []), *empty]
        return spec

    def deliver(self, client: Client, namespace: str, action: Deliver) -> None:
        """The StatefulSet's own strategy replaces its pods."""
        apply_version(client, self, namespace, action)


def _claims(item: Item) -> list[str]:
    return [claim["metadata"]["name"] for claim in item["spec"].get("volumeClaimTemplates") or []]


STATEFUL_SET = StatefulSets()
