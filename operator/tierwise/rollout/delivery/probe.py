"""The candidate twins of a tier: how many pods, what they run, whether both arms are there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from tierwise.api.modelrollout import PodsChange, TierStatus
from tierwise.api.names import TWIN_SUFFIX
from tierwise.rollout.state.actions import Action, ApplyTwin, ScaleTwin
from tierwise.rollout.state.exposure import exposure_fraction, twin_replicas
from tierwise.rollout.state.flight import Flight
from tierwise.rollout.state.observation import TwinView, WorkloadView
from tierwise.rollout.state.versions import difference, is_running

# The status must stay small, and no record may be taken back: the blocks that it cut are folded. So beyond these many
# changes only larger ones are recorded, and beyond the second number a change stops the judging for a time that doubles
# with each: n more records last 2^(n/2) minutes.
RECORD_ALL_CHANGES = 100
RECORD_LARGE_CHANGES = 200
LARGE_ODDS_RATIO = 1.25
SHORTEST_PAUSE = timedelta(minutes=1)
_MOST_DOUBLINGS = 16  # 45 days


@dataclass(frozen=True, slots=True)
class Arms:
    """Both arms of a tier now. Messages are None when there is nothing to say."""

    candidate_ready: int
    candidate_wanted: int
    baseline_ready: int
    baseline_wanted: int
    is_settled: bool  # every pod of both arms is there, ready, and runs what it should
    actions: tuple[Action, ...] = ()
    is_template_changed: bool = False  # a person edited a workload: its twin has to follow, and the block is cut
    blocked: str | None = None
    baseline_unready: str | None = None
    crash_looping: str | None = None
    foreign_twin: str | None = None
    drifted: str | None = None  # the control no longer runs `from`


def arms_of(flight: Flight, tier: TierStatus) -> Arms:
    """Compare the tier's workloads and twins with what the probe asks for."""
    fraction = exposure_fraction(flight.tier_spec(tier.name).exposure)
    view = flight.tier_view(tier.name)
    twins = {twin.name: twin for twin in view.twins}
    pairs = [
        (workload, twins.get(workload.name + TWIN_SUFFIX))
        for record in tier.workloads
        if (workload := flight.workload(tier.name, record)) is not None
    ]
    wanted = {workload.uid: twin_replicas(workload.replicas, fraction) for workload, _ in pairs}
    actions = tuple(
        action
        for workload, twin in pairs
        if (action := _twin_action(flight, tier.name, workload, twin, wanted[workload.uid])) is not None
    )
    edited = any(twin and not _follows(flight, workload, twin) for workload, twin in pairs)
    owned = [twin for _, twin in pairs if twin is not None and twin.owned]
    foreign = next((twin.name for _, twin in pairs if twin is not None and not twin.owned), None)
    candidate_ready = sum(twin.pods.ready for twin in owned if is_running(twin.running, flight.spec.to))
    controls = [workload for workload, _ in pairs]
    drifted = next((workload for workload in controls if not is_running(workload.running, flight.spec.from_)), None)
    return Arms(
        candidate_ready=candidate_ready,
        candidate_wanted=sum(wanted.values()),
        baseline_ready=sum(w.pods.ready for w in controls if is_running(w.running, flight.spec.from_)),
        baseline_wanted=sum(workload.replicas for workload in controls),
        is_settled=not actions
        and foreign is None
        and drifted is None
        and all(map(_is_pair_settled, pairs))
        and bool(pairs),
        actions=() if foreign else actions,
        is_template_changed=edited,
        blocked=_blocked(owned),
        baseline_unready=_baseline_unready(controls, len(tier.workloads)),
        crash_looping=next(
            (f"{twin.pods.crash_looping} pods of {twin.name} crash-loop" for twin in owned if twin.pods.crash_looping),
            None,
        ),
        foreign_twin=foreign,
        drifted=None
        if drifted is None
        else f"{drifted.kind} {drifted.name} no longer runs {flight.spec.from_.name}: "
        f"{difference(drifted.running, flight.spec.from_)}, written by {drifted.last_writer or 'an unknown manager'}",
    )


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


def _is_pair_settled(pair: tuple[WorkloadView, TwinView | None]) -> bool:
    workload, twin = pair
    if twin is None or twin.deleting:
        return False
    return all(
        view.settled and view.pods.ready >= view.replicas and view.pods.outdated == 0 for view in (workload, twin)
    )


def _blocked(twins: list[TwinView]) -> str | None:
    return next((f"{twin.name}: {twin.blocked}" for twin in twins if twin.blocked), None)


def _baseline_unready(controls: list[WorkloadView], recorded: int) -> str | None:
    if len(controls) < recorded:
        return f"{recorded - len(controls)} of the tier's {recorded} workloads are gone"
    for view in controls:
        pods = view.pods
        # A scale-up leaves some pods unready for a while: the control still is there.
        if view.replicas and (pods.crash_looping or pods.ready == 0 or (pods.outdated and not view.settled)):
            return f"{view.kind} {view.name} (the control) has {pods.ready} of {view.replicas} pods ready"
    return None


def changed_pods(tier: TierStatus, arms: Arms, flight: Flight) -> list[PodsChange] | None:
    """The tier's list with the change of now; None when nothing (worth recording) changed.

    While an arm does not run what it should its count is 0: such times are not judged.
    """
    candidate = 0 if arms.is_template_changed else arms.candidate_ready
    baseline = 0 if arms.drifted or arms.is_template_changed else arms.baseline_ready
    now = PodsChange(at=flight.now, candidate=candidate, baseline=baseline)
    last = tier.pods_changes[-1] if tier.pods_changes else None
    recorded = len(tier.pods_changes)
    if last is not None and last.until is not None:
        return None if flight.now < last.until else [*tier.pods_changes, now]
    if last is not None and not _is_worth_recording(last, candidate, baseline, recorded):
        return None
    if recorded >= RECORD_LARGE_CHANGES:
        doublings = min((recorded - RECORD_LARGE_CHANGES) // 2, _MOST_DOUBLINGS)
        now = now.model_copy(update={"until": flight.now + SHORTEST_PAUSE * 2**doublings})
    return [*tier.pods_changes, now]


def _is_worth_recording(last: PodsChange, candidate: int, baseline: int, recorded: int) -> bool:
    if (last.candidate, last.baseline) == (candidate, baseline):
        return False
    # Either arm came or went: always.
    if recorded < RECORD_ALL_CHANGES or (last.candidate == 0, last.baseline == 0) != (candidate == 0, baseline == 0):
        return True
    if 0 in (candidate, baseline):
        return False
    ratio = (candidate * last.baseline) / (last.candidate * baseline)
    return not 1 / LARGE_ODDS_RATIO < ratio < LARGE_ODDS_RATIO
