"""The ModelDeployment's part of a decision: the rollout in flight, its end, and what to do at rest."""

from __future__ import annotations

from datetime import datetime

from tierwise.api.modeldeployment import ModelDeploymentStatus, RejectedVersion
from tierwise.api.modelrollout import ModelRolloutStatus
from tierwise.api.names import ConditionType
from tierwise.api.reasons import Reason
from tierwise.plurals import plural
from tierwise.rollout import prerelease, start
from tierwise.rollout.advance import advance, with_conditions
from tierwise.rollout.delivery import verification
from tierwise.rollout.delivery.adoption import adopt
from tierwise.rollout.delivery.validate import Problem, preflight_problem
from tierwise.rollout.record.summary import with_report, with_rollout_report
from tierwise.rollout.state import commands, drift
from tierwise.rollout.state.actions import Decision, Deliver, RestoreStrategy, SetFinalizer
from tierwise.rollout.state.conditions import Report, Standing, Truth, recovered, rollout_report, verified
from tierwise.rollout.state.flight import FINISHED, RETRY_SECONDS, Flight, Step, stalled
from tierwise.rollout.state.observation import Observation, RolloutView
from tierwise.rollout.state.versions import identity_of, is_same
from tierwise.rollout.state.wording import clip

MOST_REJECTED = 20


def first_sight(observation: Observation, now: datetime) -> Decision:
    """Record when Tierwise first saw the object, and the commands on it, which are not executed."""
    view = observation.deployment
    status = view.status.model_copy(
        update={"first_seen_at": now, "handled": {**commands.present(view.annotations), **view.status.handled}}
    )
    report = Report("Reconciling", Reason.WAITING_FOR_WORKLOADS, "seen for the first time")
    return Decision(with_report(status, report, observation, now, label="Waiting"), requeue_after_seconds=0.0)


def in_flight(observation: Observation) -> RolloutView | None:
    """The rollout that the status names, or one that was created just before a crash."""
    status = observation.deployment.status
    for rollout in observation.rollouts:
        if rollout.name == status.rollout or (status.rollout is None and rollout.spec.revision > status.last_revision):
            return rollout
    return None


def fly(observation: Observation, rollout: RolloutView, now: datetime) -> Decision:
    """Take one step of the rollout in flight."""
    view = observation.deployment
    if view.status.rollout != rollout.name:
        update = {"rollout": rollout.name, "last_revision": rollout.spec.revision}
        return Decision(view.status.model_copy(update=update), requeue_after_seconds=0.0)
    if rollout.status.result in FINISHED:
        return land(observation, rollout, now)
    if not rollout.has_finalizer and not rollout.deleting:
        return Decision(view.status, actions=(SetFinalizer(True, rollout.name),), requeue_after_seconds=0.0)
    flight = Flight(observation, rollout, now)
    step = _unless_refused(flight, advance(flight))
    rolling = with_conditions(step.status, flight)
    status = _with_handled(observation, rolling)
    status = _with_rejected(status, rollout, rolling, now)
    status = with_rollout_report(status, rollout_report(rolling), observation, now, (rollout.spec, rolling))
    return _decision(status, Step(rolling, step.actions, step.requeue_after_seconds), rollout.name)


def _unless_refused(flight: Flight, step: Step) -> Step:
    """The step, unless a write was refused. Then only the refusal is recorded, and the write is tried again later."""
    refused = flight.observation.refused
    if refused is None or not any(isinstance(action, Deliver | RestoreStrategy) for action in step.actions):
        return step
    return Step(stalled(flight.status, Reason.DELIVERY_REFUSED, refused, flight.now), (), RETRY_SECONDS)


def _decision(status: ModelDeploymentStatus, step: Step, name: str) -> Decision:
    return Decision(
        deployment_status=status,
        rollout_status=step.status,
        rollout_name=name,
        actions=step.actions,
        requeue_after_seconds=step.requeue_after_seconds,
    )


def _with_handled(observation: Observation, rolling: ModelRolloutStatus) -> ModelDeploymentStatus:
    """Copy the commands that the rollout handled."""
    view = observation.deployment
    present = commands.present(view.annotations)
    done = {verb: value for verb, value in present.items() if commands.is_handled(verb, value, rolling.handled)}
    return view.status.model_copy(update={"handled": {**view.status.handled, **done}})


def _with_rejected(
    status: ModelDeploymentStatus, rollout: RolloutView, rolling: ModelRolloutStatus, now: datetime
) -> ModelDeploymentStatus:
    """Remember the rejected version before anything is undone. A superseded version is not rejected."""
    is_rejected = rolling.rolling_back_since is not None and rolling.superseded_by is None
    if not is_rejected or any(entry.rollout == rollout.name for entry in status.rejected):
        return status
    entry = RejectedVersion(
        identity=identity_of(rollout.spec.to),
        name=rollout.spec.to.name,
        rollout=rollout.name,
        reason=clip(rolling.message),
        at=rolling.rolling_back_since or now,
    )
    return status.model_copy(update={"rejected": [*status.rejected, entry][-MOST_REJECTED:]})


def land(observation: Observation, rollout: RolloutView, now: datetime) -> Decision:
    """Update the ModelDeployment after the end of its rollout. The rollout's status decides what is stable."""
    status, spec = observation.deployment.status, rollout.spec
    update: dict[str, object] = {"rollout": None}
    if rollout.status.result == "Completed":
        identity = identity_of(spec.to)
        kept = [entry for entry in status.rejected if entry.identity != identity]
        update |= {"stable": spec.to, "previous_stable": spec.from_, "rejected": kept}
    elif start.is_backward(status, spec):
        update |= {"stable": spec.from_, "previous_stable": None}
    status = _with_handled(observation, rollout.status).model_copy(update=update)
    report = rollout_report(rollout.status)
    status = with_rollout_report(status, report, observation, now, (spec, rollout.status))
    return Decision(status, requeue_after_seconds=0.0)


