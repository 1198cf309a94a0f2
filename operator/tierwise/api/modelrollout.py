"""ModelRollout (``mro``): one attempt to bring one candidate through the tiers. Written by Tierwise only."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from tierwise.api.common import ApiModel, Condition, Duration, Message, Timestamp, Version, list_map
from tierwise.api.frozen import ControlHistory as ControlHistory
from tierwise.api.frozen import Frozen as Frozen
from tierwise.api.frozen import FrozenDataset as FrozenDataset
from tierwise.api.modeldeployment import Analysis, Delivery, Tier
from tierwise.api.names import GateDecision, Verdict
from tierwise.api.reasons import Reason
from tierwise.api.rules import IMMUTABLE, validations
from tierwise.api.strategy import CandidatePods


class RolloutStrategy(ApiModel):
    """The ModelDeployment's strategy as it was when the rollout started."""

    delivery: Delivery = Field(description="How a version gets into a workload.")
    tiers: list[Tier] = Field(
        min_length=1, max_length=10, description="In rollout order.", json_schema_extra=list_map("name")
    )
    analysis: Analysis = Field(description="How the candidate is judged.")
    verify_recovery: Duration = Field("10m", description="How long the recovery is checked after a rollback.")
    progress_deadline: Duration = Field("15m", description="Pods that are not ready by then roll the candidate back.")


class ModelRolloutSpec(ApiModel):
    """Immutable: whole versions and the strategy."""

    model_config = ConfigDict(json_schema_extra=validations(IMMUTABLE))

    model_deployment: str = Field(
        min_length=1, max_length=253, description="The ModelDeployment to which this attempt belongs."
    )
    model: str = Field(min_length=1, max_length=63, description="Name of the model.")
    revision: int = Field(ge=1, description="Number of the attempt; part of the object's name.")
    from_: Version = Field(alias="from", description="The baseline: the rollout starts from it and rolls back to it.")
    to: Version = Field(description="The candidate: the version that the rollout introduces.")
    compared: bool = Field(
        True,
        description="False if the baseline was captured at first sight: the rollout is reversible, but not judged.",
    )
    strategy: RolloutStrategy = Field(description="The ModelDeployment's strategy as it was when the rollout started.")


class PodsChange(ApiModel):
    """The ready pods of both arms from `at` on; blocks are cut at every change."""

    at: Timestamp = Field(description="Since when.")
    candidate: int = Field(ge=0, description="Ready pods of the candidate.")
    baseline: int = Field(ge=0, description="Ready pods of the baseline.")
    until: Timestamp | None = Field(
        None, description="Until this time nothing is judged or recorded, because the pods changed too often."
    )


class WorkloadStatus(ApiModel):
    """A workload of a tier. The list of workloads is fixed when the tier starts."""

    kind: str = Field(description="Its kind, as in the tier.")
    name: str = Field(description="Its name.")
    uid: str = Field(description="Its uid, which tells it from a new workload with the same name.")
    candidate_pods: CandidatePods = Field(
        "Beside", description="Where its candidate's pods are until the verdict, fixed when the tier starts."
    )
    update_strategy: str | None = Field(
        None, description="Its spec.updateStrategy as JSON; it is restored when all its pods run one version."
    )
    template: str | None = Field(
        None, description="InPlace: hash of its pod template without image and parameters, to see edits meanwhile."
    )
    kept: int | None = Field(None, description="InPlace: how many of its pods are to stay as they are.")
    held: str | None = Field(
        None, description="InPlace: its updateStrategy as Tierwise made it; what differs is a write by others."
    )
    delivered: bool = Field(False, description="A delivery of `to` was recorded before it was written.")
    applied: bool = Field(False, description="`to` was written; any later difference is a write by others.")
    restored: bool = Field(False, description="`from` was delivered again after a rollback.")
    twin_replicas: int | None = Field(
        None, description="Pods that its twin may keep: after delivery an autoscaled twin is removed in steps."
    )
    twin_step_at: Timestamp | None = Field(None, description="When the twin was last reduced by a step.")
    foreign_writes: int = Field(0, description="Writes by others to what was delivered; the second stalls the rollout.")


