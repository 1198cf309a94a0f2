"""Assigns slices to slots: known slices first, then later slices to reserved slots as they appear."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tierwise.api.slices import WHOLE
from tierwise.metrics.tally import Tally
from tierwise.monitoring.counts.tallies import placed
from tierwise.monitoring.planning.tier_plan import DatasetPlan


@dataclass(frozen=True, slots=True)
class Slots:
    """The keys by slot, and the slices that came after the last slot was taken."""

    plan: DatasetPlan
    keys: tuple[str, ...]
    unplaced: frozenset[str]

    @classmethod
    def of(cls, plan: DatasetPlan) -> Slots:
        """The slots before the first block."""
        return cls(plan, plan.slices, frozenset())

    def place(self, slices: tuple[str, ...], tally: Tally) -> tuple[Slots, Tally]:
        """The slots after one block (self if nothing is new), and the block's tally with its slices in their slots."""
        if slices == self.keys and len(slices) == self.plan.slots:
            return self, tally
        if slices and WHOLE not in slices and tally.counts.any():
            raise ValueError(f"dataset {self.plan.dataset.name!r}: counts without the whole ('')")
        position = {key: slot for slot, key in enumerate(self.keys)}
        # Ordered by block and by key, so that folding many blocks at once assigns the same slots as one by one.
        new = sorted(k for k, c in zip(slices, tally.counts, strict=True) if k not in position and c.any())
        free = self.plan.slots - len(self.keys)
        after = self
        if new:
            keys = (*self.keys, *new[:free]) if free else self.keys
            position |= {key: slot for slot, key in enumerate(keys)}
            after = Slots(self.plan, keys, self.unplaced | set(new[free:]))
        rows = np.array([position.get(k, -1) for k in slices], dtype=np.intp)
        return after, placed(tally, rows, self.plan.slots)
