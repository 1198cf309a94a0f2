"""A rollout in flight for the steps of this package, and functions that change its status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tierwise.api.common import duration_seconds
from tierwise.api.modeldeployment import Tier
from tierwise.api.modelrollout import ModelRolloutSpec, ModelRolloutStatus, TierPhase, TierStatus, WorkloadStatus
from tierwise.api.reasons import Reason
from tierwise.rollout.state.actions import Action
from tierwise.rollout.state.observation import Observation, RolloutView, TierView, TwinView, WorkloadView
from tierwise.rollout.state.wording import clip

LONGEST_POLL_SECONDS = 5.0
RETRY_SECONDS = 15.0  # a cause that needs a person may end without an event that wakes the loop
FINISHED = ("Completed", "RolledBack", "Superseded")


@dataclass(frozen=True, slots=True)
class Step:
    """The rollout's next status, the actions for it, and the seconds to the next look (0: at once)."""

    status: ModelRolloutStatus
    actions: tuple[Action, ...] = ()
    requeue_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Flight:
    """One tick's view of the rollout in flight."""

    observation: Observation
    rollout: RolloutView
    now: datetime
    status: ModelRolloutStatus = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "status", self.rollout.status)

    @property
    def spec(self) -> ModelRolloutSpec:
        """The immutable snapshot."""
        return self.rollout.spec

    @property
    def poll_seconds(self) -> float:
        """Seconds between two looks at pods: as between looks at the evidence, but at most a few seconds."""
        return min(LONGEST_POLL_SECONDS, max(1, duration_seconds(self.spec.strategy.analysis.interval)))

    @property
    def progress_deadline_seconds(self) -> int:
        """How long pods may take to become ready."""
        return duration_seconds(self.spec.strategy.progress_deadline)

    def tier_spec(self, name: str) -> Tier:
        """The tier as it was when the rollout started."""
        return next(tier for tier in self.spec.strategy.tiers if tier.name == name)

    def tier_view(self, name: str) -> TierView:
        """The view of the tier now; empty if nothing is seen."""
        return next((tier for tier in self.observation.tiers if tier.name == name), TierView(name))

    def workload(self, tier: str, record: WorkloadStatus) -> WorkloadView | None:
        """The workload that was fixed at the tier's start; None if it was deleted, even if it was created again."""
        return next((view for view in self.tier_view(tier).workloads if view.uid == record.uid), None)

    def twins(self, tier: str) -> tuple[TwinView, ...]:
        """Our twins in the tier."""
        return tuple(twin for twin in self.tier_view(tier).twins if twin.owned)

    def seconds_since(self, moment: datetime | None) -> float:
        """Seconds since then; 0 for None."""
        return 0.0 if moment is None else (self.now - moment).total_seconds()


def with_tier(status: ModelRolloutStatus, name: str, /, **changes: Any) -> ModelRolloutStatus:  # noqa: ANN401
    """The status with fields of one tier changed."""
    tiers = [tier.model_copy(update=changes) if tier.name == name else tier for tier in status.tiers]
    return status.model_copy(update={"tiers": tiers})


def with_workloads(status: ModelRolloutStatus, tier: str, records: Sequence[WorkloadStatus]) -> ModelRolloutStatus:
    """The status with a tier's workload records replaced."""
    return with_tier(status, tier, workloads=list(records))


def tier_status(status: ModelRolloutStatus, name: str) -> TierStatus:
    """The record of one tier."""
    return next(tier for tier in status.tiers if tier.name == name)


def is_by_place(tier: TierStatus) -> bool:
    """Whether the tier's control is by place: pods with other volumes or on other nodes than the candidate's."""
    return any(record.candidate_pods == "InPlace" for record in tier.workloads)


def finished_tier(tier: TierStatus, phase: TierPhase, now: datetime) -> TierStatus:
    """The tier's record at its end, without the data that only judging needed, because the status must stay small."""
    frozen = tier.frozen
    if frozen is not None:
        kept: dict[str, object] = {"slices": [], "phi": {}, "points": {}}
        datasets = [dataset.model_copy(update=kept) for dataset in frozen.datasets]
        frozen = frozen.model_copy(update={"datasets": datasets, "powered": "", "prior_rates": {}})
    last = tier.pods_changes[-1:]
    return tier.model_copy(update={"phase": phase, "finished_at": now, "frozen": frozen, "pods_changes": last})


def progressing(status: ModelRolloutStatus, reason: Reason, message: str) -> ModelRolloutStatus:
    """The status of a rollout that continues, without any stall."""
    return status.model_copy(
        update={"result": "Progressing", "reason": str(reason), "message": clip(message), "stalled_since": None}
    )


def stalled(status: ModelRolloutStatus, reason: Reason, message: str, now: datetime) -> ModelRolloutStatus:
    """The status of a rollout that waits for a person.

    The time of the stall's start is kept, because a new time would change the status and wake the loop again.
    """
    since = status.stalled_since or now
    return status.model_copy(
        update={"result": "Stalled", "reason": str(reason), "message": clip(message), "stalled_since": since}
    )
