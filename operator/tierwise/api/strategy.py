"""How a version is rolled out: tiers, delivery and analysis. A ModelRollout stores a copy of all three."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from tierwise.api.common import LIST_SET, ApiModel, Duration, Margin, MetricName, Name, list_map
from tierwise.api.rules import (
    ABSOLUTE_TOLERANCE,
    CONFOUNDERS,
    DIMENSION_NAMES,
    DURATIONS_IN_ORDER,
    EXPOSURE,
    INTERVAL,
    LABEL_KEYS,
    RANGE,
    RELATIVE_TOLERANCE,
    VERIFICATION,
    WITHIN,
    validations,
)
from tierwise.api.workload_kinds import WorkloadKind

SLICE_PATTERN = r"^[a-z][a-z0-9_]*(,[a-z][a-z0-9_]*){0,2}$"


class LabelSelector(ApiModel):
    """Selects workloads by label."""

    match_labels: dict[str, Annotated[str, Field(max_length=63)]] = Field(
        min_length=1,
        max_length=16,
        description="Labels that a workload must have, all of them.",
        json_schema_extra=validations(LABEL_KEYS),
    )


_TIED = "; ".join(f"{kind}: {', '.join(kind.facts.tied_by)}" for kind in WorkloadKind if kind.facts.tied_by)
CandidatePods = Literal["Beside", "InPlace"]


class WorkloadSelector(ApiModel):
    """Which workloads make up a tier."""

    kind: WorkloadKind = Field(WorkloadKind.DEPLOYMENT, description="Kind of the workloads.")
    candidate_pods: CandidatePods | None = Field(
        None,
        description="Where the candidate's pods are until the verdict. Beside: in a Deployment of their own, while no "
        "pod of the workload is touched. InPlace: some of the workload's own pods get the candidate, because pods need "
        f"their name, volume or node. Default: InPlace where a field shows that ({_TIED}), else Beside.",
    )
    selector: LabelSelector = Field(description="Selects workloads of this kind in this namespace by label.")


class SecretKey(ApiModel):
    """A key of a Secret in the same namespace."""

    name: str = Field(min_length=1, max_length=253, description="Name of the Secret, in the namespace of this object.")
    key: str = Field(min_length=1, max_length=253, description="Key in the Secret's data.")


class Tier(ApiModel):
    """A named set of workloads that are updated together."""

    model_config = ConfigDict(json_schema_extra=validations(DURATIONS_IN_ORDER))

    name: Name = Field(description="Name of the tier, unique in this list.")
    workloads: WorkloadSelector = Field(description="The workloads that make up the tier, fixed when the tier starts.")
    exposure: int | str = Field(
        "20%",
        description="Share of pods that run the candidate until the verdict, for each workload: 1-90 %, written 20% "
        "or 20. Beside: of the workload's pods and its twin's together. InPlace: of the workload's own pods; at least "
        "one gets the candidate, and at least one stays.",
        json_schema_extra={"maxLength": 4, **validations(EXPOSURE)},
    )
    min_duration: Duration = Field(
        "10m", description="A tier is not promoted earlier, whatever the evidence. Counted from the start of judging."
    )
    max_duration: Duration = Field(
        "4h", description="After this time analysis.onInconclusive decides. A hold that lasts longer becomes Stalled."
    )


class MetricSpec(ApiModel):
    """A metric to judge, with how much worse is acceptable."""

    model_config = ConfigDict(json_schema_extra=validations(ABSOLUTE_TOLERANCE, RELATIVE_TOLERANCE))

    name: MetricName = Field(
        description="Name of the metric, such as accuracy, error-rate, recall, false-positive-rate, precision; "
        "metrics can be plugged in, so the operator checks it."
    )
    margin: Margin = Field(
        description="How much worse than the baseline is still acceptable: a promotion needs evidence that the "
        "candidate is not worse than this. A regression is what is worse than `tolerance`, half of it by default."
    )
    tolerance: Margin | None = Field(
        None,
        description="Worse than this is a regression, and is rolled back. Default: half the margin; a promotion still "
        "needs only the margin.",
    )


class Within(ApiModel):
    """A range of candidate minus baseline, in the metric's own unit and direction."""

    model_config = ConfigDict(json_schema_extra=validations(RANGE))

    min: float = Field(description="Smallest difference that is right; a negative value allows a fall.")
    max: float = Field(description="Largest difference that is right.")


class Expectation(ApiModel):
    """A change that is wanted or known in one slice."""

    model_config = ConfigDict(json_schema_extra=validations(WITHIN))

    slice: dict[str, Annotated[str, Field(max_length=128)]] = Field(
        min_length=1,
        max_length=3,
        description="The slice, as dimension to value; it must be in `slices`.",
        json_schema_extra=validations(DIMENSION_NAMES),
    )
    metric: MetricName = Field(description="The metric that changes there.")
    change: Literal["Improve", "Ignore", "Within"] = Field(
        "Improve",
        description="Improve: the change is wanted, and the slice is tested for it. Ignore: the change is known, and "
        "the slice is not judged. Within: the slice and its parts are judged against the range `within` instead of "
        "margin and tolerance.",
    )
    within: Within | None = Field(None, description="The range of the difference, for change: Within.")


