"""The arms of a tier: how many pods of either version, whether they are there, and the times that are judged."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from tierwise.api.modelrollout import PodsChange, TierStatus, WorkloadStatus
from tierwise.api.names import TWIN_SUFFIX
from tierwise.plurals import agreeing, plural
from tierwise.rollout.delivery.beside import share_beside
from tierwise.rollout.delivery.in_place import share_in_place
from tierwise.rollout.state.actions import Action
from tierwise.rollout.state.exposure import exposure_fraction
from tierwise.rollout.state.flight import Flight, is_by_place

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
    is_control_short: bool = False  # an untouched pod is away, for which the candidate's may have to wait
    crash_looping: str | None = None
    foreign_twin: str | None = None
    drifted: str | None = None  # the control no longer runs `from`
    edited: str | None = None  # an edit that only one of the arms would get
    exceeded: str | None = None  # more pods have the candidate than they should, and none can be taken back
    unprobed: tuple[str, ...] = ()  # workloads of too few pods to give the candidate one of them
    records: tuple[WorkloadStatus, ...] = ()  # the tier's, with what has to be recorded
    foreign: tuple[str, ...] = ()  # first writes by others, to be recorded before they are undone
    conflict: str | None = None  # repeated writes by others


def arms_of(flight: Flight, tier: TierStatus) -> Arms:
    """Compare the tier's workloads, twins and pods with what the probe asks for."""
    fraction = exposure_fraction(flight.tier_spec(tier.name).exposure)
    twins = {twin.name: twin for twin in flight.tier_view(tier.name).twins}
    shares = []
    for record in tier.workloads:
        workload = flight.workload(tier.name, record)
        if workload is None:
            continue
        if record.candidate_pods == "InPlace":
            shares.append(share_in_place(flight, tier, record, workload, fraction))
        else:
            twin = twins.get(workload.name + TWIN_SUFFIX)
            shares.append(share_beside(flight, tier.name, workload, twin, fraction))
    foreign_twin = _first(share.foreign_twin for share in shares)
    foreign = tuple(share.foreign for share in shares if share.foreign is not None)
    changed = {share.record.uid: share.record for share in shares if share.record is not None}
    if foreign:  # a record that must precede its effect is a tick of its own
        changed = {share.record.uid: share.record for share in shares if share.record is not None and share.foreign}
    wanted, untouched = sum(share.candidate_wanted for share in shares), sum(share.baseline_wanted for share in shares)
    is_shared = wanted > 0 if is_by_place(tier) else bool(shares)
    return Arms(
        candidate_ready=sum(share.candidate_ready for share in shares),
        candidate_wanted=wanted,
        baseline_ready=sum(share.baseline_ready for share in shares),
        baseline_wanted=untouched,
        is_settled=is_shared and foreign_twin is None and all(share.is_settled for share in shares),
        actions=() if foreign_twin or foreign else tuple(action for share in shares for action in share.actions),
        is_template_changed=any(share.is_template_changed for share in shares),
        blocked=_first(share.blocked for share in shares) or _too_few(tier, len(shares), wanted),
        baseline_unready=_gone(tier, len(shares)) or _first(share.baseline_unready for share in shares),
        is_control_short=any(share.is_control_short for share in shares),
        crash_looping=_first(share.crash_looping for share in shares),
        foreign_twin=foreign_twin,
        drifted=_first(share.drifted for share in shares),
        edited=_first(share.edited for share in shares),
        exceeded=_first(share.exceeded for share in shares),
        unprobed=tuple(share.unprobed for share in shares if share.unprobed is not None),
        records=tuple(changed.get(record.uid, record) for record in tier.workloads),
        foreign=foreign,
        conflict=_first(share.conflict for share in shares),
    )


def _first(messages: Iterable[str | None]) -> str | None:
    return next((message for message in messages if message), None)


def _gone(tier: TierStatus, found: int) -> str | None:
    recorded = len(tier.workloads)
    lost = recorded - found
    of = f"{lost} of the tier's {plural(recorded, 'workload')} {agreeing(lost, 'is', 'are')} gone"
    return of if lost > 0 else None


def _too_few(tier: TierStatus, found: int, candidate: int) -> str | None:
    """That no workload of the tier can give the candidate a pod: nothing could be judged."""
    if candidate or not found or not is_by_place(tier):
        return None
    return (
        "the candidate takes the place of a pod, and no other pod would be left to compare it with; scale the workload "
        "to 2 pods or more; or, where a pod can do without its place, roll back (tierwise.io/rollback), set "
        "candidatePods: Beside and try again (tierwise.io/retry)"
    )


def changed_pods(tier: TierStatus, arms: Arms, flight: Flight) -> list[PodsChange] | None:
    """The tier's list with the change of now; None when nothing (worth recording) changed.

    While an arm does not run what it should its count is 0: such times are not judged.
    """
    is_cut = arms.is_template_changed or arms.edited is not None
    candidate = 0 if is_cut else arms.candidate_ready
    baseline = 0 if arms.drifted or is_cut else arms.baseline_ready
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