class SliceVerdict(ApiModel):
    """One slice and metric, with numbers: as in `analyze -o json`."""

    dataset: str = Field(description="The MonitoringDataset.")
    metric: str = Field(description="The metric.")
    slice: dict[str, str] = Field(default_factory=dict, description="Dimension to value; empty for the whole.")
    verdict: Verdict = Field(description="What the evidence says about the slice and metric.")
    candidate_n: int = Field(description="Number of the candidate's rows that the metric counts.")
    candidate_bad: int | None = Field(None, description="The candidate's errors; absent if the metric counts none.")
    baseline_n: int = Field(description="Number of the baseline's rows that the metric counts.")
    baseline_bad: int | None = Field(None, description="The baseline's errors; absent if the metric counts none.")
    candidate_value: float | None = Field(None, description="The metric of the candidate.")
    baseline_value: float | None = Field(None, description="The metric of the baseline.")
    difference: float | None = Field(None, description="Candidate's metric minus baseline's.")
    interval: list[float] | None = Field(None, description="Time-uniform interval of the difference: low, high.")
    log10_e: float | None = Field(None, description="Evidence for a regression, as the logarithm of its e-value.")
    labels_needed: int | None = Field(None, description="Labels still needed, of what promotion waits for.")
    flagged: bool = Field(
        False, description="Named as regressed, by Holm's procedure on 1/(the largest E so far). A name stays."
    )
    test: str = Field("block-betting", description="How it was tested.")
    control: str = Field("concurrent", description="What the candidate was compared with.")
    phi: float = Field(1.0, description="Overdispersion by which the evidence was divided.")
    sigma_pod: float = Field(0.0, description="Spread between pods by which the tolerance was widened.")


class Gate(ApiModel):
    """The gate's latest decision."""

    decision: GateDecision = Field(description="What is done with the tier.")
    reason: Reason = Field(description="The reason in one word.")
    message: Message = Field("", description="Why, with numbers.")
    since: Timestamp = Field(description="Since when the decision and the reason have not changed.")


class Coverage(ApiModel):
    """How much of the tier's traffic is in slices that could be judged."""

    traffic: float | None = Field(
        None, description="Share of the traffic in slices with labels enough for a verdict, least of the dimensions."
    )
    whole: float | None = Field(None, description="1: labels are enough for a verdict on all traffic as one; else 0.")
    slices: int = Field(0, description="Slices seen.")
    powered: int = Field(0, description="Hypotheses with enough traffic to be judged.")
    regressed: int = Field(0, description="Hypotheses found regressed.")
    non_inferior: int = Field(0, description="Hypotheses proven non-inferior.")
    inconclusive: int = Field(0, description="Hypotheses without a verdict so far.")
    insufficient: int = Field(0, description="Hypotheses with too little data for one.")
    waiting: int = Field(0, description="Hypotheses that promotion still waits for.")


TierPhase = Literal[
    "Pending", "Probing", "Judging", "Delivering", "Delivered", "RollingBack", "RolledBack", "Untouched"
]


class TierStatus(ApiModel):
    """The state of one tier."""

    name: str = Field(description="The tier's name in the strategy.")
    phase: TierPhase = Field("Pending", description="The phase of the tier.")
    started_at: Timestamp | None = Field(None, description="When its first twin was requested.")
    judging_since: Timestamp | None = Field(None, description="t0 of the blocks: both arms ready plus warm-up.")
    delivering_since: Timestamp | None = Field(None, description="When delivery into its workloads began.")
    finished_at: Timestamp | None = Field(None, description="When it was delivered or rolled back.")
    workloads: list[WorkloadStatus] = Field(default_factory=list, description="Its workloads, fixed at the start.")
    pods_changes: list[PodsChange] = Field(default_factory=list, description="When the pods of either arm changed.")
    frozen: Frozen | None = Field(None, description="Values of the judgement that must not change while it runs.")
    gate: Gate | None = Field(None, description="The gate's latest decision.")
    look: int = Field(0, description="Number of blocks folded.")
    evidence_until: Timestamp | None = Field(None, description="Prediction time up to which blocks were folded.")
    labels: int = Field(0, description="Labels seen in both arms.")
    coverage: Coverage | None = Field(None, description="How much of the traffic could be judged.")
    worst: list[SliceVerdict] = Field(
        default_factory=list, max_length=10, description="The slices with most evidence against the candidate."
    )
    waiting: list[SliceVerdict] = Field(
        default_factory=list, max_length=3, description="Waited for, the slowest first."
    )
    culprits: list[SliceVerdict] = Field(
        default_factory=list, max_length=10, description="The slices that the verdict named as regressed."
    )


