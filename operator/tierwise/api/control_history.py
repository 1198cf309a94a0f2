"""The past that a tier's untouched pods are compared with, as the rollout's status keeps it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tierwise.api.common import ApiModel, Timestamp


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