def rest(observation: Observation, now: datetime) -> Decision:
    """Decide without a rollout in flight: adopt a version, start a rollout, or do nothing."""
    view = observation.deployment
    status = view.status.model_copy(update={"rollout": None})
    if status.stable is None:
        found = adopt(observation, now)
        status = status.model_copy(update={"stable": found.stable})
        label = "Ready" if found.health == "Ready" else ("Waiting" if found.health == "Reconciling" else "Stalled")
        report = Report(found.health, found.reason, found.message)
        requeue = 0.0 if found.stable is not None else RETRY_SECONDS / 5
        return Decision(with_report(status, report, observation, now, label=label), requeue_after_seconds=requeue)
    stable = status.stable
    worse = verification.regressed(observation)
    if worse is not None and status.previous_stable is not None and view.spec.rollback.automatic:
        return _create(observation, start.backward(observation, stable, status.previous_stable), now)
    asked = commands.pending("rollback", view.annotations, status.handled)
    if asked is not None and status.previous_stable is not None:
        return _create(observation, start.backward(observation, stable, status.previous_stable, asked), now)
    if is_same(start.candidate_of(observation, stable), stable):
        return _content(observation, status, now)
    return _changed(observation, status, now)


def _content(observation: Observation, status: ModelDeploymentStatus, now: datetime) -> Decision:
    """The decision if the spec's version is stable."""
    problem = preflight_problem(observation) or _overwritten_again(status)
    if problem is not None:
        return _held(observation, status, now, "Stalled", problem, label="Stalled")
    wanted = observation.deployment.spec.version  # it has the newest commit and digest
    stable = (
        status.stable.model_copy(update={"commit": wanted.commit, "digest": wanted.digest}) if status.stable else None
    )
    status = status.model_copy(update={"stable": stable})
    workloads = sum(len(tier.workloads) for tier in observation.tiers)
    text = f"{wanted.name} is stable in {plural(workloads, 'workload')} of {plural(len(observation.tiers), 'tier')}"
    drifted = drift.summary(status.drift)
    if drifted is not None:
        text += f"; but {drifted}"
    others: dict[ConditionType, tuple[Truth, Reason, str]] = {}
    record = verification.of_stable(observation)
    if record is not None:
        others[ConditionType.VERIFIED] = verified(record)
        if record.verdict == "Regressed":
            text += f"; {record.message}"
    report = Report("Ready", Reason.AT_REST, text, others)
    return Decision(with_report(status, report, observation, now, label="Ready"))


def _overwritten_again(status: ModelDeploymentStatus) -> Problem | None:
    """The problem of workloads that were restored and changed again: one more restore could go on for ever."""
    found = drift.summary(drift.given_up(status.drift))
    if found is None:
        return None
    return Problem(Reason.FIELD_CONFLICT, f"{found}; stop the other writer, then set tierwise.io/retry")


def _changed(observation: Observation, status: ModelDeploymentStatus, now: datetime) -> Decision:
    """The decision if the spec names another version than the stable one."""
    assert status.stable is not None
    rejected = start.rejection(observation, status.stable)
    if rejected is not None:
        others: dict[ConditionType, tuple[Truth, Reason, str]] = {
            ConditionType.ROLLED_BACK: ("True", Reason.VERSION_REJECTED, rejected.message)
        }
        if rejected.recovery is not None:
            others[ConditionType.RECOVERED] = recovered(rejected.recovery)
        report = Report("Stalled", Reason.VERSION_REJECTED, rejected.message, others)
        return Decision(with_report(status, report, observation, now, label="RolledBack"))
    if observation.deployment.spec.paused:
        name = observation.deployment.spec.version.name
        problem = Problem(Reason.PAUSED, f"spec.paused: the rollout of {name} starts when it is false")
        return _held(observation, status, now, "Reconciling", problem, label="Paused")
    started = start.forward(observation, status.stable)
    if isinstance(started, start.Start) and started.create.spec.compared:
        closed = prerelease.closed(observation, started.create.spec.to.name)
        if closed is not None:
            label = "Stalled" if closed.health == "Stalled" else "Validating"
            return _held(observation, status, now, closed.health, closed.problem, label=label)
    if isinstance(started, Problem):
        return _held(observation, status, now, "Stalled", started, label="Stalled")
    return _create(observation, started, now)


def _held(
    observation: Observation,
    status: ModelDeploymentStatus,
    now: datetime,
    health: Standing,
    problem: Problem,
    *,
    label: str,
) -> Decision:
    report = Report(health, problem.reason, problem.message)
    after = with_report(status, report, observation, now, label=label)
    return Decision(after, requeue_after_seconds=RETRY_SECONDS)


def _create(observation: Observation, started: start.Start, now: datetime) -> Decision:
    if not observation.deployment.has_finalizer:
        return Decision(observation.deployment.status, actions=(SetFinalizer(True),), requeue_after_seconds=0.0)
    text = f"{started.create.spec.from_.name} → {started.create.spec.to.name} by {started.create.name}"
    report = Report("Reconciling", Reason.PROBING, text)
    status = with_report(started.status, report, observation, now, label="Rolling")
    return Decision(status, actions=(started.create,), requeue_after_seconds=0.0)
