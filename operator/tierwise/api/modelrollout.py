"""ModelRollout (``mro``): one attempt to bring one candidate through the tiers. Written by Tierwise only."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from tierwise.api.common import ApiModel, Condition, Duration, Message, Timestamp, Version, list_map
from tierwise.api.modeldeployment import Analysis, Delivery, Tier
from tierwise.api.names import GateDecision, Verdict
from tierwise.api.reasons import Reason
from tierwise.api.rollout_outcomes import Recovery, StoredEvidence
from tierwise.api.rules import IMMUTABLE, validations
from tierwise.api.strategy import CandidatePods


class RolloutStrategy(ApiModel):
    """The ModelDeployment's strategy as it was when the rollout started."""

    delivery: Delivery = Field(description="How a version gets into a workload.")
    tiers: list[Tier] = Field(
        min_length=1, max_length=10, description="In rollout order.", json_schema_extra=list_map("name")
    )
    analysis: Analysis = Field(description="How the candidate is judged.")
    verify_recovery: Duration = Field("10m", description="So long after a rollback the baseline's recovery is checked.")
    progress_deadline: Duration = Field("15m", description="Pods that are not ready by then roll the candidate back.")


class ModelRolloutSpec(ApiModel):
    """Immutable: whole versions and the strategy."""

    model_config = ConfigDict(json_schema_extra=validations(IMMUTABLE))

    model_deployment: str = Field(
        min_length=1, max_length=253, description="The ModelDeployment this attempt belongs to."
    )
    model: str = Field(min_length=1, max_length=63, description="Name of the model.")
    revision: int = Field(ge=1, description="Number of the attempt; part of the object's name.")
    from_: Version = Field(alias="from", description="The version it starts from, and returns to: the baseline.")
    to: Version = Field(description="The version it introduces: the candidate.")
    compared: bool = Field(
        True, description="False when the baseline was captured at first sight: reversible, but not judged."
    )
    strategy: RolloutStrategy = Field(description="The ModelDeployment's strategy as it was when the rollout started.")


class PodsChange(ApiModel):
    """The ready pods of both arms from `at` on; blocks are cut at every change."""

    at: Timestamp = Field(description="Since when.")
    candidate: int = Field(ge=0, description="Ready pods of the candidate.")
    baseline: int = Field(ge=0, description="Ready pods of the baseline.")
    until: Timestamp | None = Field(
        None, description="The pods changed too often: until then nothing is judged, and no change is recorded."
    )


class WorkloadStatus(ApiModel):
    """A workload that a tier is made of, fixed when the tier starts."""

    kind: str = Field(description="Its kind, as in the tier.")
    name: str = Field(description="Its name.")
    uid: str = Field(description="Its uid: a workload made anew under the same name is another one.")
    candidate_pods: CandidatePods = Field(
        "Beside", description="Where its candidate's pods are until the verdict, fixed when the tier starts."
    )
    update_strategy: str | None = Field(
        None, description="Its spec.updateStrategy as JSON: it comes back when all of its pods run one version."
    )
    template: str | None = Field(
        None, description="InPlace: hash of its pod template without image and parameters, to see edits meanwhile."
    )
    delivered: bool = Field(False, description="A delivery of `to` was recorded before it was written.")
    applied: bool = Field(False, description="`to` was written; what differs from then on is a write by others.")
    restored: bool = Field(False, description="`from` was delivered again after a rollback.")
    twin_replicas: int | None = Field(
        None, description="Pods that its twin may keep: beside an autoscaled workload it goes in steps after delivery."
    )
    twin_step_at: Timestamp | None = Field(None, description="When the twin was last taken down by a step.")
    foreign_writes: int = Field(0, description="Writes by others to what was delivered; the second stalls the rollout.")


class FrozenDataset(ApiModel):
    """What of a dataset is fixed at a tier's start."""

    name: str = Field(description="The MonitoringDataset.")
    config_hash: str = Field(description="Hash of its spec: another one means other evidence.")
    slices: list[str] = Field(
        default_factory=list, description="Keys of the slices known at the start, '' first (the whole)."
    )
    reserved_slots: int = Field(0, description="Places kept for slices that appear later.")
    phi: dict[str, list[float]] = Field(
        default_factory=dict,
        description="Overdispersion per metric in order of the slices, with a last one for reserved slots; absent: 1.",
    )
    phi_split: float = Field(1.0, description="Overdispersion of the traffic split.")
    apart: dict[str, list[float]] = Field(
        default_factory=dict,
        description="Per metric, in order of the slices and one more for later ones: how far the versions' own users "
        "may differ (log-odds, or the metric's unit). Absent where nothing of the kind was seen.",
    )
    presence_tolerance: float = Field(
        0.005, description="How much the arms may differ in the share of rows that have a label."
    )
    sigma_pod: dict[str, float] = Field(
        default_factory=dict, description="Spread between pods per metric, where it is known: sd of their log-odds."
    )
    pods: int = Field(0, description="Pods of the baseline that served the tier before it was judged.")
    pod_degrees: dict[str, int] = Field(
        default_factory=dict,
        description="Degrees of freedom of sigmaPod per metric: the pods of all tiers, less one in each.",
    )
    points: dict[str, list[int]] = Field(
        default_factory=dict, description="Per metric of a shift: the edges of the score's bins that it is judged at."
    )


