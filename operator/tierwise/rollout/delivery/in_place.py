"""Candidate pods in place: some of a workload's own pods get the candidate, the others are the control.

The control is by place then: baseline and candidate have other volumes, or are on other nodes.
"""

from __future__ import annotations

from dataclasses import dataclass

from tierwise.api.modelrollout import TierStatus, WorkloadStatus
from tierwise.plurals import agreeing, plural
from tierwise.rollout.delivery.arm_share import Share
from tierwise.rollout.delivery.beside import drift
from tierwise.rollout.delivery.converge import (
    Target,
    conflict_remedy,
    delivery_of,
    missing_container,
    overwritten,
)
from tierwise.rollout.state.actions import Deliver
from tierwise.rollout.state.drift import FOREIGN_WRITES_TO_STOP
from tierwise.rollout.state.exposure import pods_in_place
from tierwise.rollout.state.flight import Flight
from tierwise.rollout.state.observation import Pods, Running, WorkloadView
from tierwise.rollout.state.strategies import most_away
from tierwise.rollout.state.versions import is_running

# More candidate pods than wanted are borne up to one pod, or this share of all: pods are made anew all the time.
BORNE_SHARE = 0.2


@dataclass(frozen=True, slots=True)
class _Next:
    """What a workload needs now: a record first, or one write."""

    record: WorkloadStatus
    action: Deliver | None = None
    foreign: str | None = None
    conflict: str | None = None


def share_in_place(
    flight: Flight, tier: TierStatus, record: WorkloadStatus, workload: WorkloadView, fraction: float
) -> Share:
    """Compare a workload's own pods with what the probe asks for."""
    wanted = pods_in_place(workload.replicas, fraction)
    candidate, baseline = _arms(flight, workload)
    name = f"{workload.kind} {workload.name}"
    if wanted == 0 and not record.delivered:  # too few pods to share them: it stays as it is
        is_settled = workload.settled and _is_there(workload)
        unprobed = f"{name} has {plural(workload.replicas, 'pod')} and gets {flight.spec.to.name} without a probe"
        drifted = drift(flight, workload)
        return Share(0, 0, baseline.ready, workload.replicas, is_settled, unprobed=unprobed, drifted=drifted)
    drifted = None if record.delivered else drift(flight, workload)
    closed = None if record.delivered else _closed(workload)
    unhealthy = None if record.delivered else _unhealthy(workload)
    target = Target(tier.name, flight.spec.to, "applied")
    found = _Next(record) if drifted or closed or unhealthy else _next(flight, target, record, workload, wanted)
    untouched = workload.replicas - wanted
    is_control_short = baseline.ready < max(baseline.total, untouched)
    unready = f"{name} has {baseline.ready} of {plural(untouched, 'untouched pod')} (the control) ready"
    is_control_away = untouched > 0 and (baseline.crash_looping > 0 or baseline.ready == 0)
    # Until it is judged, no pod may go while an untouched one is away: that is not the candidate's fault.
    is_waited_for = is_control_short and tier.judging_since is None and not candidate.crash_looping
    is_quiet = record.applied and not (found.action or found.foreign or found.conflict)
    return Share(
        candidate_ready=candidate.ready,
        candidate_wanted=wanted,
        baseline_ready=baseline.ready,
        baseline_wanted=untouched,
        is_settled=is_quiet
        and _is_there(workload)
        and candidate.ready >= wanted
        and candidate.ready + baseline.ready == workload.replicas,
        actions=() if found.action is None else (found.action,),
        blocked=closed or (f"{name}: {workload.blocked}" if workload.blocked and candidate.ready < wanted else None),
        baseline_unready=unhealthy or (unready if is_control_away or is_waited_for else None),
        is_control_short=is_control_short or unhealthy is not None,
        crash_looping=f"{plural(candidate.crash_looping, 'pod')} of {name} "
        f"{agreeing(candidate.crash_looping, 'crash-loops', 'crash-loop')} with {flight.spec.to.name}"
        if candidate.crash_looping
        else None,
        drifted=drifted,
        edited=f"{name} was edited while some of its own pods have {flight.spec.to.name}, and only pods made since get "
        "the edit; take it back, or roll back and start again"
        if record.delivered and record.template not in (None, workload.template_fingerprint)
        else None,
        exceeded=_exceeded(flight, target, record, workload, wanted),
        record=found.record if found.record != record else None,
        foreign=found.foreign,
        conflict=found.conflict,
    )


