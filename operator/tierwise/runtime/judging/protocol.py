"""The protocol of what judges tiers, as the loop sees it, with the request and the result of a look."""

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
from tierwise.runtime.reading.datasets import StoreOf
from tierwise.runtime.reading.request import RolloutRequest


@dataclass(frozen=True, slots=True)
class LookRequest(RolloutRequest):
    """The request of a look at one tier of the rollout."""

    tier: TierStatus


@dataclass(frozen=True, slots=True)
class Look:
    """A judgement, or why there is none. `frozen` is a plan for a tier that has no recorded plan yet."""

    judgement: Judgement | Concern | None = None
    frozen: Frozen | None = None


class TierJudge(Protocol):
    """Judges tiers. The operator uses `Judging`; tests of decisions use other implementations."""

    def preflight(self, deployment: DeploymentView, fleet: Fleet, stores: StoreOf, now: datetime) -> Concern | None:
        """What a person has to change before anything can be judged. None if nothing is known to be wrong."""
        ...

    def pre_release(
        self, deployment: DeploymentView, fleet: Fleet, stores: StoreOf, now: datetime
    ) -> Judgement | Concern | None:
        """Judge the spec's version on the validation table; None without a gate. Never raises for a table's faults."""
        ...

    def look(self, request: LookRequest) -> Look:
        """Take one look at a tier. It never raises for a fault of the log or of a dataset."""
        ...

    def recovery(self, request: RolloutRequest) -> RecoveryLog | Concern | None:
        """What the log shows since a rollback; None while it is too early. Never raises for a fault of the log."""
        ...

    def commits(self, request: LookRequest) -> Mapping[str, int]:
        """Rows by commit that the tier's pods logged since the delivery began. Never raises for a fault of the log."""
        ...

    def verification(self, request: RolloutRequest) -> VerificationLook | Concern | None:
        """What the log shows of delivered tiers; None if they are not watched. Never raises for a fault of the log."""
        ...

    def forget(self, namespace: str, name: str) -> None:
        """Remove a ModelDeployment that no longer exists."""
        ...
