"""Bringing a version into workloads that others own, and telling foreign writes apart. Replicas are never written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from tierwise.api.common import Version
from tierwise.api.modelrollout import ModelRolloutStatus, TierStatus, WorkloadStatus
from tierwise.api.names import FIELD_MANAGER
from tierwise.api.reasons import Reason
from tierwise.rollout.delivery.commits import commit_problem
from tierwise.rollout.delivery.removal import remove_twins
from tierwise.rollout.delivery.verification import beside_other_tiers
from tierwise.rollout.state.actions import Action, Deliver
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
from tierwise.rollout.state.observation import WorkloadView
from tierwise.rollout.state.versions import difference, is_running

# The first foreign write is undone once; a tool that writes again would restart pods for ever.
FOREIGN_WRITES_TO_STALL = 2

# Of a delivered workload's pods; fewer may be a node's fault, and the tier was judged good.
CRASH_LOOPING_SHARE = 0.5

Mark = Literal["applied", "restored"]


@dataclass(frozen=True, slots=True)
class Convergence:
    """What has to be done so that workloads run a version. At most one of `foreign` and `actions` is not empty."""

    records: tuple[WorkloadStatus, ...]
    actions: tuple[Action, ...] = ()
    foreign: tuple[str, ...] = ()  # first foreign writes, to be recorded before they are undone
    conflicts: tuple[str, ...] = ()  # repeated foreign writes, or a container that is gone
    conflict_reason: Reason = Reason.FIELD_CONFLICT
    waiting: tuple[str, ...] = ()  # workloads whose pods are not there yet


def is_done(view: WorkloadView) -> bool:
    """Whether the template's pods are the only ones and all ready: updated = available = replicas, none terminating."""
    pods = view.pods
    return view.settled and pods.ready >= view.replicas and pods.outdated == 0 and pods.terminating == 0


def converge(flight: Flight, tier: str, records: Sequence[WorkloadStatus], version: Version, mark: Mark) -> Convergence:
    """Compare each recorded workload with the version that it should run.

    `mark` names the record's field that says that the version was written: what differs after it is a foreign write.
    """
    kept: list[WorkloadStatus] = []
    actions: list[Action] = []
    foreign: list[str] = []
    conflicts: list[str] = []
    waiting: list[str] = []
    reason = Reason.FIELD_CONFLICT
    for record in records:
        view = flight.workload(tier, record)
        if view is None:  # deleted, or made anew under the same name: nothing of ours is in it
            kept.append(record)
        elif view.running is None:
            reason = Reason.CONTAINER_MISSING
            conflicts.append(missing_container(view, flight.spec.strategy.delivery.container))
            kept.append(record)
        elif is_running(view.running, version):
            kept.append(record.model_copy(update={mark: True}))
            if not is_done(view):
                waiting.append(_pods_text(view))
        elif record.foreign_writes >= FOREIGN_WRITES_TO_STALL:
            conflicts.append(_conflict(view, version))
            kept.append(record)
        elif getattr(record, mark):
            writes = record.foreign_writes + 1
            kept.append(record.model_copy(update={mark: writes >= FOREIGN_WRITES_TO_STALL, "foreign_writes": writes}))
            (foreign if writes < FOREIGN_WRITES_TO_STALL else conflicts).append(_conflict(view, version))
        else:
            actions.append(_deliver(flight, tier, view, version, is_first=mark == "applied"))
            kept.append(record.model_copy(update={mark: True}))
            waiting.append(f"{view.kind} {view.name} gets {version.name}")
    if foreign:  # a record that must precede its effect is a tick of its own
        actions = []
        kept = [
            new if new.foreign_writes != old.foreign_writes else old for new, old in zip(kept, records, strict=True)
        ]
    return Convergence(tuple(kept), tuple(actions), tuple(foreign), tuple(conflicts), reason, tuple(waiting))


def _deliver(flight: Flight, tier: str, view: WorkloadView, version: Version, *, is_first: bool) -> Deliver:
    # Force takes the fields over: at the first write of a rollout and at the one that undoes a foreign write.
    return Deliver(
        tier=tier,
        kind=view.kind,
        workload_name=view.name,
        workload_uid=view.uid,
        container=flight.spec.strategy.delivery.container,
        version=version,
        force=is_first or view.last_writer != FIELD_MANAGER,
    )


def _pods_text(view: WorkloadView) -> str:
    pods = view.pods
    others = (f", {pods.outdated} of the old ones left" if pods.outdated else "") + (
        f", {pods.terminating} terminating" if pods.terminating else ""
    )
    new = max(0, pods.ready - pods.outdated)
    return f"{view.kind} {view.name} has {new} of {view.replicas} pods ready{others}"


def _conflict(view: WorkloadView, version: Version) -> str:
    writer = view.last_writer or "an unknown manager"
    return f"{view.kind} {view.name}: {writer} overwrote {version.name} ({difference(view.running, version)})"


def missing_container(view: WorkloadView, container: str) -> str:
    """The message for a container that the workload does not have."""
    return (
        f"{view.kind} {view.name} has no container {container!r} (containers: {', '.join(view.containers)}); "
        "set spec.delivery.container"
    )


def conflict_message(found: Convergence) -> str:
    """What is in the way, and the remedy."""
    text = "; ".join(found.conflicts)
    if found.conflict_reason is Reason.FIELD_CONFLICT:
        text += "; let it ignore the container's image and parameters, then set tierwise.io/retry or a new version"
    return text


def delivering(flight: Flight, tier: TierStatus) -> Step:
    """Deliver `to` to the tier's workloads, wait for their pods, delete the twins, finish the tier."""
    found = converge(flight, tier.name, tier.workloads, flight.spec.to, "applied")
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
        text = f"{tier.name}: delivered, {len(flight.twins(tier.name))} candidate twins to delete"
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
    found = converge(flight, tier.name, tier.workloads, flight.spec.to, "applied")
    if not found.waiting or found.actions or found.conflicts or found.foreign:
        return None  # what is still to be written is not the pods' fault
    return f"{tier.name}: {'; '.join(found.waiting)} after progressDeadline {flight.spec.strategy.progress_deadline}"


def crash_looping(flight: Flight) -> str | None:
    """Message when a delivered workload's pods crash-loop, as under the full load that the twin never had."""
    for tier in watched(flight.status):
        for record in tier.workloads:
            view = flight.workload(tier.name, record)
            if view is None or not view.replicas or not is_running(view.running, flight.spec.to):
                continue
            if view.pods.crash_looping >= CRASH_LOOPING_SHARE * view.replicas:
                found = f"{view.pods.crash_looping} of {view.replicas} pods of {view.kind} {view.name} crash-loop"
                return f"{tier.name}: {found} after delivery"
    return None


def watched(status: ModelRolloutStatus) -> tuple[TierStatus, ...]:
    """The delivered tiers: they run `to` and stay watched for foreign writes."""
    return tuple(record for record in status.tiers if record.phase == "Delivered")
