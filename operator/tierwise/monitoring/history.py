"""What the rows before a tier's start tell its plan: which slices there are, how large, and at which rates."""

from __future__ import annotations

import math

import numpy as np

from tierwise.api.slices import WHOLE
from tierwise.monitoring.cells import BASELINE, CANDIDATE, Cells, Dataset, IntArray

RESERVED_SHARE = 0.1  # of the slices known at the start
UNKNOWN_SLICES_RESERVE = 200  # most slots kept where no history tells the slices


def seen_before(cells: Cells | None) -> tuple[tuple[str, ...], IntArray, IntArray]:
    """Slices with rows, the whole first, counts (slices, arms, 3, 3), and the baseline's from before the candidate.

    A rate taken from the blocks that are judged would make the first bets depend on their own outcome: blocks that
    hold candidate rows give no prior.
    """
    if cells is None or not cells.slices:
        empty = np.zeros((1, 2, 3, 3), dtype=np.int64)
        return (WHOLE,), empty, empty[:, BASELINE]
    total = cells.counts.sum(axis=0)
    seen = total.sum(axis=(1, 2, 3)) > 0
    keys = sorted((k for i, k in enumerate(cells.slices) if k != WHOLE and seen[i]), key=lambda k: (k.count("="), k))
    position = {k: i for i, k in enumerate(cells.slices)}
    order = [position[k] for k in (WHOLE, *keys)]
    clean = cells.counts[:, position[WHOLE], CANDIDATE].sum(axis=(1, 2)) == 0
    before = cells.counts[clean].sum(axis=0)[order, BASELINE]
    return (WHOLE, *keys), total[order], before


def reserved_slots(dataset: Dataset, known: int) -> int:
    """How many slices may join after the start; without history as many as the dimensions' limits allow."""
    if not dataset.groupings:
        return 0
    if known > 1:
        return max(1, math.ceil(RESERVED_SHARE * known))
    sizes = {d.name: d.max_values for d in dataset.spec.dimensions}
    return min(UNKNOWN_SLICES_RESERVE, sum(math.prod(sizes[d] for d in g) for g in dataset.groupings))
