"""Applies actions to the cluster in memory, with the preconditions of a real API server."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import assert_never

from tierwise.api.common import Version
from tierwise.api.names import FIELD_MANAGER
from tierwise.errors import ConflictError
from tierwise.rollout.state.actions import (
    Action,
    Annotate,
    ApplyTwin,
    CreateRollout,
    DeleteRollout,
    DeleteTwin,
    Deliver,
    RestoreStrategy,
    ScaleTwin,
    SetFinalizer,
)
from tierwise.rollout.state.observation import DeploymentView, Running
from tierwise.simulation.cluster.objects import StoredRollout
from tierwise.simulation.cluster.workloads import SimulatedWorkload
from tierwise.simulation.cluster.world import World

_TERMINATION = timedelta(seconds=0.5)


def apply_action(world: World, deployment: DeploymentView, action: Action) -> bool:
    """Apply the action. Returns False if nothing had to change. Raises ConflictError if a precondition fails."""
    match action:
        case CreateRollout():
            return _create_rollout(world, deployment, action)
        case DeleteRollout():
            return _delete_rollout(world, action)
        case ApplyTwin():
            return _apply_twin(world, action)
        case ScaleTwin():
            return _scale_twin(world, action)
        case DeleteTwin():
            return _delete_twin(world, action)
        case Deliver():
            return _deliver(world, action)
        case RestoreStrategy():
            return _restore_strategy(world, action)
        case Annotate():
            return _annotate(world, deployment, action.annotations)
        case SetFinalizer():
            return _set_finalizer(world, deployment, action)
        case _:
            assert_never(action)


def _create_rollout(world: World, deployment: DeploymentView, action: CreateRollout) -> bool:
    existing = world.rollouts.get(action.name)
    if existing is not None:
        if existing.owner_uid != deployment.uid or existing.spec != action.spec:
            raise ConflictError(f"ModelRollout {action.name} exists and is another one")
        return False
    uid = world.new_uid("mro")
    world.rollouts[action.name] = StoredRollout(action.name, uid, deployment.uid, action.spec, world.clock.now())
    return True


def _delete_rollout(world: World, action: DeleteRollout) -> bool:
    stored = world.rollouts.get(action.name)
    if stored is None:
        return False
    if stored.uid != action.uid:
        raise ConflictError(f"ModelRollout {action.name} was made anew")
    stored.deleting = True
    stored.version += 1
    world.collect_garbage()
    return True


def _with_version(running: Running, version: Version) -> Running:
    return Running(version.image or running.image, {**running.environment, **version.parameters})


def _apply_twin(world: World, action: ApplyTwin) -> bool:
    origin = _workload(world, action.workload_name, action.workload_uid)
    running = _with_version(origin.running, action.version)
    twin = world.workloads.get(action.twin_name)
    if twin is None:
        world.workloads[action.twin_name] = SimulatedWorkload(
            name=action.twin_name,
            uid=world.new_uid(action.twin_name),
            labels=dict(origin.labels),
            container=origin.container,
            running=running,
            replicas=action.replicas,
            ready_seconds=world.ready_seconds,
            changed_at=world.clock.now(),
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
        twin.former, twin.changed_at = ((twin.running, twin.replicas),), world.clock.now()
    twin.set_running(running, world.clock.now(), FIELD_MANAGER)
    twin.replicas, twin.template = action.replicas, dict(origin.template)
    return True


def _scale_twin(world: World, action: ScaleTwin) -> bool:
    twin = _workload(world, action.twin_name, action.twin_uid)
    changed = twin.replicas != action.replicas
    twin.replicas = action.replicas
    return changed


def _delete_twin(world: World, action: DeleteTwin) -> bool:
    twin = world.workloads.get(action.twin_name)
    if twin is None or twin.deleting_until is not None:
        return False
    if twin.uid != action.twin_uid:
        raise ConflictError(f"Deployment {action.twin_name} was made anew")
    twin.deleting_until = world.clock.now() + _TERMINATION
    return True


def _deliver(world: World, action: Deliver) -> bool:
    workload = _workload(world, action.workload_name, action.workload_uid)
    if workload.container != action.container:
        raise ConflictError(f"{workload.kind} {workload.name} has no container {action.container}")
    running = _with_version(workload.running, action.version)
    is_open = (
        not workload.is_closed
        if action.pods is None
        else workload.update_strategy == workload.strategy_for(action.pods)
    )
    if running == workload.running and workload.updating == action.pods and is_open:
        return False
    if not action.force and running != workload.running and workload.last_writer != FIELD_MANAGER:
        raise ConflictError(f"{workload.kind} {workload.name}: conflict with {workload.last_writer}")
    if action.pods is None:
        workload.set_running(running, world.clock.now(), FIELD_MANAGER)
    else:
        workload.set_part(running, action.pods, world.clock.now(), FIELD_MANAGER)
    return True


def _restore_strategy(world: World, action: RestoreStrategy) -> bool:
    workload = _workload(world, action.workload_name, action.workload_uid)
    changed = workload.update_strategy != action.update_strategy
    workload.set_strategy(action.update_strategy, world.clock.now())
    return changed


def _annotate(world: World, deployment: DeploymentView, annotations: Mapping[str, str | None]) -> bool:
    stored = world.deployments.get(deployment.name)
    if stored is None or str(stored.version) != deployment.resource_version:
        raise ConflictError(f"ModelDeployment {deployment.name} changed")
    for key, value in annotations.items():
        if value is None:
            stored.annotations.pop(key, None)
        else:
            stored.annotations[key] = value
    stored.version += 1
    return True


def _set_finalizer(world: World, deployment: DeploymentView, action: SetFinalizer) -> bool:
    if action.rollout_name is not None:
        rollout = world.rollouts.get(action.rollout_name)
        if rollout is None or rollout.has_finalizer == action.present:
            return False
        rollout.has_finalizer = action.present
        rollout.version += 1
        world.collect_garbage()
        return True
    stored = world.deployments.get(deployment.name)
    if stored is None or stored.has_finalizer == action.present:
        return False
    stored.has_finalizer = action.present
    stored.version += 1
    world.collect_garbage()
    return True


def _workload(world: World, name: str, uid: str) -> SimulatedWorkload:
    found = world.workloads.get(name)
    if found is None or found.uid != uid:
        raise ConflictError(f"workload {name} is gone or was made anew")
    return found
