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
    """The workloads of a tier that starts, and where their candidate pods are to be."""
    return [
        new_record(view).model_copy(update={"candidate_pods": "InPlace"})
        if is_in_place(spec, view)
        else new_record(view)
        for view in views
    ]


def promoted(records: Sequence[WorkloadStatus], views: Sequence[WorkloadView]) -> list[WorkloadStatus]:
    """The workloads of a tier that is promoted, each as delivered to before the first write.

    What nothing was written to so far has the update strategy of now: a person may have changed it meanwhile.
    """
    now = {view.uid: view.update_strategy for view in views}
    return [
        record
        if record.delivered
        else record.model_copy(
            update={"delivered": True, "update_strategy": now.get(record.uid, record.update_strategy)}
        )
        for record in records
    ]


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
