"""Deployments: delivered to by their own strategy, and the kind that every candidate twin has."""

from __future__ import annotations

from collections.abc import Sequence

from tierwise.adapters.kubernetes.client import Client, Json
from tierwise.adapters.kubernetes.workloads.base import Item, Placement
from tierwise.adapters.kubernetes.workloads.delivery import apply_version
from tierwise.adapters.kubernetes.workloads.pods import PodRecord
from tierwise.rollout.state.actions import Deliver

_COPIED = (
    "strategy",
    "minReadySeconds",
    "revisionHistoryLimit",
    "progressDeadlineSeconds",
    "selector",
    "template",
)


class Deployments:
    """Implements `base.Workload`."""

    kind = "Deployment"
    resource = "deployments"

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

    def placement(self, item: Item, container: str, pods: Sequence[PodRecord]) -> Placement:  # noqa: ARG002
        """Its pods come and go, and all of them get a new template."""
        return Placement()

    def twin_spec(self, item: Item) -> Json:
        """Its own spec, but for the number of pods."""
        return {key: item["spec"][key] for key in _COPIED if key in item["spec"]}

    def deliver(self, client: Client, namespace: str, action: Deliver) -> None:
        """The Deployment's own strategy replaces its pods."""
        apply_version(client, self, namespace, action)


DEPLOYMENT = Deployments()
