"""After a rollback: whether workloads and log stay at the baseline over `verifyRecovery`, while nothing is in flight.

The check stands beside the ModelDeployment's state: it neither delays a new version nor keeps a rollback from its end.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Literal

from tierwise.api.common import duration_seconds
from tierwise.api.modelrollout import ModelRolloutSpec, ModelRolloutStatus, Recovery
from tierwise.monitoring.checks.concern import Concern
from tierwise.plurals import plural
from tierwise.rollout.delivery.adoption import is_captured
from tierwise.rollout.state.actions import CreateRollout, Decision
from tierwise.rollout.state.conditions import render, rollout_report
from tierwise.rollout.state.observation import Observation, RolloutView, WorkloadView
from tierwise.rollout.state.versions import difference, is_running
from tierwise.rollout.state.wording import clip, clock_time

# Rows on their way, and clocks that differ, may look like predictions after the rollback.
SLACK_SECONDS = 30.0
LONGEST_POLL_SECONDS = 15.0

State = Literal["Checking", "Verified", "Failed", "Superseded"]


def opened(spec: ModelRolloutSpec, now: datetime) -> Recovery | None:
    """The record at a rollback's end; None when `verifyRecovery` is 0."""
    end = now + timedelta(seconds=duration_seconds(spec.strategy.verify_recovery))
    return Recovery(since=now, message=f"recovery {_checking(spec, end)}") if end > now else None


def state_of(recovery: Recovery) -> State:
    """Where the check is."""
    if recovery.failed_at is not None:
        return "Failed"
    if recovery.verified_at is not None:
        return "Verified"
    return "Checking" if recovery.superseded_by is None else "Superseded"


def is_open(status: ModelRolloutStatus) -> bool:
    """Whether the rollout's recovery is still checked."""
    return status.recovery is not None and state_of(status.recovery) == "Checking"


def recovering(observation: Observation) -> RolloutView | None:
    """The rollout whose recovery is checked: the newest, once it is rolled back and as long as nothing followed."""
    newest = max(observation.rollouts, key=lambda rollout: rollout.spec.revision, default=None)
    if newest is None or newest.deleting or newest.status.result != "RolledBack" or not is_open(newest.status):
        return None
    return newest


def period(rollout: RolloutView) -> tuple[datetime, datetime]:
    """Prediction time to check, half-open: from the rollback plus slack to the end of `verifyRecovery`."""
    assert rollout.status.recovery is not None
    since = rollout.status.recovery.since
    seconds = duration_seconds(rollout.spec.strategy.verify_recovery)
    return since + timedelta(seconds=min(SLACK_SECONDS, seconds / 2)), since + timedelta(seconds=seconds)


def checked(observation: Observation, decision: Decision, now: datetime) -> Decision:
    """The decision at rest, with one step of the check.

    When the decision starts a rollout, the end of the check is recorded first, in a tick of its own.
    """
    rollout = recovering(observation)
    if rollout is None:
        return decision
    created = next((action for action in decision.actions if isinstance(action, CreateRollout)), None)
    if created is not None:
        to = created.spec.to.name
        status = _recorded(rollout, f"not checked to its end: the rollout of {to} begins", now, superseded_by=to)
        return Decision(observation.deployment.status, status, rollout.name, requeue_after_seconds=0.0)
    status = _checked(observation, rollout, now)
    if status != rollout.status:
        return replace(decision, rollout_status=status, rollout_name=rollout.name, requeue_after_seconds=0.0)
    seconds = duration_seconds(rollout.spec.strategy.verify_recovery)
    poll = min(LONGEST_POLL_SECONDS, max(1.0, seconds / 4))
    requeue = decision.requeue_after_seconds
    return replace(decision, requeue_after_seconds=poll if requeue is None else min(poll, requeue))


def _checked(observation: Observation, rollout: RolloutView, now: datetime) -> ModelRolloutStatus:
    spec = rollout.spec
    _, end = period(rollout)
    views = _workloads(observation, rollout)
    drifted = next((view for view in views if not is_running(view.running, spec.from_)), None)
    if drifted is not None:
        writer = drifted.last_writer or "an unknown manager"
        found = (
            f"{drifted.kind} {drifted.name} no longer runs {spec.from_.name}: {difference(drifted.running, spec.from_)}"
        )
        return _failed(rollout, f"{found}, written by {writer}; restore it", now)
    log = observation.recovery
    if log is not None and not isinstance(log, Concern) and log.candidate_rows:
        found = f"{plural(log.candidate_rows, 'prediction')} of {spec.to.name} since the rollback"
        return _failed(rollout, f"{found}; find what still serves it", now)
    unready = next((_unready(view) for view in views if _unready(view)), None)
    if unready is not None:
        overdue = end + timedelta(seconds=duration_seconds(spec.strategy.progress_deadline))
        if now >= overdue:
            return _failed(rollout, f"{unready} after verifyRecovery and progressDeadline", now)
        return _recorded(rollout, f"{_checking(spec, end)}; {unready}", now)
    if isinstance(log, Concern):
        return _recorded(rollout, f"not verified, the log cannot be read ({log.reason}): {log.message}", now)
    if now < end or log is None:
        return _recorded(rollout, _checking(spec, end), now)
    if log.until < end:
        waits = f"not verified yet: the log must be complete until {clock_time(end)}; check that pods still log"
        return _recorded(rollout, waits, now)
    if not log.baseline_rows and not is_captured(spec.from_):
        return _failed(rollout, f"no predictions of {spec.from_.name} since the rollback; check that pods serve", now)
    rows = f"{plural(log.baseline_rows, 'prediction')} of {spec.from_.name}, none of {spec.to.name}"
    if is_captured(spec.from_):  # the log does not know it by this name
        rows = f"no predictions of {spec.to.name}"
    found = f"{plural(len(views), 'workload')} stayed at {spec.from_.name} for {spec.strategy.verify_recovery}, {rows}"
    return _recorded(rollout, f"verified: {found}", now, verified_at=now)


def _workloads(observation: Observation, rollout: RolloutView) -> list[WorkloadView]:
    """The workloads of the tiers that went back, as far as they are there."""
    touched = {record.uid for tier in rollout.status.tiers if tier.phase == "RolledBack" for record in tier.workloads}
    return [view for tier in observation.tiers for view in tier.workloads if view.uid in touched]


def _unready(view: WorkloadView) -> str | None:
    # A scale-up leaves some pods unready for a while: that is no failure to recover.
    pods = view.pods
    if not view.replicas or not (pods.crash_looping or pods.ready == 0 or pods.outdated):
        return None
    ready = max(0, pods.ready - pods.outdated)
    return f"{view.kind} {view.name} has {ready} of {plural(view.replicas, 'pod')} ready"


def _checking(spec: ModelRolloutSpec, end: datetime) -> str:
    return f"checked until {clock_time(end)} (verifyRecovery {spec.strategy.verify_recovery})"


def _failed(rollout: RolloutView, message: str, now: datetime) -> ModelRolloutStatus:
    return _recorded(rollout, f"failed: {message}", now, failed_at=now)


def _recorded(rollout: RolloutView, message: str, now: datetime, **update: object) -> ModelRolloutStatus:
    assert rollout.status.recovery is not None
    changed = rollout.status.recovery.model_copy(update={"message": clip(f"recovery {message}", 500), **update})
    status = rollout.status.model_copy(update={"recovery": changed})
    conditions = render(rollout_report(status), status.conditions, generation=rollout.generation, now=now)
    return status.model_copy(update={"conditions": conditions})
