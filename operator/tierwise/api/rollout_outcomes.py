"""What a ModelRollout's status says beside its tiers: the baseline's recovery, and what of the evidence is stored."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from tierwise.api.common import ApiModel, Message, Timestamp


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
