"""Candidate pods beside a workload: its twin, a Deployment of the same template. The workload is the control."""

from __future__ import annotations

from tierwise.api.names import TWIN_SUFFIX
from tierwise.plurals import agreeing, plural
from tierwise.rollout.delivery.arm_share import Share
from tierwise.rollout.state.actions import Action, ApplyTwin, ScaleTwin
from tierwise.rollout.state.exposure import twin_replicas
from tierwise.rollout.state.flight import Flight
from tierwise.rollout.state.observation import TwinView, WorkloadView
from tierwise.rollout.state.versions import difference, is_running


def share_beside(flight: Flight, tier: str, workload: WorkloadView, twin: TwinView | None, fraction: float) -> Share:
    """Compare a workload and what has its twin's name with what the probe asks for."""
    wanted = twin_replicas(workload.replicas, fraction)
    action = _twin_action(flight, tier, workload, twin, wanted)
    owned = twin if twin is not None and twin.owned else None
    is_control = is_running(workload.running, flight.spec.from_)
    return Share(
        candidate_ready=owned.pods.ready if owned and is_running(owned.running, flight.spec.to) else 0,
        candidate_wanted=wanted,
        baseline_ready=workload.pods.ready if is_control else 0,
        baseline_wanted=workload.replicas,
        is_settled=action is None and is_control and (twin is None or twin.owned) and _is_pair_settled(workload, twin),
        actions=() if action is None else (action,),
        is_template_changed=twin is not None and not _follows(flight, workload, twin),
        blocked=f"{owned.name}: {owned.blocked}" if owned and owned.blocked else None,
        baseline_unready=_baseline_unready(workload),
        crash_looping=_crash_looping(owned.pods.crash_looping, owned.name)
        if owned and owned.pods.crash_looping
        else None,
        foreign_twin=twin.name if twin is not None and not twin.owned else None,
        drifted=drift(flight, workload),
    )


def drift(flight: Flight, workload: WorkloadView) -> str | None:
    """That the control no longer runs `from`, and who wrote what it runs."""
    from_ = flight.spec.from_
    if is_running(workload.running, from_):
        return None
    writer = workload.last_writer or "an unknown manager"
    differs = difference(workload.running, from_)
    return f"{workload.kind} {workload.name} no longer runs {from_.name}: {differs}, written by {writer}"


def _twin_action(
    flight: Flight, tier: str, workload: WorkloadView, twin: TwinView | None, replicas: int
) -> Action | None:
    if twin is not None and (twin.deleting or not twin.owned):
        return None
    if twin is not None and _follows(flight, workload, twin):
        return None if twin.replicas == replicas else ScaleTwin(twin.name, twin.uid, replicas)
    return ApplyTwin(
        tier=tier,
        kind=workload.kind,
        workload_name=workload.name,
        workload_uid=workload.uid,
        twin_name=workload.name + TWIN_SUFFIX,
        rollout_name=flight.rollout.name,
        rollout_uid=flight.rollout.uid,
        container=flight.spec.strategy.delivery.container,
        version=flight.spec.to,
        replicas=replicas,
    )


def _follows(flight: Flight, workload: WorkloadView, twin: TwinView) -> bool:
    """Whether the twin is the workload's live template with the candidate in it."""
    if not twin.owned or workload.running is None:
        return True
    ours = flight.spec.to.parameters.keys() | flight.spec.from_.parameters.keys()
    theirs = {key: value for key, value in workload.running.environment.items() if key not in ours}
    if twin.running is None or not is_running(twin.running, flight.spec.to):
        return False
    mirrored = {key: value for key, value in twin.running.environment.items() if key not in ours}
    return twin.template_fingerprint == workload.template_fingerprint and mirrored == theirs


def _is_pair_settled(workload: WorkloadView, twin: TwinView | None) -> bool:
    if twin is None or twin.deleting:
        return False
    return all(
        view.settled and view.pods.ready >= view.replicas and view.pods.outdated == 0 for view in (workload, twin)
    )


def _crash_looping(pods: int, name: str) -> str:
    return f"{plural(pods, 'pod')} of {name} {agreeing(pods, 'crash-loops', 'crash-loop')}"


def _baseline_unready(view: WorkloadView) -> str | None:
    pods = view.pods
    # A scale-up leaves some pods unready for a while: the control still is there.
    if view.replicas and (pods.crash_looping or pods.ready == 0 or (pods.outdated and not view.settled)):
        return f"{view.kind} {view.name} (the control) has {pods.ready} of {plural(view.replicas, 'pod')} ready"
    return None
