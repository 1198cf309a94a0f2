"""What is simulated, by subject, in the order of the docs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.calibration import (
    aa,
    confounding,
    days,
    delay,
    error,
    intervals,
    mixture,
    moving_split,
    naming,
    onset,
    peers,
    pods,
    promotion,
    shift,
    sticky,
    suspects,
    traffic,
)
from tests.calibration.table import Row


@dataclass(frozen=True)
class Scenario:
    """A simulation with its number of replicates: at full length, and in the test suite (0: not run there)."""

    run: Callable[[int], list[Row]]
    full: int
    reduced: int = 0

    @property
    def name(self) -> str:
        return f"{self.run.__module__.rsplit('.', 1)[-1]}.{self.run.__name__}"


SUBJECTS: dict[str, list[Scenario]] = {
    "False rollbacks": [Scenario(*entry) for entry in error.SCENARIOS],
    "Whole rollouts of identical versions": [Scenario(*entry) for entry in aa.SCENARIOS],
    "Time to rollback": [Scenario(*entry) for entry in delay.SCENARIOS],
    "Peers": [Scenario(*entry) for entry in peers.SCENARIOS],
    "Late onset": [Scenario(*entry) for entry in onset.SCENARIOS],
    "Confounders": [Scenario(*entry) for entry in confounding.SCENARIOS],
    "Own past from day to day": [Scenario(*entry) for entry in days.SCENARIOS],
    "Noise and pods": [Scenario(*entry) for entry in pods.SCENARIOS],
    "Sticky users": [Scenario(*entry) for entry in sticky.SCENARIOS],
    "Estimated metrics": [Scenario(*entry) for entry in mixture.SCENARIOS],
    "Estimates while the split moves": [Scenario(*entry) for entry in moving_split.SCENARIOS],
    "Score shift": [Scenario(*entry) for entry in shift.SCENARIOS],
    "Promotion": [Scenario(*entry) for entry in promotion.SCENARIOS],
    "Suspect slices": [Scenario(*entry) for entry in suspects.SCENARIOS],
    "Naming": [Scenario(*entry) for entry in naming.SCENARIOS],
    "Intervals": [Scenario(*entry) for entry in intervals.SCENARIOS],
    "Traffic split and labels": [Scenario(*entry) for entry in traffic.SCENARIOS],
}