class ControlHistory(ApiModel):
    """Which past of the tier its untouched pods are compared with, to tell an external cause."""

    kind: Literal["PreviousWeek", "PreviousDay", "JustBefore"] = Field(
        description="The same hours of the week or the day before, or the time just before the rollout."
    )
    starts_at: Timestamp | None = Field(None, description="JustBefore: the time that the first block is matched with.")
    ends_at: Timestamp = Field(description="End of the past: nothing from then on is used.")


class Frozen(ApiModel):
    """What the judgement of a tier must not change while it runs."""

    at: Timestamp = Field(description="When it was fixed.")
    alpha: float = Field(description="The tier's share of falseRollbackRate.")
    hypotheses: int = Field(description="K: slices x metrics x datasets, reserved slots included.")
    phi: float = Field(1.0, description="Largest overdispersion of the counts.")
    sigma_pod: float = Field(0.0, description="Largest spread between pods.")
    copies: int = Field(1, description="Number of late-onset copies of every e-process.")
    copy_seconds: float = Field(3600.0, description="Seconds from the start of one copy to the next.")
    first_block_start: Timestamp | None = Field(None, description="Start of the first block, where it was known.")
    history: ControlHistory | None = Field(None, description="The past of the control; absent where there is none.")
    datasets: list[FrozenDataset] = Field(default_factory=list, description="Per dataset, in the strategy's order.")
    powered: str = Field(
        "",
        description="Bitmap (hex) over the hypotheses in order of dataset, metric, slice: which must be non-inferior.",
    )
    prior_rates: dict[str, list[float]] = Field(
        default_factory=dict, description="p0 per dataset/metric, in order of the slices."
    )


class SliceVerdict(ApiModel):
    """One slice and metric, with numbers: as in `analyze -o json`."""

    dataset: str = Field(description="The MonitoringDataset.")
    metric: str = Field(description="The metric.")
    slice: dict[str, str] = Field(default_factory=dict, description="Dimension to value; empty for the whole.")
    verdict: Verdict = Field(description="What the evidence says of it.")
    candidate_n: int = Field(description="What the candidate's rate is out of.")
    candidate_bad: int | None = Field(None, description="The candidate's errors; absent where there are none to count.")
    baseline_n: int = Field(description="What the baseline's rate is out of.")
    baseline_bad: int | None = Field(None, description="The baseline's errors; absent where there are none to count.")
    candidate_value: float | None = Field(None, description="The metric of the candidate.")
    baseline_value: float | None = Field(None, description="The metric of the baseline.")
    difference: float | None = Field(None, description="Candidate's metric minus baseline's.")
    interval: list[float] | None = Field(None, description="Time-uniform interval of the difference: low, high.")
    log10_e: float | None = Field(None, description="Evidence for a regression, as the logarithm of its e-value.")
    labels_needed: int | None = Field(None, description="Labels still needed for a verdict, as far as can be said.")
    flagged: bool = Field(
        False, description="Named as regressed, by Holm's procedure on 1/(the largest E so far). A name stays."
    )
    test: str = Field("block-betting", description="How it was tested.")
    control: str = Field("concurrent", description="What the candidate was compared with.")
    phi: float = Field(1.0, description="Overdispersion that the evidence was divided by.")
    sigma_pod: float = Field(0.0, description="Spread between pods that the tolerance was widened by.")


class Gate(ApiModel):
    """The gate's latest decision."""

    decision: GateDecision = Field(description="What is done with the tier.")
    reason: Reason = Field(description="One word for why.")
    message: Message = Field("", description="Why, with numbers.")
    since: Timestamp = Field(description="Since when decision and reason are these.")


