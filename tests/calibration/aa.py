"""Whole rollouts of two identical versions, from the plan of the first tier to the gate of the last."""

from __future__ import annotations

from tests.calibration.table import Row, at_least, at_most
from tierwise.simulation.trials.aa import identical_versions


def rollouts(replicates: int) -> list[Row]:
    """40 slices, three tiers: ever rolled back, and promoted through all tiers otherwise."""
    found = identical_versions(replicates)
    about = (
        "Identical versions, 40 slices at 1–8 % errors, 5, 25 and 70 % of the traffic by tier, 20 % exposure, a look a "
        f"minute, tolerance 1 point, power factor {found.factor:.1f} where it is least"
    )
    rest = replicates - found.rolled_back
    return [
        at_most("A/A rollouts", found.rolled_back, replicates, 0.02, "≤ 2 %", about=f"{about}: rolled back."),
        at_least("A/A rollouts, the rest", found.promoted, rest, 0.95, about="The same: promoted through all tiers."),
    ]


SCENARIOS = [(rollouts, 1000, 150)]
