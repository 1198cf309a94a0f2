"""What is the same for every kind: how many pods a workload wants and has, by its own spec and status."""

from __future__ import annotations

from typing import ClassVar

from tierwise.adapters.kubernetes.workloads.base import Item
from tierwise.api.workload_kinds import WorkloadKind


class Counted:
    """A part of `base.Workload`. A kind whose spec and status have other names overrides `replicas` and the names."""

    kind: ClassVar[WorkloadKind]
    updated_in: ClassVar[str] = "updatedReplicas"
    available_in: ClassVar[str] = "availableReplicas"
    all_in: ClassVar[str] = "replicas"

    @property
    def resource(self) -> str:
        """The plural name in paths and in Roles."""
        return self.kind.facts.resource

    def replicas(self, item: Item) -> int:
        """`spec.replicas`."""
        return int(item["spec"].get("replicas", 1))

    def is_ready(self, item: Item) -> bool:
        """Whether the generation is observed, and updated = available = all = wanted pods."""
        status = item.get("status") or {}
        counts = [status.get(name, 0) for name in (self.updated_in, self.available_in, self.all_in)]
        is_observed = status.get("observedGeneration", 0) >= item["metadata"]["generation"]
        return bool(is_observed and counts == [self.replicas(item)] * 3)

    def available(self, item: Item) -> int:
        """How many pods are available by its status."""
        return int((item.get("status") or {}).get(self.available_in, 0))