class Coverage(ApiModel):
    """How much of the tier's traffic is in slices that could be judged."""

    traffic: float | None = Field(
        None,
        description="Share of the traffic in slices with labels enough for a verdict, least of the dimensions.",
    )
    whole: float | None = Field(None, description="1: labels are enough for a verdict on all traffic as one; else 0.")
    slices: int = Field(0, description="Slices seen.")
    powered: int = Field(0, description="Hypotheses with enough traffic to be judged.")
    regressed: int = Field(0, description="Hypotheses found regressed.")
    non_inferior: int = Field(0, description="Hypotheses proven non-inferior.")
    inconclusive: int = Field(0, description="Hypotheses without a verdict so far.")
    insufficient: int = Field(0, description="Hypotheses with too little data for one.")


TierPhase = Literal[
    "Pending", "Probing", "Judging", "Delivering", "Delivered", "RollingBack", "RolledBack", "Untouched"
]


class TierStatus(ApiModel):
    """Where one tier is."""

    name: str = Field(description="The tier's name in the strategy.")
    phase: TierPhase = Field("Pending", description="Where the tier is.")
    started_at: Timestamp | None = Field(None, description="When its first twin was asked for.")
    judging_since: Timestamp | None = Field(None, description="t0 of the blocks: both arms ready plus warm-up.")
    delivering_since: Timestamp | None = Field(None, description="When delivery into its workloads began.")
    finished_at: Timestamp | None = Field(None, description="When it was delivered or rolled back.")
    workloads: list[WorkloadStatus] = Field(default_factory=list, description="Its workloads, fixed at the start.")
    pods_changes: list[PodsChange] = Field(default_factory=list, description="When the pods of either arm changed.")
    frozen: Frozen | None = Field(None, description="What the judgement must not change while it runs.")
    gate: Gate | None = Field(None, description="The gate's latest decision.")
    look: int = Field(0, description="Number of blocks folded.")
    evidence_until: Timestamp | None = Field(None, description="Prediction time up to which blocks were folded.")
    labels: int = Field(0, description="Labels seen in both arms.")
    coverage: Coverage | None = Field(None, description="How much of the traffic could be judged.")
    worst: list[SliceVerdict] = Field(
        default_factory=list, max_length=10, description="The slices with most evidence against the candidate."
    )
    culprits: list[SliceVerdict] = Field(
        default_factory=list, max_length=10, description="The slices named as regressed when the verdict fell."
    )


VerificationVerdict = Literal["Verifying", "NoRegression", "Regressed", "NotVerified", "Superseded"]


class Verification(ApiModel):
    """Whether delivered tiers got worse on the log: beside the tiers still to come, then after the rollout."""

    stage: Literal["BesideOtherTiers", "AfterRollout"] = Field(description="Which of the two; each has its own alpha.")
    since: Timestamp = Field(description="When it began: prediction time from then on counts.")
    until: Timestamp | None = Field(None, description="When it ends; BesideOtherTiers ends with the last tier.")
    alpha: float = Field(description="The stage's share of falseRollbackRate.")
    verdict: VerificationVerdict = Field("Verifying", description="What was found.")
    control: Literal["stratified", "history"] | None = Field(None, description="What the version is compared with.")
    shift_seconds: float | None = Field(
        None, description="How long before a block its past is; fixed before the first look."
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
    """Only what cannot be recomputed, and what people read."""

    observed_generation: int = Field(
        -1, description="The metadata.generation that this status describes; -1: none yet."
    )
    result: RolloutResult = Field("Progressing", description="Where the rollout is, or how it ended.")
    reason: str = Field("", description="One word for why.")
    message: Message = Field("", description="Why, with numbers.")
    tier: str | None = Field(None, description="The tier in flight, or where it ended.")
    started_at: Timestamp | None = Field(None, description="When it began.")
    finished_at: Timestamp | None = Field(None, description="When it ended.")
    stalled_since: Timestamp | None = Field(None, description="Since when it waits for a person.")
    rolling_back_since: Timestamp | None = Field(None, description="When the rollback began.")
    superseded_by: str | None = Field(None, description="The version that replaced the candidate before its end.")
    recovery: Recovery | None = Field(None, description="Whether the baseline recovered after the rollback.")
    verification: Verification | None = Field(None, description="Whether delivered tiers got worse on the log.")
    evidence: StoredEvidence | None = Field(None, description="What of its verdicts is in the store's `ml_verdicts`.")
    handled: dict[str, str] = Field(default_factory=dict, description="Per verb: the annotation value last handled.")
    tiers: list[TierStatus] = Field(
        default_factory=list, description="Per tier, in the strategy's order.", json_schema_extra=list_map("name")
    )
    conditions: list[Condition] = Field(
        default_factory=list,
        description="Ready, Progressing, Stalled, RolledBack, Recovered, Verified, EvidenceStored.",
        json_schema_extra=list_map("type"),
    )