def _next(flight: Flight, target: Target, record: WorkloadStatus, view: WorkloadView, pods: int) -> _Next:
    """Bring the version into so many pods of the workload, and keep the others as they are.

    What was there before, and how many pods are kept back, is recorded in a tick before the write: what differs after
    the write is another writer's doing, the update strategy as well as the template.
    """
    kept = view.replicas - pods
    if not record.delivered:
        own = {"update_strategy": view.update_strategy, "template": view.template_fingerprint}
        return _Next(record.model_copy(update={"delivered": True, "kept": kept, **own}))
    if view.running is None:
        return _Next(record, conflict=missing_container(view, flight.spec.strategy.delivery.container))
    if record.applied and not _is_ours(record, view, target, kept):
        return _fought_over(record, view, target)
    if kept != record.kept:
        return _Next(record.model_copy(update={"kept": kept, "held": None, "applied": False}))
    if not record.applied:
        applied = record.model_copy(update={"applied": True})
        return _Next(applied, delivery_of(flight, target, record, view, pods))
    if record.held is None:
        record = record.model_copy(update={"held": view.update_strategy})
    updating = view.updating or 0
    is_off = updating < pods or (updating > pods and view.takes_back)
    return _Next(record, delivery_of(flight, target, record, view, pods) if is_off else None)


def _is_ours(record: WorkloadStatus, view: WorkloadView, target: Target, kept: int) -> bool:
    """Whether template and update strategy are as they were written.

    A write that met a scaled workload made another strategy than the one that was seen before it.
    """
    is_scaled = kept != record.kept and record.foreign_writes < FOREIGN_WRITES_TO_STOP
    is_held = view.updating is not None and (record.held in (None, view.update_strategy) or is_scaled)
    return is_held and is_running(view.running, target.version)


def _fought_over(record: WorkloadStatus, view: WorkloadView, target: Target) -> _Next:
    """The first write by others is recorded and then undone; the second is left to a person."""
    if is_running(view.running, target.version):
        text = (
            f"{view.kind} {view.name}: its updateStrategy was changed while only some of its pods have "
            f"{target.version.name}"
        )
        told = text + conflict_remedy("spec.updateStrategy")
    else:
        text = overwritten(view, target.version)
        told = text + conflict_remedy()
    if record.foreign_writes >= FOREIGN_WRITES_TO_STOP:
        return _Next(record, conflict=told)
    writes = record.foreign_writes + 1
    if writes >= FOREIGN_WRITES_TO_STOP:
        return _Next(record.model_copy(update={"foreign_writes": writes}), conflict=told)
    changes = {"foreign_writes": writes, "applied": False, "held": None}
    return _Next(record.model_copy(update=changes), foreign=text)


def _closed(workload: WorkloadView) -> str | None:
    """What forbids to take away one of the workload's pods at all."""
    if most_away(workload.update_strategy, workload.replicas) > 0:
        return None
    return (
        f"{workload.kind} {workload.name}: its updateStrategy has maxUnavailable: 0, and in place a pod goes before "
        "the candidate's comes; allow 1 there"
    )


def _unhealthy(workload: WorkloadView) -> str | None:
    """That so many pods are away already that none may be taken."""
    replicas, ready = workload.replicas, workload.pods.ready
    there = ready if workload.available is None else min(ready, workload.available)
    if replicas - there < most_away(workload.update_strategy, replicas):
        return None
    return f"{workload.kind} {workload.name}: {there} of {replicas} pods ready before the candidate got any"


def _exceeded(
    flight: Flight, target: Target, record: WorkloadStatus, workload: WorkloadView, wanted: int
) -> str | None:
    """That more pods have the candidate than can be borne, where none of them can be taken back."""
    if not record.applied or workload.takes_back or workload.updating is None:
        return None
    if workload.updating - wanted <= max(1, BORNE_SHARE * workload.replicas):
        return None
    return (
        f"{workload.updating} of {workload.replicas} pods of {workload.kind} {workload.name} have "
        f"{target.version.name}, where exposure asks for {wanted}: pods that were made anew, or on new nodes, get it "
        f"too; promote the tier (tierwise.io/promote={flight.rollout.name}/{target.tier}) or roll back "
        "(tierwise.io/rollback)"
    )


def _is_there(workload: WorkloadView) -> bool:
    pods, replicas = workload.pods, workload.replicas
    is_available = workload.available is None or workload.available >= replicas
    return pods.total == pods.ready == replicas and pods.terminating == 0 and is_available


def _arms(flight: Flight, workload: WorkloadView) -> tuple[Pods, Pods]:
    """The workload's pods that run the candidate, and those that run the baseline."""
    candidate = baseline = Pods()
    for group in workload.groups:
        if _is_candidate(flight, group.running):
            candidate += group.pods
        elif is_running(group.running, flight.spec.from_):
            baseline += group.pods
    return candidate, baseline


def _is_candidate(flight: Flight, running: Running) -> bool:
    """Pods may match both versions where one has fewer parameters; then it is the one that says more."""
    to, from_ = flight.spec.to, flight.spec.from_
    if not is_running(running, to):
        return False
    return not is_running(running, from_) or len(to.parameters) >= len(from_.parameters)
