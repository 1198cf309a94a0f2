"""Back to `from`: record the rejected version first, then delete twins and restore all that was delivered to."""

from __future__ import annotations

from collections.abc import Sequence

from tierwise.api.modelrollout import ModelRolloutStatus, TierPhase, TierStatus, WorkloadStatus
from tierwise.api.reasons import Reason
from tierwise.rollout.delivery import recovery, verification
from tierwise.rollout.delivery.converge import Target, conflict_message, converge, restored
from tierwise.rollout.delivery.records import with_strategies
from tierwise.rollout.state import commands
from tierwise.rollout.state.actions import Action, DeleteTwin, RestoreStrategy
from tierwise.rollout.state.flight import Flight, Step, finished_tier, stalled, with_workloads
from tierwise.rollout.state.observation import DeploymentView, RolloutView
from tierwise.rollout.state.versions import identity_of, is_running
from tierwise.rollout.state.wording import clip


def requested_message(value: str | None) -> str | None:
    """The message of a rollback annotation."""
    return None if value is None else f"requested by annotation: {value or 'no reason given'}"


def begin(flight: Flight, status: ModelRolloutStatus, reason: Reason, message: str) -> Step:
    """Record that the rollout goes back, without an action."""
    return Step(returning(flight, status, reason, message), (), 0.0)


def returning(flight: Flight, status: ModelRolloutStatus, reason: Reason, message: str) -> ModelRolloutStatus:
    """The status of a rollout that begins to go back. What was never touched is marked so."""
    tiers = [
        with_strategies(tier, flight.tier_view(tier.name).workloads).model_copy(update={"phase": _phase(tier)})
        for tier in status.tiers
    ]
    handled = dict(status.handled)
    if reason is Reason.ROLLBACK_REQUESTED and (value := _rollback_value(flight)) is not None:
        handled["rollback"] = value
    return status.model_copy(
        update={
            "result": "RollingBack",
            "reason": str(reason),
            "message": clip(message),
            "rolling_back_since": flight.now,
            "stalled_since": None,
            "tiers": tiers,
            "handled": handled,
            "verification": verification.without_an_end(status, flight.now),
        }
    )


def _rollback_value(flight: Flight) -> str | None:
    return flight.observation.deployment.annotations.get(commands.ANNOTATIONS["rollback"])


def _phase(tier: TierStatus) -> TierPhase:
    return "Untouched" if tier.phase in ("Pending", "Untouched") else "RollingBack"


def is_recorded(deployment: DeploymentView, rollout: RolloutView) -> bool:
    """Whether the ModelDeployment remembers this rollout's version as rejected."""
    identity = identity_of(rollout.spec.to)
    return any(entry.identity == identity and entry.rollout == rollout.name for entry in deployment.status.rejected)


def advance(flight: Flight) -> Step:
    """Restore everything at once and wait for the pods; the end is `RolledBack` or `Superseded`."""
    status = flight.status
    is_superseded = status.superseded_by is not None
    if not is_superseded and not is_recorded(flight.observation.deployment, flight.rollout):
        return Step(status, (), 0.0)  # the ModelDeployment's part writes the record in this very tick
    actions: list[Action] = []
    waiting: list[str] = []
    conflict: str | None = None
    conflict_reason = Reason.FIELD_CONFLICT
    found_of = {tier.name: converge(flight, _target(flight, tier), _touched(tier)) for tier in status.tiers}
    has_foreign = any(found.foreign for found in found_of.values())
    for tier in status.tiers:
        twins, found = flight.twins(tier.name), found_of[tier.name]
        if has_foreign and not found.foreign:
            continue  # a tick that records a write by others has no actions: the other tiers wait for the next one
        actions += [DeleteTwin(twin.name, twin.uid) for twin in twins if not twin.deleting]
        waiting += [f"{twin.name} is being deleted" for twin in twins]
        status = _with_records(status, tier, found.records)
        actions += found.actions
        waiting += found.waiting
        if found.conflicts:
            conflict, conflict_reason = conflict_message(found), found.conflict_reason
    if has_foreign:
        return Step(status, (), 0.0)
    if actions or waiting:
        return _waiting(flight, status, tuple(actions), waiting)
    if conflict is not None:
        return Step(stalled(status, conflict_reason, conflict, flight.now), (), flight.poll_seconds)
    return Step(_finished(flight, status), (), 0.0)


