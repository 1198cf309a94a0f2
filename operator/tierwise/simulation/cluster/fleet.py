"""A Fleet in memory: objects with resourceVersions, workloads whose pods become ready with time, optional faults."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from tierwise.api.modeldeployment import ModelDeploymentSpec, ModelDeploymentStatus, Tier, WorkloadSelector
from tierwise.api.modelrollout import ModelRolloutStatus
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.names import TWIN_SUFFIX
from tierwise.api.reasons import Reason
from tierwise.errors import ConflictError
from tierwise.rollout.state.actions import Action, Event
from tierwise.rollout.state.observation import Claim, DeploymentView, PodGroup, RolloutView, Running, TierView
from tierwise.runtime.ports import Clock
from tierwise.simulation.cluster.actions import apply_action
from tierwise.simulation.cluster.faults import Faults, NoFaults
from tierwise.simulation.cluster.objects import StoredDeployment, deployment_view, rollout_view
from tierwise.simulation.cluster.workloads import SimulatedPod, SimulatedWorkload
from tierwise.simulation.cluster.world import World

NAMESPACE = "default"


class SimulatedFleet(World):
    """Implements the Fleet port for one namespace. Statuses are converted to JSON and back, as in a cluster.

    Pods with images or parameter values in `broken` crash-loop; those in `unready` never become ready. `faults` is
    called before and after every write.
    """

    def __init__(self, clock: Clock, *, ready_seconds: float = 3.0, faults: Faults | None = None) -> None:
        super().__init__(clock, ready_seconds=ready_seconds)
        self.faults: Faults = faults or NoFaults()
        self.broken: set[str] = set()
        self.unready: set[str] = set()
        self.events: list[Event] = []
        self.actions: list[Action] = []
        self.writes = 0

    # -- what people do -------------------------------------------------------------------------------------------

    def apply_deployment(self, name: str, spec: ModelDeploymentSpec) -> StoredDeployment:
        """Create or update a ModelDeployment."""
        stored = self.deployments.get(name)
        if stored is None:
            stored = StoredDeployment(name, self.new_uid("mdep"), spec, self.clock.now())
            self.deployments[name] = stored
        elif spec != stored.spec:
            stored.spec = spec
            stored.generation += 1
            stored.version += 1
        return stored

    def annotate(self, name: str, **annotations: str) -> None:
        """Set annotations ``tierwise.io/<key>`` of a ModelDeployment."""
        stored = self.deployments[name]
        stored.annotations.update({f"tierwise.io/{key}": value for key, value in annotations.items()})
        stored.version += 1

    def delete_deployment(self, name: str) -> None:
        """Delete the ModelDeployment: at once without a finalizer; with one it is only marked as deleted."""
        stored = self.deployments[name]
        stored.deleting, stored.deleted_at = True, self.clock.now()
        stored.version += 1
        self.collect_garbage()

    def add_workload(
        self,
        name: str,
        *,
        labels: Mapping[str, str],
        image: str,
        environment: Mapping[str, str] | None = None,
        replicas: int = 4,
        container: str = "server",
    ) -> SimulatedWorkload:
        """Add a workload whose pods are ready. It is a Deployment by default."""
        workload = SimulatedWorkload(
            name=name,
            uid=self.new_uid(name),
            labels=dict(labels),
            container=container,
            running=Running(image, dict(environment or {})),
            replicas=replicas,
            ready_seconds=self.ready_seconds,
            changed_at=self.clock.now() - timedelta(seconds=self.ready_seconds),
        )
        self.workloads[name] = workload
        return workload

    def ready_pods(self) -> tuple[SimulatedPod, ...]:
        """The pods that serve traffic now."""
        found: list[SimulatedPod] = []
        now = self.clock.now()
        for workload in self.workloads.values():
            if workload.deleting_until is not None and now >= workload.deleting_until:
                continue
            first = len(found)
            for group in self._groups(workload):
                is_candidate = workload.twin_of is not None or (workload.updating and group.running == workload.running)
                found += [
                    SimulatedPod(
                        name=f"{workload.name}-{index}",
                        workload=workload.twin_of or workload.name,
                        labels=workload.labels,
                        arm="candidate" if is_candidate else "baseline",
                        image=group.running.image,
                        environment=group.running.environment,
                    )
                    for index in range(len(found) - first, len(found) - first + group.pods.ready)
                ]
        return tuple(found)

    def copy(self, clock: Clock) -> SimulatedFleet:
        """An independent copy of the fleet with another clock."""
        other = SimulatedFleet(clock, ready_seconds=self.ready_seconds)
        other.deployments = {
            name: replace(stored, annotations=dict(stored.annotations)) for name, stored in self.deployments.items()
        }
        other.rollouts = {name: replace(stored) for name, stored in self.rollouts.items()}
        other.workloads = {
            name: replace(workload, template=dict(workload.template)) for name, workload in self.workloads.items()
        }
        other.datasets, other.secrets = dict(self.datasets), dict(self.secrets)
        other.broken, other.unready = set(self.broken), set(self.unready)
        other.events, other.actions, other.writes = list(self.events), list(self.actions), self.writes
        other._uids = self._uids
        return other

    # -- the port -------------------------------------------------------------------------------------------------

    def get_deployment(self, namespace: str, name: str) -> DeploymentView | None:
        """The ModelDeployment; None when it does not exist."""
        self.collect_garbage()
        stored = self.deployments.get(name) if namespace == NAMESPACE else None
        if stored is None:
            return None
        return deployment_view(NAMESPACE, stored)

    def list_rollouts(self, deployment: DeploymentView) -> tuple[RolloutView, ...]:
        """The rollouts of this owner, ordered by revision."""
        found = [stored for stored in self.rollouts.values() if stored.owner_uid == deployment.uid]
        return tuple(rollout_view(stored) for stored in sorted(found, key=lambda stored: stored.spec.revision))

    def list_tiers(self, deployment: DeploymentView) -> tuple[TierView, ...]:
        """The tiers, with workloads found by selector and all objects that have a twin's name."""
        container = deployment.spec.delivery.container
        return tuple(self._tier(tier, container, deployment) for tier in deployment.spec.tiers)

    def list_claims(self, deployment: DeploymentView) -> tuple[Claim, ...]:
        """Workloads that other ModelDeployments select."""
        return tuple(
            Claim(other.name, workload.uid, other.created_at)
            for other in self.deployments.values()
            if other.uid != deployment.uid
            for tier in other.spec.tiers
            for workload in self._selected(tier.workloads)
        )

    def list_namesakes(self, deployment: DeploymentView) -> tuple[str, ...]:
        """Other ModelDeployments of the same model."""
        others = (other for other in self.deployments.values() if other.uid != deployment.uid)
        return tuple(sorted(other.name for other in others if other.spec.model == deployment.spec.model))

    def report_invalid(self, namespace: str, name: str, reason: Reason, message: str) -> None:
        """Does nothing, because every stored object here was parsed before."""
        raise AssertionError(f"{namespace}/{name}: {reason}: {message}")

    def get_dataset(self, namespace: str, name: str) -> MonitoringDatasetSpec | None:
        """None when it does not exist."""
        return self.datasets.get(name) if namespace == NAMESPACE else None

    def get_secret(self, namespace: str, name: str, key: str) -> str | None:
        """None when it does not exist."""
        return self.secrets.get((name, key)) if namespace == NAMESPACE else None

    def apply(self, deployment: DeploymentView, action: Action) -> None:
        """Carry out the action; idempotent. ConflictError when the precondition fails."""
        self.faults.before(f"apply {type(action).__name__}")
        if apply_action(self, deployment, action):
            self.actions.append(action)
            self.writes += 1
        self.faults.after(f"apply {type(action).__name__}")

    def replace_deployment_status(self, deployment: DeploymentView, status: ModelDeploymentStatus) -> None:
        """One PUT with the observed resourceVersion."""
        self.faults.before("deployment status")
        stored = self.deployments.get(deployment.name)
        if stored is None or stored.uid != deployment.uid or str(stored.version) != deployment.resource_version:
            raise ConflictError(f"ModelDeployment {deployment.name} changed")
        stored.status = ModelDeploymentStatus.model_validate(status.to_wire())
        stored.version += 1
        self.writes += 1
        self.faults.after("deployment status")

    def replace_rollout_status(self, rollout: RolloutView, namespace: str, status: ModelRolloutStatus) -> None:
        """One PUT with the observed resourceVersion."""
        self.faults.before("rollout status")
        stored = self.rollouts.get(rollout.name)
        if namespace != NAMESPACE or stored is None or stored.uid != rollout.uid:
            raise ConflictError(f"ModelRollout {rollout.name} is gone")
        if str(stored.version) != rollout.resource_version:
            raise ConflictError(f"ModelRollout {rollout.name} changed")
        stored.status = ModelRolloutStatus.model_validate(status.to_wire())
        stored.version += 1
        self.writes += 1
        self.faults.after("rollout status")

    def emit(self, deployment: DeploymentView, rollout: RolloutView | None, events: Sequence[Event]) -> None:  # noqa: ARG002
        """Store the Events."""
        self.events += events

    # -- the inside -----------------------------------------------------------------------------------------------

    def _selected(self, workloads: WorkloadSelector) -> list[SimulatedWorkload]:
        return [
            workload
            for workload in self.workloads.values()
            if workload.owner is None
            and workload.kind == workloads.kind
            and workloads.selector.match_labels.items() <= workload.labels.items()
        ]

    def _groups(self, workload: SimulatedWorkload) -> tuple[PodGroup, ...]:
        return workload.groups(
            self.clock.now(), is_broken=self._is(workload, self.broken), is_unready=self._is(workload, self.unready)
        )

    def _is(self, workload: SimulatedWorkload, values: set[str]) -> bool:
        return workload.running.image in values or bool(values & set(workload.running.environment.values()))

    def _tier(self, tier: Tier, container: str, deployment: DeploymentView) -> TierView:
        now = self.clock.now()
        selected = self._selected(tier.workloads)
        twin_names = {workload.name + TWIN_SUFFIX for workload in selected}
        views = tuple(
            workload.view(
                now, container, is_broken=self._is(workload, self.broken), is_unready=self._is(workload, self.unready)
            )
            for workload in selected
            if workload.name not in twin_names
        )
        rollouts = {stored.uid for stored in self.rollouts.values() if stored.owner_uid == deployment.uid}
        twins = tuple(
            twin.twin_view(
                now,
                is_owned=twin.owner in rollouts,
                is_broken=self._is(twin, self.broken),
                is_unready=self._is(twin, self.unready),
            )
            for workload in selected
            if (twin := self.workloads.get(workload.name + TWIN_SUFFIX)) is not None
        )
        return TierView(tier.name, views, twins)
