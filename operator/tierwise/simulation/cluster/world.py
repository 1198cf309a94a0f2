"""The state of a cluster in memory: objects, workloads, and the work of the cluster's own controllers."""

from __future__ import annotations

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.runtime.ports import Clock
from tierwise.simulation.cluster.objects import StoredDeployment, StoredRollout
from tierwise.simulation.cluster.workloads import SimulatedWorkload


class World:
    """Objects by name, in one namespace. `ready_seconds` is how long pods take to become ready."""

    def __init__(self, clock: Clock, *, ready_seconds: float = 3.0) -> None:
        self.clock = clock
        self.ready_seconds = ready_seconds
        self.deployments: dict[str, StoredDeployment] = {}
        self.rollouts: dict[str, StoredRollout] = {}
        self.workloads: dict[str, SimulatedWorkload] = {}
        self.datasets: dict[str, MonitoringDatasetSpec] = {}
        self.secrets: dict[tuple[str, str], str] = {}
        self._uids = 0

    def new_uid(self, stem: str) -> str:
        """A uid that no other object has."""
        self._uids += 1
        return f"{stem}-uid-{self._uids}"

    def collect_garbage(self) -> None:
        """Do the work of a cluster's controllers: finish deletions, and delete objects whose owner is gone."""
        now = self.clock.now()
        for name, deployment in list(self.deployments.items()):
            if deployment.deleting and not deployment.has_finalizer:
                del self.deployments[name]
        owners = {stored.uid for stored in self.deployments.values()}
        for name, rollout in list(self.rollouts.items()):
            rollout.deleting = rollout.deleting or rollout.owner_uid not in owners
            if rollout.deleting and not rollout.has_finalizer:
                del self.rollouts[name]
        living = {stored.uid for stored in self.rollouts.values()}
        for name, workload in list(self.workloads.items()):
            is_over = workload.deleting_until is not None and now >= workload.deleting_until
            if is_over or (workload.owner is not None and workload.owner not in living):
                del self.workloads[name]
