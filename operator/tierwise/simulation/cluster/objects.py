"""Tierwise's own objects in memory, as an API server would keep them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from tierwise.api.modeldeployment import ModelDeploymentSpec, ModelDeploymentStatus
from tierwise.api.modelrollout import ModelRolloutSpec, ModelRolloutStatus
from tierwise.rollout.state.observation import DeploymentView, RolloutView


@dataclass(slots=True)
class StoredDeployment:
    """A ModelDeployment as the API server would keep it."""

    name: str
    uid: str
    spec: ModelDeploymentSpec
    created_at: datetime
    status: ModelDeploymentStatus = field(default_factory=ModelDeploymentStatus)
    generation: int = 1
    version: int = 1
    annotations: dict[str, str] = field(default_factory=dict)
    deleting: bool = False
    has_finalizer: bool = False
    deleted_at: datetime | None = None


@dataclass(slots=True)
class StoredRollout:
    """A ModelRollout as the API server would keep it."""

    name: str
    uid: str
    owner_uid: str
    spec: ModelRolloutSpec
    created_at: datetime
    status: ModelRolloutStatus = field(default_factory=ModelRolloutStatus)
    version: int = 1
    deleting: bool = False
    has_finalizer: bool = False


def deployment_view(namespace: str, stored: StoredDeployment) -> DeploymentView:
    """The view of a ModelDeployment that decide() gets."""
    return DeploymentView(
        namespace=namespace,
        name=stored.name,
        uid=stored.uid,
        generation=stored.generation,
        resource_version=str(stored.version),
        spec=stored.spec,
        status=stored.status,
        annotations=dict(stored.annotations),
        deleting=stored.deleting,
        has_finalizer=stored.has_finalizer,
        created_at=stored.created_at,
        deleted_at=stored.deleted_at,
    )


def rollout_view(stored: StoredRollout) -> RolloutView:
    """The view of a ModelRollout that decide() gets."""
    return RolloutView(
        name=stored.name,
        uid=stored.uid,
        generation=1,
        resource_version=str(stored.version),
        created_at=stored.created_at,
        spec=stored.spec,
        status=stored.status,
        owner_uid=stored.owner_uid,
        deleting=stored.deleting,
        has_finalizer=stored.has_finalizer,
    )
