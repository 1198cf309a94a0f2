"""ModelDeployment (``mdep``): what should run. Written by people or GitOps; Tierwise never writes its spec."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tierwise.api.common import ApiModel, Condition, Duration, Margin, Name, Timestamp, Version


class LabelSelector(ApiModel):
    """Workloads by label."""

    match_labels: dict[str, str] = Field(min_length=1, max_length=16)


class WorkloadSelector(ApiModel):
    """Which workloads make up a tier."""

    kind: Literal["Deployment", "StatefulSet", "DaemonSet"] = "Deployment"
    selector: LabelSelector


class SecretKey(ApiModel):
    """A key of a Secret in the same namespace."""

    name: str = Field(min_length=1, max_length=253)
    key: str = Field(min_length=1, max_length=253)


class ClusterRef(ApiModel):
    """Another cluster that a tier lives in."""

    kubeconfig_secret: SecretKey


class Tier(ApiModel):
    """A named set of workloads that are updated together."""

    name: Name
    workloads: WorkloadSelector
    exposure: int | str = Field("20%", description="Share of the tier's pods that run the candidate until the verdict, 1-90 %.")
    exposure_workloads: int | None = Field(None, ge=1, le=1000)
    min_duration: Duration = "10m"
    max_duration: Duration = "4h"
    control: Literal["Concurrent", "Fresh"] = "Concurrent"
    cluster: ClusterRef | None = None


class MetricSpec(ApiModel):
    """A metric to judge, with how much worse is acceptable."""

    name: str = Field(min_length=1, max_length=63)
    margin: Margin
    tolerance: Margin | None = None


class Expectation(ApiModel):
    """A change that is wanted or known in one slice."""

    slice: dict[str, str] = Field(min_length=1, max_length=3)
    metric: str = Field(max_length=63)
    change: Literal["Improve", "Ignore"] = "Improve"


class DatasetAnalysis(ApiModel):
    """One MonitoringDataset and what to judge on it."""

    name: str = Field(min_length=1, max_length=253)
    metrics: list[MetricSpec] = Field(min_length=1, max_length=16)
    slices: list[str] | None = Field(None, max_length=32, description="Dimensions, or combinations joined by a comma. Default: each dimension alone.")
    expect: list[Expectation] = Field(default_factory=list, max_length=16)


class Analysis(ApiModel):
    """How the candidate is judged."""

    interval: Duration = "1m"
    warm_up: Duration = "0s"
    false_rollback_rate: float = Field(0.05, gt=0, lt=1)
    datasets: list[DatasetAnalysis] = Field(min_length=1, max_length=8)
    on_inconclusive: Literal["Hold", "Promote", "RollBack"] = "Hold"


class Rollback(ApiModel):
    """What happens on regression."""

    automatic: bool = True
    order: Literal["AllAtOnce"] = "AllAtOnce"
    verify_recovery: Duration = "10m"


class Delivery(ApiModel):
    """How a version gets into a workload."""

    type: Literal["PodTemplate", "PodAnnotation", "ConfigMap"] = "PodTemplate"
    container: str = Field(min_length=1, max_length=63)


class Webhook(ApiModel):
    """Where to notify."""

    url_secret: SecretKey


class Notification(ApiModel):
    """A webhook and the events it gets."""

    webhook: Webhook
    events: list[str] = Field(default_factory=list, max_length=16)


class ModelDeploymentSpec(ApiModel):
    """What should run and how it is rolled out."""

    model: str = Field(min_length=1, max_length=63)
    version: Version
    delivery: Delivery
    tiers: list[Tier] = Field(min_length=1, max_length=10, description="In rollout order: the first has the smallest blast radius.")
    analysis: Analysis
    rollback: Rollback = Field(default_factory=Rollback)
    progress_deadline: Duration = "15m"
    notify: list[Notification] = Field(default_factory=list, max_length=8)
    history_limit: int = Field(3, ge=0, le=50)
    paused: bool = False


class RejectedVersion(ApiModel):
    """A version that was rolled back and is not tried again without ``retry``."""

    identity: str = Field(max_length=128, description="The digest, else a hash of image and parameters.")
    name: str = Field(max_length=63)
    rollout: str = Field(max_length=253)
    reason: str = Field(max_length=1024)
    at: Timestamp


class Summary(ApiModel):
    """Text for `kubectl get`, derived from the conditions and the rollout in flight."""

    status: str = ""
    tier: str | None = None
    worst_slice: str | None = None
    message: str | None = Field(None, max_length=2048)
    until: str | None = None


class ModelDeploymentStatus(ApiModel):
    """What runs, and what happened."""

    observed_generation: int = -1
    stable: Version | None = None
    last_revision: int = 0
    rollout: str | None = Field(None, description="The ModelRollout in flight.")
    first_seen_at: Timestamp | None = None
    rejected: list[RejectedVersion] = Field(default_factory=list, max_length=20)
    handled: dict[str, str] = Field(default_factory=dict, description="Per verb (rollback, promote, retry): the annotation value last handled.")
    previous_stable: Version | None = None
    summary: Summary = Field(default_factory=Summary)
    conditions: list[Condition] = Field(default_factory=list)
