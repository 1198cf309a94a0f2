"""Deployments: delivered to by their own strategy, and the kind that every candidate twin has."""

from __future__ import annotations

from tierwise.adapters.kubernetes.client import Client, Json
from tierwise.adapters.kubernetes.workloads.base import Item
from tierwise.adapters.kubernetes.workloads.delivery import apply_version
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

    def identity(self, item: Item) -> str | None:  # noqa: ARG002
        """None: pods of a Deployment come and go."""
        return None

    def twin_spec(self, item: Item) -> Json:
        """Its own spec, but for the number of pods."""
        return {key: item["spec"][key] for key in _COPIED if key in item["spec"]}

    def deliver(self, client: Client, namespace: str, action: Deliver) -> None:
        """The Deployment's own strategy replaces its pods."""
        apply_version(client, self, namespace, action)


DEPLOYMENT = Deployments()
