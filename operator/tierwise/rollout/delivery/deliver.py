"""Delivering a judged version to a tier, and what is seen of delivered tiers afterwards."""

from __future__ import annotations

from tierwise.api.modelrollout import ModelRolloutStatus, TierStatus
from tierwise.api.reasons import Reason
from tierwise.plurals import agreeing, plural
from tierwise.rollout.delivery.commits import commit_problem
from tierwise.rollout.delivery.converge import Target, conflict_message, converge
from tierwise.rollout.delivery.removal import remove_twins
from tierwise.rollout.delivery.verification import beside_other_tiers
from tierwise.rollout.state.flight import (
    Flight,
    Step,
    finished_tier,
    progressing,
    stalled,
    tier_status,
    with_tier,
    with_workloads,
)
from tierwise.rollout.state.versions import is_running

# Of a delivered workload's pods; fewer may be a node's fault, and the tier was judged good.
CRASH_LOOPING_SHARE = 0.5


def delivering(flight: Flight, tier: TierStatus) -> Step:
    """Deliver `to` to the tier's workloads, wait for their pods, delete the twins, finish the tier."""
    found = converge(flight, Target(tier.name, flight.spec.to, "applied"), tier.workloads)
    status = with_workloads(flight.status, tier.name, found.records)
    if found.foreign:
        message = "; ".join(found.foreign) + "; delivered once more"
        return Step(progressing(status, Reason.DELIVERING, message), (), 0.0)
    if found.conflicts:
        return Step(
            stalled(status, found.conflict_reason, conflict_message(found), flight.now),
            found.actions,
            flight.poll_seconds,
        )
    if found.actions or found.waiting:
        if found.actions and status.reason == Reason.DELIVERY_REFUSED:
            # Let in at last: what pods may take counts from now, not from the first refusal.
            status = with_tier(status, tier.name, delivering_since=flight.now)
        message = f"{tier.name}: " + "; ".join(found.waiting)
        return Step(progressing(status, Reason.DELIVERING, message), found.actions, flight.poll_seconds)
    other = commit_problem(flight, tier.name)
    if other is not None:
        return Step(stalled(status, Reason.COMMIT_MISMATCH, other, flight.now), (), flight.poll_seconds)
    removal = remove_twins(flight, tier_status(status, tier.name))
    if removal is not None:
        status = with_workloads(status, tier.name, removal.records)
        text = f"{tier.name}: delivered, {plural(len(flight.twins(tier.name)), 'candidate twin')} to delete"
        after = progressing(status, Reason.DELIVERING, text)
        return Step(after, removal.actions, 0.0 if removal.is_step else min(1.0, flight.poll_seconds))
    ended = finished_tier(tier_status(status, tier.name), "Delivered", flight.now)
    status = status.model_copy(update={"tiers": [ended if t.name == tier.name else t for t in status.tiers]})
    watch = beside_other_tiers(flight.spec, status, flight.now)
    status = status.model_copy(update={"verification": watch})
    return Step(progressing(status, Reason.DELIVERING, f"{tier.name}: delivered"), (), 0.0)


def is_overdue(flight: Flight, tier: TierStatus) -> str | None:
    """Message when delivered pods are not ready by the deadline, which each step of a twin's removal starts anew."""
    times = [tier.delivering_since, *(record.twin_step_at for record in tier.workloads)]
    since = max((moment for moment in times if moment is not None), default=None)
    if flight.seconds_since(since) < flight.progress_deadline_seconds:
        return None
    found = converge(flight, Target(tier.name, flight.spec.to, "applied"), tier.workloads)
    if not found.waiting or not found.is_written or found.conflicts or found.foreign:
        return None  # what is still to be written is not the pods' fault
    deadline = flight.spec.strategy.progress_deadline
    return f"{tier.name}: not delivered after progressDeadline {deadline}: {'; '.join(found.waiting)}"


def crash_looping(flight: Flight) -> str | None:
    """Message when a delivered workload's pods crash-loop, as under the full load that the twin never had."""
    for tier in watched(flight.status):
        for record in tier.workloads:
            view = flight.workload(tier.name, record)
            if view is None or not view.replicas or not is_running(view.running, flight.spec.to):
                continue
            if view.pods.crash_looping >= CRASH_LOOPING_SHARE * view.replicas:
                of = f"{plural(view.replicas, 'pod')} of {view.kind} {view.name}"
                loop = agreeing(view.pods.crash_looping, "crash-loops", "crash-loop")
                found = f"{view.pods.crash_looping} of {of} {loop}"
                return f"{tier.name}: {found} after delivery"
    return None


def watched(status: ModelRolloutStatus) -> tuple[TierStatus, ...]:
    """The delivered tiers: they run `to` and stay watched for foreign writes."""
    return tuple(record for record in status.tiers if record.phase == "Delivered")
