"""What is recorded of a workload before anything of it is changed."""

from __future__ import annotations

from collections.abc import Sequence

from tierwise.api.modeldeployment import Tier
from tierwise.api.modelrollout import TierStatus, WorkloadStatus
from tierwise.rollout.state.observation import WorkloadView


def new_record(view: WorkloadView) -> WorkloadStatus:
    """The workload as it is, whose candidate pods stand beside it."""
    return WorkloadStatus(kind=view.kind, name=view.name, uid=view.uid, update_strategy=view.update_strategy)


def records_of_tier(spec: Tier, views: Sequence[WorkloadView]) -> list[WorkloadStatus]:
    """The workloads of a tier that starts.

    In place the candidate's pods are the workload's own, so that it counts as delivered to before the first write: a
    rollback then restores it.
    """
    records = []
    for view in views:
        record = new_record(view)
        if is_in_place(spec, view):
            changes = {"candidate_pods": "InPlace", "template": view.template_fingerprint, "delivered": True}
            record = record.model_copy(update=changes)
        records.append(record)
    return records


def is_in_place(spec: Tier, view: WorkloadView) -> bool:
    """Whether the candidate takes the place of some of the workload's own pods, as asked for or as its pods need."""
    asked = spec.workloads.candidate_pods
    return view.identity is not None if asked is None else asked == "InPlace"


def with_strategies(tier: TierStatus, views: Sequence[WorkloadView]) -> TierStatus:
    """The tier with the update strategies that workloads have now, where none is recorded any more."""
    now = {view.uid: view.update_strategy for view in views}
    records = [
        record
        if record.update_strategy is not None
        else record.model_copy(update={"update_strategy": now.get(record.uid)})
        for record in tier.workloads
    ]
    return tier.model_copy(update={"workloads": records})
