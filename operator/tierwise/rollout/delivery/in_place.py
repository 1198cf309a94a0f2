"""Candidate pods in place: some of a workload's own pods get the candidate, the others are the control.

The control is by place then: baseline and candidate have other volumes, or are on other nodes.
"""

from __future__ import annotations

from tierwise.api.modelrollout import WorkloadStatus
from tierwise.api.plurals import agreeing, plural
from tierwise.rollout.delivery.arm_share import Share
from tierwise.rollout.delivery.converge import Target, conflict_message, converge
from tierwise.rollout.state.exposure import pods_in_place
from tierwise.rollout.state.flight import Flight
from tierwise.rollout.state.observation import Pods, Running, WorkloadView
from tierwise.rollout.state.versions import is_running


def share_in_place(flight: Flight, tier: str, record: WorkloadStatus, workload: WorkloadView, fraction: float) -> Share:
    """Compare a workload's own pods with what the probe asks for."""
    wanted = pods_in_place(workload.replicas, fraction)
    candidate, baseline = _arms(flight, workload)
    if wanted == 0 and not record.applied:  # too few pods to share them: it stays as it is
        return Share(0, 0, baseline.ready, workload.replicas, is_settled=_is_there(workload))
    found = converge(flight, Target(tier, flight.spec.to, "applied", {workload.uid: wanted}), [record])
    name = f"{workload.kind} {workload.name}"
    untouched = workload.replicas - wanted
    is_quiet = not (found.actions or found.foreign or found.conflicts)
    return Share(
        candidate_ready=candidate.ready,
        candidate_wanted=wanted,
        baseline_ready=baseline.ready,
        baseline_wanted=untouched,
        is_settled=is_quiet
        and _is_there(workload)
        and candidate.ready >= wanted
        and candidate.ready + baseline.ready == workload.replicas,
        actions=found.actions,
        blocked=f"{name}: {workload.blocked}" if workload.blocked and candidate.ready < wanted else None,
        baseline_unready=f"{name} has {baseline.ready} of {plural(untouched, 'untouched pod')} (the control) ready"
        if untouched > 0 and (baseline.crash_looping or baseline.ready == 0)
        else None,
        crash_looping=f"{plural(candidate.crash_looping, 'pod')} of {name} "
        f"{agreeing(candidate.crash_looping, 'crash-loops', 'crash-loop')} with {flight.spec.to.name}"
        if candidate.crash_looping
        else None,
        edited=f"{name} was edited while some of its own pods have {flight.spec.to.name}, and only pods made since get "
        "the edit; take it back, or roll back and start again"
        if record.template not in (None, workload.template_fingerprint)
        else None,
        record=found.records[0] if found.records[0] != record else None,
        foreign=found.foreign[0] if found.foreign else None,
        conflict=conflict_message(found) if found.conflicts else None,
    )


def _is_there(workload: WorkloadView) -> bool:
    pods = workload.pods
    return pods.total == pods.ready == workload.replicas and pods.terminating == 0


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
