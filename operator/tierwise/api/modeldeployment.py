"""ModelDeployment (``mdep``): what should run. Written by people or GitOps; Tierwise never writes its spec."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from tierwise.api.common import (
    EMPTY_OBJECT,
    ApiModel,
    Condition,
    Duration,
    Message,
    Timestamp,
    Version,
    list_map,
)
from tierwise.api.strategy import (
    Analysis,
    DatasetAnalysis,
    Delivery,
    Expectation,
    LabelSelector,
    MetricSpec,
    SecretKey,
    Tier,
    WorkloadSelector,
)

__all__ = [
    "Analysis",
    "DatasetAnalysis",
    "Delivery",
    "Expectation",
    "LabelSelector",
    "MetricSpec",
    "ModelDeploymentSpec",
    "ModelDeploymentStatus",
    "RefusedAnnotation",
    "RejectedVersion",
    "Rollback",
    "SecretKey",
    "Summary",
    "Tier",
    "WorkloadDrift",
    "WorkloadSelector",
]


class Rollback(ApiModel):
    """What happens on regression."""

    automatic: bool = Field(True, description="Roll back on a regression; false only reports it and holds.")
    order: Literal["AllAtOnce"] = Field("AllAtOnce", description="In which order changed workloads are restored.")
    verify_recovery: Duration = Field("10m", description="How long the recovery is checked after a rollback.")


class ModelDeploymentSpec(ApiModel):
    """What should run and how it is rolled out."""

    model: str = Field(
        min_length=1, max_length=63, description="Name of the model, as the prediction log has it in its model column."
    )
    version: Version = Field(description="The version that should run. Changing it starts a rollout.")
    delivery: Delivery = Field(description="How a version gets into a workload.")
    tiers: list[Tier] = Field(
        min_length=1,
        max_length=10,
        description="Sets of workloads updated together, in rollout order: the first has the smallest blast radius.",
        json_schema_extra=list_map("name"),
    )
    analysis: Analysis = Field(description="How the candidate is judged.")
    rollback: Rollback = Field(
        default_factory=Rollback, description="What happens on regression.", json_schema_extra=EMPTY_OBJECT
    )
    progress_deadline: Duration = Field(
        "15m", description="Twin or delivered pods that are not ready by then roll the candidate back."
    )
    history_limit: int = Field(3, ge=0, le=50, description="How many finished ModelRollouts are kept.")
    paused: bool = Field(False, description="Promote nothing. Judging continues, and a regression still rolls back.")
    drift: Literal["Report", "Restore"] = Field(
        "Report",
        description="What to do if another writer changes the image or parameters of a workload that no rollout writes "
        "to. Report: only the condition InSync says so. Restore: the change is undone, once.",
    )


class RejectedVersion(ApiModel):
    """A version that was rolled back and is not tried again without ``retry``."""

    identity: str = Field(max_length=128, description="The digest, else a hash of image and parameters.")
    name: str = Field(max_length=63, description="The version's name.")
    rollout: str = Field(max_length=253, description="The ModelRollout that rolled it back.")
    reason: Annotated[str, Field(max_length=1024)] = Field(description="Why, with numbers.")
    at: Timestamp = Field(description="When.")


class RefusedAnnotation(ApiModel):
    """An annotation that has no effect. The entry is removed when the annotation is removed or changed."""

    annotation: str = Field(max_length=317, description="The annotation's key.")
    value: str = Field(max_length=256, description="The annotation's value; of a long value its start and a hash.")
    message: Message = Field(description="Why the annotation has no effect, and the right command.")
    at: Timestamp = Field(description="When Tierwise answered.")


class WorkloadDrift(ApiModel):
    """A workload whose image or parameters another writer changed outside a rollout."""

    kind: str = Field(description="The workload's kind.")
    name: str = Field(description="The workload's name.")
    uid: str = Field(description="The workload's uid.")
    version: str = Field(description="The version that the workload should run.")
    in_sync: bool = Field(False, description="True: the workload runs this version again.")
    writer: str = Field("", description="The field manager that wrote last.")
    difference: str = Field("", description="How the workload differs from the version.")
    since: Timestamp = Field(description="When Tierwise first saw the change.")
    foreign_writes: int = Field(1, description="Number of writes by others; `drift: Restore` undoes the first one.")
    restored: bool = Field(False, description="True: Tierwise undid the latest write; a new difference is a new write.")


class Summary(ApiModel):
    """Text for `kubectl get`, derived from the conditions and the rollout in flight."""

    status: str = Field("", description="One word: Ready, Rolling, Holding, RolledBack, Stalled, …")
    tier: str | None = Field(None, description="The tier in flight, or where the last rollout ended.")
    worst_slice: str | None = Field(None, description="The slice with most evidence against the candidate.")
    message: Message | None = Field(None, description="Why, with numbers.")
    until: str | None = Field(None, description="When the current wait ends, as text.")


class ModelDeploymentStatus(ApiModel):
    """What runs, and what happened."""

    observed_generation: int = Field(
        -1, description="The metadata.generation that this status describes; -1: none yet."
    )
    stable: Version | None = Field(None, description="The version that serves; candidates are compared with it.")
    last_revision: int = Field(0, description="Number of the latest rollout.")
    rollout: str | None = Field(None, description="The ModelRollout in flight.")
    first_seen_at: Timestamp | None = Field(None, description="When Tierwise first saw the object.")
    rejected: list[RejectedVersion] = Field(
        default_factory=list,
        max_length=20,
        description="Versions that were rolled back; tried again only after `retry`.",
    )
    handled: dict[str, str] = Field(
        default_factory=dict,
        description="Per verb (rollback, promote, retry): the value last handled; of a long one its start and a hash.",
    )
    refused: list[RefusedAnnotation] = Field(
        default_factory=list,
        max_length=16,
        description="Annotations of Tierwise on the object that have no effect.",
        json_schema_extra=list_map("annotation"),
    )
    drift: list[WorkloadDrift] = Field(
        default_factory=list,
        max_length=40,
        description="Workloads that others changed outside a rollout.",
        json_schema_extra=list_map("uid"),
    )
    previous_stable: Version | None = Field(
        None, description="The stable version before; `rollback` without a rollout in flight returns to it."
    )
    summary: Summary = Field(
        default_factory=Summary, description="Text for `kubectl get`, derived from the conditions."
    )
    conditions: list[Condition] = Field(
        default_factory=list,
        description="Ready, Reconciling, Stalled, Available, InSync, Progressing, SlicesJudged, AnalysisHealthy, "
        "RolledBack, Paused; EvidenceStored while verdicts wait for the store.",
        json_schema_extra=list_map("type"),
    )
