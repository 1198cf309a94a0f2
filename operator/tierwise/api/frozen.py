"""The plan of a tier as its status keeps it: what its judgement must not change while it runs."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tierwise.api.common import ApiModel, Margin, Timestamp


class JudgedDimension(ApiModel):
    """How much of one way of slicing is judged on its own: has rows enough until maxDuration for a promotion to wait.

    What would make the slice that is nearest to it judged is given where none is.
    """

    dimension: str = Field(description="Its dimensions, joined by commas; '' is the whole, which is one slice.")
    slices: int = Field(description="Slices that are known at the start.")
    powered: int = Field(description="Those of them that are judged on their own, by one metric at least.")
    traffic: float = Field(description="Share of the traffic that is in these.")
    metrics: list[str] = Field(default_factory=list, description="The metrics that judge one of them at least.")
    nearest: str | None = Field(None, description="Where none is judged: key of the slice that needs least for it.")
    metric: str | None = Field(None, description="The metric that would judge it.")
    needs_seconds: float | None = Field(None, description="The maxDuration at which it would be judged.")
    needs_margin: Margin | None = Field(None, description="Or the metric's margin at which it would be.")


class FrozenDataset(ApiModel):
    """The values of a dataset that are fixed at a tier's start."""

    name: str = Field(description="The MonitoringDataset.")
    config_hash: str = Field(description="Hash of its spec; another hash means other evidence.")
    slices: list[str] = Field(
        default_factory=list, description="Keys of the slices known at the start, '' first (the whole)."
    )
    reserved_slots: int = Field(0, description="Slots reserved for slices that appear later.")
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
        default_factory=dict, description="Known spread between pods, per metric: standard deviation of their log-odds."
    )
    pods: int = Field(0, description="Pods of the baseline that served the tier before it was judged.")
    pod_degrees: dict[str, int] = Field(
        default_factory=dict,
        description="Degrees of freedom of sigmaPod per metric: the pods of all tiers, less one in each.",
    )
    points: dict[str, list[int]] = Field(
        default_factory=dict, description="Per metric of a shift: the edges of the score's bins that it is judged at."
    )
    dimensions: list[JudgedDimension] = Field(
        default_factory=list, description="What is judged on its own, by the whole and by each way of slicing."
    )


class ControlHistory(ApiModel):
    """Which past of the tier its untouched pods are compared with, to tell an external cause."""

    kind: Literal["PreviousWeek", "PreviousDay", "JustBefore"] = Field(
        description="The same hours of the week or the day before, or the time just before the rollout."
    )
    starts_at: Timestamp | None = Field(None, description="JustBefore: the time that the first block is matched with.")
    ends_at: Timestamp = Field(description="End of the past: nothing from then on is used.")
    days: int = Field(0, description="Days before with rows at the same hours; with fewer than 5 nothing is held.")
    apart: dict[str, list[float]] = Field(
        default_factory=dict,
        description="Per dataset/metric: how far two days may be apart by themselves, for slices of 0 to 3 dimensions.",
    )


class Frozen(ApiModel):
    """Values of a tier's judgement that must not change while it runs."""

    at: Timestamp = Field(description="When the values were fixed.")
    alpha: float = Field(description="The tier's share of falseRollbackRate.")
    hypotheses: int = Field(description="K: slices x metrics x datasets, reserved slots included.")
    phi: float = Field(1.0, description="Largest overdispersion of the counts.")
    sigma_pod: float = Field(0.0, description="Largest spread between pods.")
    copies: int = Field(1, description="Number of late-onset copies of every e-process.")
    copy_seconds: float = Field(3600.0, description="Seconds from the start of one copy to the next.")
    first_block_start: Timestamp | None = Field(None, description="Start of the first block, if it was known.")
    history: ControlHistory | None = Field(None, description="The past of the control; absent if there is none.")
    datasets: list[FrozenDataset] = Field(default_factory=list, description="Per dataset, in the strategy's order.")
    powered: str = Field(
        "",
        description="Bitmap (hex) over the hypotheses in order of dataset, metric, slice: which must be non-inferior.",
    )
    prior_rates: dict[str, list[float]] = Field(
        default_factory=dict, description="p0 per dataset/metric, in order of the slices."
    )