class Recovery(ApiModel):
    """Whether the baseline recovered after a rollback. Open until it is verified, failed or superseded."""

    since: Timestamp = Field(description="When every workload that was changed ran `from` again.")
    verified_at: Timestamp | None = Field(None, description="When it was verified over all of verifyRecovery.")
    failed_at: Timestamp | None = Field(None, description="When it was found that the baseline has not recovered.")
    superseded_by: str | None = Field(None, description="The version whose rollout began before the check ended.")
    message: Message = Field("", description="What was found so far, or what the check waits for.")


class StoredEvidence(ApiModel):
    """What of a rollout's verdicts is in the store, so that they outlive this object."""

    written: list[Annotated[str, Field(max_length=253)]] = Field(
        default_factory=list,
        max_length=64,
        description="Decisions whose verdicts are in `ml_verdicts`: `tier-3/Promote`, `/Completed`, `/promote …`.",
    )
    failing_since: Timestamp | None = Field(
        None, description="Since when verdicts cannot be written; they are retried."
    )
    message: Message = Field("", description="Why they cannot be written, and what to run.")


VerificationVerdict = Literal["Verifying", "NoRegression", "Regressed", "NotVerified", "Superseded"]


class Verification(ApiModel):
    """Whether delivered tiers got worse on the log: beside the tiers still to come, then after the rollout."""

    stage: Literal["BesideOtherTiers", "AfterRollout"] = Field(description="The stage; each has its own alpha.")
    since: Timestamp = Field(description="When the stage began; predictions from then on count.")
    until: Timestamp | None = Field(None, description="When it ends; BesideOtherTiers ends with the last tier.")
    alpha: float = Field(description="The stage's share of falseRollbackRate.")
    verdict: VerificationVerdict = Field("Verifying", description="What was found.")
    control: Literal["stratified", "history"] | None = Field(None, description="What the version is compared with.")
    shift_seconds: float | None = Field(
        None, description="How long before a block its nearest past is; fixed before the first look."
    )
    past_days: list[int] = Field(
        default_factory=list,
        max_length=14,
        description="How many days before a block each day of its past is; none where the past is at other hours.",
    )
    looks: int = Field(0, description="Number of blocks folded.")
    evidence_until: Timestamp | None = Field(None, description="Prediction time up to which blocks were folded.")
    watched: list[str] = Field(
        default_factory=list, max_length=50, description="Metrics that are watched, as dataset/metric."
    )
    not_watched: list[str] = Field(
        default_factory=list, max_length=50, description="Metrics that are not watched so far, each with the reason."
    )
    worst: list[SliceVerdict] = Field(
        default_factory=list, max_length=5, description="The slices with most evidence against the version."
    )
    finished_at: Timestamp | None = Field(None, description="When it ended.")
    message: Message = Field("", description="What was found so far, with numbers, or why nothing can be said.")


RolloutResult = Literal["Progressing", "RollingBack", "Verifying", "Completed", "RolledBack", "Superseded", "Stalled"]


class ModelRolloutStatus(ApiModel):
    """The values that cannot be computed again, and the texts that people read."""

    observed_generation: int = Field(
        -1, description="The metadata.generation that this status describes; -1: none yet."
    )
    result: RolloutResult = Field("Progressing", description="The state of the rollout, or how it ended.")
    reason: str = Field("", description="The reason in one word.")
    message: Message = Field("", description="Why, with numbers.")
    tier: str | None = Field(None, description="The tier in flight, or where it ended.")
    started_at: Timestamp | None = Field(None, description="When it began.")
    finished_at: Timestamp | None = Field(None, description="When it ended.")
    stalled_since: Timestamp | None = Field(None, description="Since when the rollout waits for a person.")
    rolling_back_since: Timestamp | None = Field(None, description="When the rollback began.")
    superseded_by: str | None = Field(None, description="The version that replaced the candidate before its end.")
    recovery: Recovery | None = Field(None, description="Whether the baseline recovered after the rollback.")
    verification: Verification | None = Field(None, description="Whether delivered tiers got worse on the log.")
    evidence: StoredEvidence | None = Field(None, description="What of its verdicts is in the store's `ml_verdicts`.")
    handled: dict[str, str] = Field(
        default_factory=dict,
        description="Per verb: the annotation value last handled; of a long value its start and a hash.",
    )
    tiers: list[TierStatus] = Field(
        default_factory=list, description="Per tier, in the strategy's order.", json_schema_extra=list_map("name")
    )
    conditions: list[Condition] = Field(
        default_factory=list,
        description="Ready, Progressing, Stalled, SlicesJudged, RolledBack, Recovered, Verified, EvidenceStored.",
        json_schema_extra=list_map("type"),
    )
