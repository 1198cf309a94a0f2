"""The request of every look at a rollout."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tierwise.rollout.state.observation import DeploymentView, RolloutView
from tierwise.runtime.ports import Fleet
from tierwise.runtime.reading.datasets import StoreOf


@dataclass(frozen=True, slots=True)
class RolloutRequest:
    """The rollout and the time of a look, and the fleet and stores through which it reads."""

    deployment: DeploymentView
    rollout: RolloutView
    fleet: Fleet
    stores: StoreOf
    now: datetime
