"""The rollout's part of a decision: the next step."""

from __future__ import annotations

from dataclasses import replace

from tierwise.api.modelrollout import ModelRolloutStatus, TierStatus
from tierwise.api.reasons import Reason
from tierwise.plurals import plural
from tierwise.rollout import supersede, tier
from tierwise.rollout.delivery import deliver as delivery
from tierwise.rollout.delivery import rollback, verification
from tierwise.rollout.delivery.converge import Target, conflict_message, converge
from tierwise.rollout.delivery.records import new_record
from tierwise.rollout.start import is_backward
from tierwise.rollout.state import commands
from tierwise.rollout.state.conditions import current_tier, render, rollout_report
from tierwise.rollout.state.flight import FINISHED, Flight, Step, progressing, stalled, with_tier, with_workloads


def advance(flight: Flight) -> Step:
    """Take one step of a rollout that has not finished."""
    status = flight.status
    if status.result in FINISHED:
        return Step(status)
    if not status.tiers:
        return _begin(flight)
    if _pending(flight, "retry") is not None:
        return _retry(flight)
    if status.rolling_back_since is not None:
        return rollback.advance(flight)
    successor = supersede.successor(flight)
    if successor is not None:
        return supersede.begin(flight, successor)
    record = current_tier(status)
    if record is None:
        return Step(_completed(flight), (), 0.0)
    broken = delivery.crash_looping(flight)
    if broken is not None:
        return rollback.begin(flight, status, Reason.DELIVERY_UNREADY, broken)
    status, worse = verification.watched(flight, status)
    if worse is not None:
        return rollback.begin(flight, status, Reason.REGRESSED_AFTER_PROMOTION, worse)
    if status != flight.status:  # results about delivered tiers are recorded before the tier in flight continues
        return Step(status, (), 0.0)
    found = _watch_delivered(flight)
    if found is not None and found.status.tiers != status.tiers:
        return found
    step = _tier_step(flight, record, conflict=found.status.message if found is not None else None)
    if found is not None and step.status.result in ("Progressing", "Stalled"):
        # Another writer fights over it. Judging continues, and the status says so until `retry` or a new version.
        reason, message = Reason(found.status.reason), found.status.message
        step = replace(step, status=stalled(step.status, reason, message, flight.now))
    return step


def _tier_step(flight: Flight, record: TierStatus, *, conflict: str | None) -> Step:
    if record.phase in ("Pending", "Delivering"):
        asked = rollback.requested_message(_pending(flight, "rollback"))
        if asked is not None:
            return rollback.begin(flight, flight.status, Reason.ROLLBACK_REQUESTED, asked)
    match record.phase:
        case "Pending":
            return tier.start(flight, record) if conflict is None else Step(flight.status, (), flight.poll_seconds)
        case "Probing" | "Judging":
            return tier.advance(flight, record, conflict=conflict)
        case "Delivering":
            overdue = delivery.is_overdue(flight, record)
            if overdue is not None:
                return rollback.begin(flight, flight.status, Reason.DELIVERY_UNREADY, overdue)
            return delivery.delivering(flight, record)
        case _:
            raise AssertionError(f"tier {record.name} is {record.phase} in a rollout that goes forward")


def with_conditions(status: ModelRolloutStatus, flight: Flight) -> ModelRolloutStatus:
    """The status with its conditions rendered."""
    generation = flight.rollout.generation
    conditions = render(rollout_report(status), status.conditions, generation=generation, now=flight.now)
    return status.model_copy(update={"conditions": conditions, "observed_generation": generation})


def _pending(flight: Flight, verb: commands.Verb) -> str | None:
    deployment = flight.observation.deployment
    return commands.pending(verb, deployment.annotations, deployment.status.handled, flight.status.handled)


def _begin(flight: Flight) -> Step:
    tiers = [TierStatus(name=spec.name) for spec in flight.spec.strategy.tiers]
    status = flight.status.model_copy(update={"tiers": tiers, "started_at": flight.now})
    if is_backward(flight.observation.deployment.status, flight.spec):
        return _begin_backward(flight, status)
    handled = dict(status.handled)
    # A command that started this rollout, or that was there before it, is not a command to this rollout.
    present = commands.present(flight.observation.deployment.annotations)
    if "retry" in present:
        handled["retry"] = present["retry"]
    status = status.model_copy(update={"handled": handled})
    text = f"{flight.spec.from_.name} → {flight.spec.to.name} through {plural(len(tiers), 'tier')}"
    return Step(progressing(status, Reason.PROBING, text), (), 0.0)


def _begin_backward(flight: Flight, status: ModelRolloutStatus) -> Step:
    """Begin the return to the previous stable version. Every workload counts as delivered."""
    tiers = [
        record.model_copy(
            update={
                "phase": "RollingBack",
                "started_at": flight.now,
                "workloads": [
                    new_record(view).model_copy(update={"delivered": True, "applied": True})
                    for view in flight.tier_view(record.name).workloads
                ],
            }
        )
        for record in status.tiers
    ]
    status = status.model_copy(update={"tiers": tiers})
    worse = verification.cause_of(flight.observation.rollouts, flight.rollout)
    if worse is not None:
        return rollback.begin(flight, status, Reason.REGRESSED_AFTER_PROMOTION, worse)
    value = commands.present(flight.observation.deployment.annotations).get("rollback", "")
    asked = rollback.requested_message(value) or ""
    return rollback.begin(flight, status, Reason.ROLLBACK_REQUESTED, asked)


def _retry(flight: Flight) -> Step:
    """Handle `retry` during a rollout: forgive writes by others, and judge a tier anew if its dataset was edited."""
    status = flight.status
    value = _pending(flight, "retry") or ""
    for record in status.tiers:
        forgiven = [
            workload.model_copy(update={"foreign_writes": 0, "applied": False, "restored": False, "held": None})
            if workload.foreign_writes
            else workload
            for workload in record.workloads
        ]
        status = with_workloads(status, record.name, forgiven)
        if record.gate is not None and record.gate.reason is Reason.DATASET_INVALID:
            again = TierStatus(name=record.name, phase="Probing", started_at=record.started_at, workloads=forgiven)
            status = with_tier(status, record.name, **dict(again))
    return Step(status.model_copy(update={"handled": {**status.handled, "retry": value}}), (), 0.0)


def _watch_delivered(flight: Flight) -> Step | None:
    """Undo the first foreign write to a delivered tier. After the second, nothing is promoted. None: nothing to do."""
    status = flight.status
    for record in delivery.watched(status):
        found = converge(flight, Target(record.name, flight.spec.to, "applied"), record.workloads)
        after = with_workloads(status, record.name, found.records)
        if found.foreign:
            message = "; ".join(found.foreign) + "; delivered once more"
            return Step(progressing(after, Reason.DELIVERING, message), (), 0.0)
        if found.actions or (after != status and not found.conflicts):
            return Step(after, found.actions, 0.0)
        if found.conflicts:
            message = conflict_message(found)
            return Step(stalled(after, found.conflict_reason, message, flight.now), (), flight.poll_seconds)
    return None


def _all(tiers: int) -> str:
    return "its tier" if tiers == 1 else f"all {tiers} tiers"


def _completed(flight: Flight) -> ModelRolloutStatus:
    status = flight.status
    text = f"{flight.spec.to.name} runs in {_all(len(status.tiers))}"
    status = progressing(status, Reason.COMPLETED, text)
    watch = verification.after_rollout(flight.spec, flight.now)
    return status.model_copy(update={"result": "Completed", "finished_at": flight.now, "verification": watch})
