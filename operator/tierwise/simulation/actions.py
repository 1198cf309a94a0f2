"""What each action does to the fleet in memory; the preconditions are those of a real API server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, assert_never

from tierwise.api.common import Version
from tierwise.api.names import FIELD_MANAGER
from tierwise.rollout.actions import (
    Action,
    Annotate,
    ApplyTwin,
    CreateRollout,
    DeleteRollout,
    DeleteTwin,
    Deliver,
    ScaleTwin,
    SetFinalizer,
)
from tierwise.rollout.observation import DeploymentView, Running
from tierwise.runtime.errors import ConflictError
from tierwise.simulation.objects import StoredRollout
from tierwise.simulation.workloads import SimulatedWorkload

if TYPE_CHECKING:
    from tierwise.simulation.fleet import SimulatedFleet

_TERMINATION = timedelta(seconds=0.5)


def apply_action(fleet: SimulatedFleet, deployment: DeploymentView, action: Action) -> bool:
    """Apply; False when the world already was as asked. Raises ConflictError when a precondition fails."""
    match action:
        case CreateRollout():
            return _create_rollout(fleet, deployment, action)
        case DeleteRollout():
            return _delete_rollout(fleet, action)
        case ApplyTwin():
            return _apply_twin(fleet, action)
        case ScaleTwin():
            return _scale_twin(fleet, action)
        case DeleteTwin():
            return _delete_twin(fleet, action)
        case Deliver():
            return _deliver(fleet, action)
        case Annotate():
            return _annotate(fleet, deployment, action.annotations)
        case SetFinalizer():
            return _set_finalizer(fleet, deployment, action)
        case _:
            assert_never(action)


def _create_rollout(fleet: SimulatedFleet, deployment: DeploymentView, action: CreateRollout) -> bool:
    existing = fleet.rollouts.get(action.name)
    if existing is not None:
        if existing.owner_uid != deployment.uid or existing.spec != action.spec:
            raise ConflictError(f"ModelRollout {action.name} exists and is another one")
        return False
    uid = fleet.new_uid("mro")
    fleet.rollouts[action.name] = StoredRollout(action.name, uid, deployment.uid, action.spec, fleet.clock.now())
    return True


def _delete_rollout(fleet: SimulatedFleet, action: DeleteRollout) -> bool:
    stored = fleet.rollouts.get(action.name)
    if stored is None:
        return False
    if stored.uid != action.uid:
        raise ConflictError(f"ModelRollout {action.name} was made anew")
    stored.deleting = True
    stored.version += 1
    fleet.collect_garbage()
    return True


def _with_version(running: Running, version: Version) -> Running:
    return Running(version.image or running.image, {**running.environment, **version.parameters})


def _apply_twin(fleet: SimulatedFleet, action: ApplyTwin) -> bool:
    origin = _workload(fleet, action.workload_name, action.workload_uid)
    running = _with_version(origin.running, action.version)
    twin = fleet.workloads.get(action.twin_name)
    if twin is None:
        fleet.workloads[action.twin_name] = SimulatedWorkload(
            name=action.twin_name,
            uid=fleet.new_uid(action.twin_name),
            labels=dict(origin.labels),
            container=origin.container,
            running=running,
            replicas=action.replicas,
            ready_seconds=fleet.ready_seconds,
            changed_at=fleet.clock.now(),
            template=dict(origin.template),
            last_writer=FIELD_MANAGER,
            owner=action.rollout_uid,
            twin_of=origin.name,
        )
        return True
    if twin.owner != action.rollout_uid:
        raise ConflictError(f"Deployment {action.twin_name} is not this rollout's")
    if (twin.running, twin.replicas, twin.template) == (running, action.replicas, origin.template):
        return False
    if twin.template != origin.template:
        twin.serving, twin.changed_at = twin.running, fleet.clock.now()
    twin.set_running(running, fleet.clock.now(), FIELD_MANAGER)
    twin.replicas, twin.template = action.replicas, dict(origin.template)
    return True


def _scale_twin(fleet: SimulatedFleet, action: ScaleTwin) -> bool:
    twin = _workload(fleet, action.twin_name, action.twin_uid)
    changed = twin.replicas != action.replicas
    twin.replicas = action.replicas
    return changed


def _delete_twin(fleet: SimulatedFleet, action: DeleteTwin) -> bool:
    twin = fleet.workloads.get(action.twin_name)
    if twin is None or twin.deleting_until is not None:
        return False
    if twin.uid != action.twin_uid:
        raise ConflictError(f"Deployment {action.twin_name} was made anew")
    twin.deleting_until = fleet.clock.now() + _TERMINATION
    return True


def _deliver(fleet: SimulatedFleet, action: Deliver) -> bool:
    workload = _workload(fleet, action.workload_name, action.workload_uid)
    if workload.container != action.container:
        raise ConflictError(f"Deployment {workload.name} has no container {action.container}")
    running = _with_version(workload.running, action.version)
    if running == workload.running:
        return False
    if not action.force and workload.last_writer != FIELD_MANAGER:
        raise ConflictError(f"Deployment {workload.name}: conflict with {workload.last_writer}")
    workload.set_running(running, fleet.clock.now(), FIELD_MANAGER)
    return True


def _annotate(fleet: SimulatedFleet, deployment: DeploymentView, annotations: Mapping[str, str | None]) -> bool:
    stored = fleet.deployments.get(deployment.name)
    if stored is None or str(stored.version) != deployment.resource_version:
        raise ConflictError(f"ModelDeployment {deployment.name} changed")
    for key, value in annotations.items():
        if value is None:
            stored.annotations.pop(key, None)
        else:
            stored.annotations[key] = value
    stored.version += 1
    return True


def _set_finalizer(fleet: SimulatedFleet, deployment: DeploymentView, action: SetFinalizer) -> bool:
    if action.rollout_name is not None:
        rollout = fleet.rollouts.get(action.rollout_name)
        if rollout is None or rollout.has_finalizer == action.present:
            return False
        rollout.has_finalizer = action.present
        rollout.version += 1
        fleet.collect_garbage()
        return True
    stored = fleet.deployments.get(deployment.name)
    if stored is None or stored.has_finalizer == action.present:
        return False
    stored.has_finalizer = action.present
    stored.version += 1
    fleet.collect_garbage()
    return True


def _workload(fleet: SimulatedFleet, name: str, uid: str) -> SimulatedWorkload:
    found = fleet.workloads.get(name)
    if found is None or found.uid != uid:
        raise ConflictError(f"Deployment {name} is gone or was made anew")
    return found
