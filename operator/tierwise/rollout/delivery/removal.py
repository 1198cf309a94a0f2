"""Taking the twins away after delivery: at once, or in steps where an autoscaler has to make up for their pods."""

from __future__ import annotations

from dataclasses import dataclass

from tierwise.api.modelrollout import TierStatus, WorkloadStatus
from tierwise.api.names import TWIN_SUFFIX
from tierwise.rollout.state.actions import Action, DeleteTwin, ScaleTwin
from tierwise.rollout.state.flight import Flight
from tierwise.rollout.state.observation import TwinView, WorkloadView

# An autoscaler looks every 15 seconds: two looks, and the pods that it asks for are waited for as well.
STEP_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Removal:
    """What is done about the twins of a delivered tier. `is_step`: recorded now, acted upon in the next tick."""

    records: tuple[WorkloadStatus, ...]
    actions: tuple[Action, ...]
    is_step: bool


def remove_twins(flight: Flight, tier: TierStatus) -> Removal | None:
    """The next step; None when no twin is left. Call it only while every workload's pods are all ready.

    An autoscaler counts the twin's pods with the workload's, so that the workload alone may be too small when a large
    twin goes at once. Each step halves it.
    """
    twins = {twin.name: twin for twin in flight.twins(tier.name)}
    if not twins:
        return None
    records: list[WorkloadStatus] = []
    actions: list[Action] = []
    for record in tier.workloads:
        twin = twins.pop(record.name + TWIN_SUFFIX, None)
        stepped = record if twin is None else _stepped(flight, record, flight.workload(tier.name, record), twin)
        records.append(stepped)
        if twin is not None and stepped == record:
            actions += _towards(twin, record.twin_replicas or 0)
    actions += [action for twin in twins.values() for action in _towards(twin, 0)]
    is_step = records != tier.workloads
    return Removal(tuple(records), () if is_step else tuple(actions), is_step)


def _stepped(flight: Flight, record: WorkloadStatus, view: WorkloadView | None, twin: TwinView) -> WorkloadStatus:
    """The record with a smaller twin when a step is due; the same record otherwise."""
    if record.twin_replicas is None:
        if view is None or not view.autoscaled or twin.replicas <= 1:
            return record
        now = twin.replicas
    else:
        is_due = twin.replicas <= record.twin_replicas and flight.seconds_since(record.twin_step_at) >= STEP_SECONDS
        if record.twin_replicas == 0 or not is_due:
            return record
        now = record.twin_replicas
    return record.model_copy(update={"twin_replicas": now // 2, "twin_step_at": flight.now})


def _towards(twin: TwinView, replicas: int) -> list[Action]:
    if twin.deleting or (replicas and twin.replicas <= replicas):
        return []
    return [ScaleTwin(twin.name, twin.uid, replicas) if replicas else DeleteTwin(twin.name, twin.uid)]
