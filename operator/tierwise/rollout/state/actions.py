"""The actions of decide(), as a closed union. Each action is idempotent and has its own precondition."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from tierwise.api.common import Version
from tierwise.api.modeldeployment import ModelDeploymentStatus
from tierwise.api.modelrollout import ModelRolloutSpec, ModelRolloutStatus


@dataclass(frozen=True, slots=True)
class CreateRollout:
    """Create the ModelRollout; AlreadyExists with the same owner uid and spec counts as done."""

    name: str
    spec: ModelRolloutSpec


@dataclass(frozen=True, slots=True)
class DeleteRollout:
    """Prune a finished ModelRollout (historyLimit)."""

    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class ApplyTwin:
    """Create or update the twin: the workload's live template with `version` in `container` and `replicas` pods."""

    tier: str
    kind: str
    workload_name: str
    workload_uid: str
    twin_name: str
    rollout_name: str
    rollout_uid: str
    container: str
    version: Version
    replicas: int


@dataclass(frozen=True, slots=True)
class ScaleTwin:
    """Set the number of the twin's pods."""

    twin_name: str
    twin_uid: str
    replicas: int


@dataclass(frozen=True, slots=True)
class DeleteTwin:
    """Delete with foreground propagation and uid precondition; not found counts as done."""

    twin_name: str
    twin_uid: str


@dataclass(frozen=True, slots=True)
class Deliver:
    """Server-side apply of exactly the container's image and parameters, with the workload's uid as precondition.

    With `pods` only this number of pods get them, and the update strategy keeps the others as they are. Without `pods`
    all get them. `update_strategy` is the workload's own, as JSON; it says how many pods may be unavailable at a time.
    """

    tier: str
    kind: str
    workload_name: str
    workload_uid: str
    container: str
    version: Version
    force: bool
    pods: int | None = None
    update_strategy: str | None = None


@dataclass(frozen=True, slots=True)
class RestoreStrategy:
    """Give a workload back the update strategy (JSON) that it had before Tierwise changed it."""

    kind: str
    workload_name: str
    workload_uid: str
    update_strategy: str


@dataclass(frozen=True, slots=True)
class Annotate:
    """Set annotations on the ModelDeployment (rolled-back-from, reason, at); None removes."""

    annotations: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class SetFinalizer:
    """Add or release Tierwise's finalizer on the ModelDeployment or, with a name, on that ModelRollout."""

    present: bool
    rollout_name: str | None = None


Action = (
    CreateRollout
    | DeleteRollout
    | ApplyTwin
    | ScaleTwin
    | DeleteTwin
    | Deliver
    | RestoreStrategy
    | Annotate
    | SetFinalizer
)


@dataclass(frozen=True, slots=True)
class Event:
    """A Kubernetes Event, emitted only after the status write succeeded."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str
    on: Literal["deployment", "rollout"] = "deployment"


@dataclass(frozen=True, slots=True)
class Decision:
    """Actions are applied in order, then the statuses that differ are written, each with one PUT, then events emitted.

    A record that must precede its effect comes in a decision without actions.
    """

    deployment_status: ModelDeploymentStatus
    rollout_status: ModelRolloutStatus | None = None
    rollout_name: str | None = None
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    others: Mapping[str, ModelRolloutStatus] = field(default_factory=dict)  # by name: of rollouts that are over
    requeue_after_seconds: float | None = field(default=None)
