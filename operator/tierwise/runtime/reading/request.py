"""What every look at a rollout starts from."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from tierwise.rollout.state.observation import DeploymentView, RolloutView
from tierwise.runtime.ports import Fleet
from tierwise.runtime.reading.datasets import Stores


@dataclass(frozen=True, slots=True)
class RolloutRequest:
    """Which rollout is looked at, through what, and when."""

    deployment: DeploymentView
    rollout: RolloutView
    fleet: Fleet
    stores: Stores
    now: datetime
