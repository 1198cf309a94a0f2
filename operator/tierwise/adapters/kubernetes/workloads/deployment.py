"""Deployments: delivered to by their own strategy, and the kind that every candidate twin has."""

from __future__ import annotations

from collections.abc import Sequence

from tierwise.adapters.kubernetes.client import Client, Json
from tierwise.adapters.kubernetes.workloads.base import Item, Placement
from tierwise.adapters.kubernetes.workloads.counted import Counted
from tierwise.adapters.kubernetes.workloads.delivery import apply_version
from tierwise.adapters.kubernetes.workloads.pods import PodRecord
from tierwise.api.workload_kinds import WorkloadKind
from tierwise.rollout.state.actions import Deliver

_COPIED = (
    "strategy",
    "minReadySeconds",
    "revisionHistoryLimit",
    "progressDeadlineSeconds",
    "selector",
    "template",
)


class Deployments(Counted):
    """Implements `base.Workload`."""

    kind = WorkloadKind.DEPLOYMENT

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
