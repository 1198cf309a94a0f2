"""What judges tiers, as the loop sees it: a look's request and answer, and the protocol."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tierwise.api.frozen import Frozen
from tierwise.api.modelrollout import TierStatus
from tierwise.monitoring.checks.concern import Concern
from tierwise.monitoring.verdicts.judgement import Judgement
from tierwise.rollout.state.observation import DeploymentView, RecoveryLog, VerificationLook
from tierwise.runtime.ports import Fleet
from tierwise.runtime.reading.datasets import Stores
from tierwise.runtime.reading.request import RolloutRequest


@dataclass(frozen=True, slots=True)
class LookRequest(RolloutRequest):
    """Also which of its tiers."""

    tier: TierStatus


@dataclass(frozen=True, slots=True)
class Look:
    """A judgement or why there is none; `frozen` is a plan for a tier that has none recorded yet."""

    judgement: Judgement | Concern | None = None
    frozen: Frozen | None = None


class TierJudge(Protocol):
    """Judges tiers. The operator's is `Judging`; tests of decisions use others."""

    def preflight(self, deployment: DeploymentView, fleet: Fleet, stores: Stores, now: datetime) -> Concern | None:
        """What a person has to change before anything could be judged; None when nothing is known to be wrong."""
        ...

    def pre_release(
        self, deployment: DeploymentView, fleet: Fleet, stores: Stores, now: datetime
    ) -> Judgement | Concern | None:
        """The spec's version on the validation table; None without a gate. Never raises for what a table does."""
        ...

    def look(self, request: LookRequest) -> Look:
        """One look. Never raises for what the log or a dataset does."""
        ...

    def recovery(self, request: RolloutRequest) -> RecoveryLog | Concern | None:
        """What the log says since a rollback; None while it is too early. Never raises for what the log does."""
        ...

    def commits(self, request: LookRequest) -> Mapping[str, int]:
        """Rows by commit that the pods of a tier log since its delivery began. Never raises for what the log does."""
        ...

    def verification(self, request: RolloutRequest) -> VerificationLook | Concern | None:
        """What the log says of delivered tiers; None where they are not watched. Never raises for what the log does."""
        ...

    def forget(self, namespace: str, name: str) -> None:
        """The ModelDeployment is gone."""
        ...