def _waiting(flight: Flight, status: ModelRolloutStatus, actions: tuple[Action, ...], waiting: list[str]) -> Step:
    overdue = flight.seconds_since(status.rolling_back_since) >= flight.progress_deadline_seconds
    if overdue and status.superseded_by is not None and _is_pods_only(flight, status):
        # The baseline itself is broken: the next version must still be able to roll forward.
        return _given_up(flight, status, actions)
    if overdue:
        deadline = flight.spec.strategy.progress_deadline
        late = f"rolling back to {flight.spec.from_.name} is not done after progressDeadline {deadline}"
        message = f"{late}: {'; '.join(waiting)}"
        return Step(stalled(status, Reason.ROLLING_BACK, message, flight.now), actions, flight.poll_seconds)
    return Step(status, actions, min(1.0, flight.poll_seconds))


def _target(flight: Flight, tier: TierStatus) -> Target:
    return Target(tier.name, flight.spec.from_, "restored")


def _touched(tier: TierStatus) -> list[WorkloadStatus]:
    return [record for record in tier.workloads if record.delivered]


def _with_records(
    status: ModelRolloutStatus, tier: TierStatus, records: Sequence[WorkloadStatus]
) -> ModelRolloutStatus:
    after = {record.uid: record for record in records}
    return with_workloads(status, tier.name, [after.get(record.uid, record) for record in tier.workloads])


def _is_pods_only(flight: Flight, status: ModelRolloutStatus) -> bool:
    """Whether no twin is left and every template is right, so that only pods are waited for."""
    if any(flight.twins(tier.name) for tier in status.tiers):
        return False
    found = [flight.workload(tier.name, record) for tier in status.tiers for record in _touched(tier)]
    return all(view is None or is_running(view.running, flight.spec.from_) for view in found)


def _given_up(flight: Flight, status: ModelRolloutStatus, actions: Sequence[Action]) -> Step:
    """Pods are waited for no longer. The last act: workloads get their own update strategies back."""
    restoring: list[Action] = [action for action in actions if isinstance(action, RestoreStrategy)]
    for tier in status.tiers:
        records = []
        for record in _touched(tier):
            view = flight.workload(tier.name, record)
            action, after = restored(view, record) if view is not None else (None, record)
            restoring += [] if action is None else [action]
            records.append(after)
        status = _with_records(status, tier, records)
    if restoring:
        return Step(status, tuple(restoring), 0.0)
    return Step(_finished(flight, status), (), 0.0)


def _finished(flight: Flight, status: ModelRolloutStatus) -> ModelRolloutStatus:
    tiers = [
        finished_tier(tier, "RolledBack", flight.now) if tier.phase == "RollingBack" else tier for tier in status.tiers
    ]
    update = {"tiers": tiers, "finished_at": flight.now, "stalled_since": None}
    if status.superseded_by is not None:
        message = f"superseded by {status.superseded_by}; every touched workload runs {flight.spec.from_.name} again"
        return status.model_copy(
            update=update | {"result": "Superseded", "reason": str(Reason.SUPERSEDED), "message": clip(message)}
        )
    rejected = next(
        (entry for entry in flight.observation.deployment.status.rejected if entry.rollout == flight.rollout.name), None
    )
    update |= {"result": "RolledBack", "recovery": recovery.opened(flight.spec, flight.now)}
    if rejected is not None:  # a stall in between must not hide why the rollout went back
        update |= {"message": rejected.reason}
    return status.model_copy(update=update)