class DatasetAnalysis(ApiModel):
    """One MonitoringDataset and what to judge on it."""

    name: str = Field(min_length=1, max_length=253, description="A MonitoringDataset of this namespace.")
    metrics: list[MetricSpec] = Field(
        min_length=1,
        max_length=16,
        description="What to judge; each is judged on the whole and on every slice.",
        json_schema_extra=list_map("name"),
    )
    slices: list[Annotated[str, Field(min_length=1, max_length=128, pattern=SLICE_PATTERN)]] | None = Field(
        None,
        max_length=32,
        description="Dimensions, or combinations of up to three joined by a comma, such as asn_type,browser. "
        "Default: each dimension alone.",
        json_schema_extra=LIST_SET,
    )
    expect: list[Expectation] = Field(
        default_factory=list, max_length=8, description="Where a change is wanted or known."
    )


class PreRelease(ApiModel):
    """The candidate is judged on a validation table, before any pod is changed."""

    dataset: str = Field(
        min_length=1,
        max_length=253,
        description="A MonitoringDataset of this namespace whose table holds predictions of both versions on the "
        "validation set.",
    )
    metrics: list[MetricSpec] = Field(
        min_length=1,
        max_length=8,
        description="What to judge; each is judged on the whole and on every slice.",
        json_schema_extra=list_map("name"),
    )
    slices: list[Annotated[str, Field(min_length=1, max_length=128, pattern=SLICE_PATTERN)]] | None = Field(
        None,
        max_length=8,
        description="As in datasets. Default: each dimension alone.",
        json_schema_extra=LIST_SET,
    )
    expect: list[Expectation] = Field(
        default_factory=list, max_length=2, description="Where a change is wanted or known."
    )
    false_rejection_rate: float = Field(
        0.01,
        gt=0,
        lt=1,
        description="Probability of rejecting a candidate that is within tolerance everywhere; it adds to "
        "falseRollbackRate.",
    )
    on_inconclusive: Literal["Hold", "Promote", "Reject"] = Field(
        "Hold",
        description="What to do if the validation set is too small for a verdict. Hold waits for rows or a person.",
    )

    @property
    def analysis(self) -> DatasetAnalysis:
        """The gate's dataset, in the form of a dataset of the analysis."""
        return DatasetAnalysis(name=self.dataset, metrics=self.metrics, slices=self.slices, expect=self.expect)


class Analysis(ApiModel):
    """How the candidate is judged."""

    interval: Duration = Field(
        "1m",
        description="Length of a block of prediction time, and of the pause between looks; at least 1s.",
        json_schema_extra=validations(INTERVAL),
    )
    warm_up: Duration = Field(
        "2m",
        description="Fresh pods do worse at first (empty caches): so long after both arms are ready, judging begins.",
    )
    false_rollback_rate: float = Field(
        0.05,
        gt=0,
        lt=1,
        description="A version within tolerance in every slice is rolled back by mistake in at most this share of "
        "rollouts, however often we look. It covers all tiers, looks, slices and metrics of a rollout together.",
    )
    datasets: list[DatasetAnalysis] = Field(
        min_length=1,
        max_length=8,
        description="Labelled parts of the prediction log, and what to judge on each.",
        json_schema_extra=list_map("name"),
    )
    on_inconclusive: Literal["Hold", "Promote", "RollBack"] = Field(
        "Hold", description="What to do at a tier's maxDuration without a verdict; Hold waits for a person."
    )
    confounders: list[Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z][a-z0-9_]*$")]] = Field(
        default_factory=list,
        max_length=2,
        description="At most two dimensions by which tiers differ in their traffic, such as country: versions in "
        "different tiers are compared within each of their values. Every dataset must have them. "
        "The tier cannot be one.",
        json_schema_extra={**LIST_SET, **validations(CONFOUNDERS)},
    )
    verification: Duration = Field(
        "24h",
        description="How long the version is watched on the log after the last tier; on a regression it is rolled back "
        "everywhere. At most 168h; 0s switches it off. It has a tenth of falseRollbackRate, and delays nothing.",
        json_schema_extra=validations(VERIFICATION),
    )
    external_cause: Literal["Hold", "Ignore"] = Field(
        "Hold",
        description="What to do if the untouched pods get worse than their own past. Hold waits until they are as good "
        "as before. Use Ignore if the past is not a measure, because the rates change by themselves.",
    )
    pre_release: PreRelease | None = Field(
        None, description="The candidate is judged on a validation table before any pod is changed. Default: off."
    )


class Delivery(ApiModel):
    """How a version gets into a workload."""

    type: Literal["PodTemplate"] = Field(
        "PodTemplate", description="PodTemplate sets image and parameters of the container in the pod template."
    )
    container: str = Field(min_length=1, max_length=63, description="Name of the container that serves the model.")
