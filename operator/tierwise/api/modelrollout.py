"""ModelRollout (``mro``): one attempt to bring one candidate through the tiers. Written by Tierwise only."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tierwise.api.common import ApiModel, Condition, Duration, Timestamp, Version
from tierwise.api.modeldeployment import Analysis, Delivery, Tier
from tierwise.api.names import GateDecision, Reason, Verdict


class RolloutStrategy(ApiModel):
    """The ModelDeployment's strategy as it was when the rollout started."""

    delivery: Delivery
    tiers: list[Tier] = Field(min_length=1, max_length=10)
    analysis: Analysis
    verify_recovery: Duration = "10m"
    progress_deadline: Duration = "15m"


class ModelRolloutSpec(ApiModel):
    """Immutable: whole versions and the strategy."""

    model_deployment: str = Field(max_length=253)
    model: str = Field(max_length=63)
    revision: int = Field(ge=1)
    from_: Version = Field(alias="from")
    to: Version
    compared: bool = Field(True, description="False when the baseline was captured at first sight: reversible, but not judged.")
    strategy: RolloutStrategy


class PodsChange(ApiModel):
    """The ready pods of both arms from `at` on; blocks are cut at every change."""

    at: Timestamp
    candidate: int = Field(ge=0)
    baseline: int = Field(ge=0)


class WorkloadStatus(ApiModel):
    """A workload that a tier is made of, fixed when the tier starts."""

    kind: str
    name: str
    uid: str
    delivered: bool = Field(False, description="A delivery of `to` was recorded before it was written.")
    restored: bool = Field(False, description="`from` was delivered again after a rollback.")
    foreign_writes: int = Field(0, description="Writes by others to what was delivered; the second stalls the rollout.")


class FrozenDataset(ApiModel):
    """What of a dataset is fixed at a tier's start."""

    name: str
    config_hash: str
    slices: list[str] = Field(default_factory=list, description="Keys of the slices known at the start, '' first (the whole).")
    reserved_slots: int = 0


class Frozen(ApiModel):
    """What the judgement of a tier must not change while it runs."""

    at: Timestamp
    alpha: float
    hypotheses: int = Field(description="K: slices x metrics x datasets, reserved slots included.")
    phi: float = 1.0
    sigma_pod: float = 0.0
    datasets: list[FrozenDataset] = Field(default_factory=list)
    powered: str = Field("", description="Bitmap (hex) over the hypotheses in order of dataset, metric, slice: which must be non-inferior.")
    prior_rates: dict[str, list[float]] = Field(default_factory=dict, description="p0 per dataset/metric, in order of the slices.")


class SliceVerdict(ApiModel):
    """One slice and metric, with numbers: as in `analyze -o json`."""

    dataset: str
    metric: str
    slice: dict[str, str] = Field(default_factory=dict)
    verdict: Verdict
    candidate_n: int
    candidate_bad: int
    baseline_n: int
    baseline_bad: int
    difference: float | None = None
    interval: list[float] | None = None
    log10_e: float | None = None
    labels_needed: int | None = None


class Gate(ApiModel):
    """The gate's latest decision."""

    decision: GateDecision
    reason: Reason
    message: str = Field("", max_length=2048)
    since: Timestamp


class Coverage(ApiModel):
    """How much of the tier's traffic is in slices that could be judged."""

    traffic: float | None = None
    slices: int = 0
    powered: int = 0
    regressed: int = 0
    non_inferior: int = 0
    inconclusive: int = 0
    insufficient: int = 0


TierPhase = Literal["Pending", "Probing", "Judging", "Delivering", "Delivered", "RollingBack", "RolledBack", "Untouched"]


class TierStatus(ApiModel):
    """Where one tier is."""

    name: str
    phase: TierPhase = "Pending"
    started_at: Timestamp | None = None
    judging_since: Timestamp | None = Field(None, description="t0 of the blocks: both arms ready plus warm-up.")
    delivering_since: Timestamp | None = None
    finished_at: Timestamp | None = None
    workloads: list[WorkloadStatus] = Field(default_factory=list)
    pods_changes: list[PodsChange] = Field(default_factory=list)
    frozen: Frozen | None = None
    gate: Gate | None = None
    look: int = Field(0, description="Number of blocks folded.")
    evidence_until: Timestamp | None = None
    labels: int = 0
    coverage: Coverage | None = None
    worst: list[SliceVerdict] = Field(default_factory=list, max_length=10, description="The slices with most evidence against the candidate.")
    culprits: list[SliceVerdict] = Field(default_factory=list, max_length=10)


RolloutResult = Literal["Progressing", "RollingBack", "Verifying", "Completed", "RolledBack", "Superseded", "Stalled"]


class ModelRolloutStatus(ApiModel):
    """Only what cannot be recomputed, and what people read."""

    observed_generation: int = -1
    result: RolloutResult = "Progressing"
    reason: str = ""
    message: str = Field("", max_length=2048)
    tier: str | None = None
    started_at: Timestamp | None = None
    finished_at: Timestamp | None = None
    stalled_since: Timestamp | None = None
    rolling_back_since: Timestamp | None = None
    superseded_by: str | None = None
    handled: dict[str, str] = Field(default_factory=dict)
    tiers: list[TierStatus] = Field(default_factory=list)
    conditions: list[Condition] = Field(default_factory=list)
