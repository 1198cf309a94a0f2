"""Types that more than one kind shares: base model, durations, versions, margins, conditions."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

DURATION_PATTERN = r"^([0-9]+[hms])+$"
_UNIT_SECONDS = {"h": 3600, "m": 60, "s": 1}


class ApiModel(BaseModel):
    """Base of every API type: camelCase on the wire, unknown fields refused, values immutable."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="forbid", frozen=True, use_enum_values=False
    )

    def to_wire(self) -> dict[str, object]:
        """The object as Kubernetes JSON: aliases, no nulls."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def duration_seconds(duration: str) -> int:
    """Seconds of a duration such as ``1h30m``; raises ValueError when it is not one."""
    if not re.match(DURATION_PATTERN, duration):
        raise ValueError(f"{duration!r} is not a duration such as 90s, 10m or 1h30m")
    return sum(int(n) * _UNIT_SECONDS[unit] for n, unit in re.findall(r"([0-9]+)([hms])", duration))


def _utc(value: datetime) -> datetime:
    return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)


def _rfc3339(value: datetime) -> str:
    text = value.astimezone(UTC).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00").removesuffix(".000") + "Z"


Duration = Annotated[str, Field(pattern=DURATION_PATTERN, max_length=32)]
Timestamp = Annotated[datetime, AfterValidator(_utc), PlainSerializer(_rfc3339, return_type=str, when_used="json")]
Name = Annotated[str, Field(min_length=1, max_length=63, pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]


class Version(ApiModel):
    """One build of a model."""

    name: str = Field(min_length=1, max_length=63, description="The value the prediction log carries in its version column.")
    commit: str | None = Field(None, max_length=64, description="Provenance, shown everywhere. Quote it when it is all digits.")
    digest: str | None = Field(None, max_length=128, description="Digest of the weights; a rolled-back digest is remembered.")
    image: str | None = Field(None, max_length=512, description="The container image that serves this version.")
    parameters: dict[str, str] = Field(
        default_factory=dict, max_length=32, description="Environment variables of the container that select this version."
    )


class Margin(ApiModel):
    """How much worse than the baseline is still acceptable: an absolute difference or a share of the baseline's rate."""

    absolute: float | None = Field(None, ge=0, le=1)
    relative: float | None = Field(None, ge=0, le=10)


class Condition(ApiModel):
    """One Kubernetes condition."""

    type: str = Field(max_length=64)
    status: Literal["True", "False", "Unknown"]
    reason: str = Field(max_length=64)
    message: str = Field("", max_length=2048)
    observed_generation: int | None = None
    last_transition_time: Timestamp
