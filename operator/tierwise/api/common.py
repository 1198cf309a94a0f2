"""Types that more than one kind shares: base model, durations, versions, margins, conditions."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

from tierwise.api.rules import DURATION_PATTERN, PARAMETER_NAMES, duration_seconds, validations

__all__ = [
    "DIMENSION_PATTERN",
    "DURATION_PATTERN",
    "EMPTY_OBJECT",
    "EPOCH",
    "LIST_SET",
    "MESSAGE_LENGTH",
    "METRIC_PATTERN",
    "NAME_PATTERN",
    "ApiModel",
    "Condition",
    "DimensionName",
    "Duration",
    "Margin",
    "Message",
    "MetricName",
    "Name",
    "Timestamp",
    "Version",
    "duration_seconds",
    "list_map",
]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MESSAGE_LENGTH = 2048
NAME_PATTERN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
DIMENSION_PATTERN = r"^[a-z][a-z0-9_]*$"
METRIC_PATTERN = r"^[a-z][-a-z0-9._@/]*$"


class ApiModel(BaseModel):
    """Base of every API type: camelCase on the wire, unknown fields refused, values immutable."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, use_enum_values=False
    )

    def to_wire(self) -> dict[str, object]:
        """The object as Kubernetes JSON: aliases, no nulls."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def list_map(key: str) -> dict[str, Any]:
    """A list whose items are identified by a key. Keys are unique, and server-side apply merges item by item."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


LIST_SET: dict[str, Any] = {"x-kubernetes-list-type": "set"}
EMPTY_OBJECT: dict[str, Any] = {"default": {}}  # so that the API server fills in the defaults of the fields below


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _rfc3339(value: datetime) -> str:
    text = value.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00").removesuffix(".000") + "Z"


def _shortened(value: object) -> object:
    # A long message must never prevent the write of a status, or the read of an object.
    if isinstance(value, str) and len(value) > MESSAGE_LENGTH:
        return value[: MESSAGE_LENGTH - 1] + "…"
    return value


# The format makes it a duration in CEL. The pattern refuses texts that the format allows (1d, 4 hours, -5m, 1.5h).
Duration = Annotated[
    str, Field(pattern=DURATION_PATTERN, max_length=32, json_schema_extra={"format": "duration"})
]  # fmt: skip
Timestamp = Annotated[datetime, AfterValidator(_utc), PlainSerializer(_rfc3339, return_type=str, when_used="json")]
Name = Annotated[str, Field(min_length=1, max_length=63, pattern=NAME_PATTERN)]
DimensionName = Annotated[str, Field(min_length=1, max_length=63, pattern=DIMENSION_PATTERN)]
MetricName = Annotated[str, Field(min_length=1, max_length=63, pattern=METRIC_PATTERN)]
Message = Annotated[str, BeforeValidator(_shortened), Field(max_length=MESSAGE_LENGTH)]


class Version(ApiModel):
    """One build of a model."""

    name: str = Field(
        min_length=1, max_length=63, description="The value of this version in the prediction log's version column."
    )
    commit: str | None = Field(
        None,
        max_length=64,
        description="Provenance, shown everywhere. Quote it when it is all digits: YAML reads a bare one as a number.",
    )
    digest: str | None = Field(
        None,
        max_length=128,
        description="Digest of the weights, such as sha256:9c1d…; a rollback rejects the digest, not only the name.",
    )
    image: str | None = Field(None, max_length=512, description="The container image that serves this version.")
    parameters: dict[str, Annotated[str, Field(max_length=512)]] = Field(
        default_factory=dict,
        max_length=32,
        description="Environment variables of the container that select this version, such as MODEL_URI.",
        json_schema_extra=validations(PARAMETER_NAMES),
    )


class Margin(ApiModel):
    """How much worse than the baseline: either an absolute difference or a share of the baseline's rate."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    absolute: float | None = Field(
        None,
        ge=0,
        le=1_000_000,
        description="Difference of the two rates, where 0.01 is one percentage point and 1 is the maximum; or "
        "difference of the two values, in the metric's own unit.",
    )
    relative: float | None = Field(
        None, ge=0, le=10, description="Share of the baseline's rate; 0.25 is a quarter more errors."
    )


class Condition(ApiModel):
    """One Kubernetes condition."""

    type: str = Field(max_length=64, description="The type: Ready, Reconciling, Stalled, Available, …")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether the condition is true.")
    reason: str = Field(max_length=64, description="The reason in one word, for programs.")
    message: Message = Field("", description="The reason with numbers, and what to do; for people.")
    observed_generation: int | None = Field(None, description="The metadata.generation that the condition is about.")
    last_transition_time: Timestamp = Field(description="When `status` last changed.")
