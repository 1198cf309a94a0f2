"""How much of a log one query may count at once. Pure."""

from __future__ import annotations

import math

from tierwise.monitoring.cells import Dataset
from tierwise.monitoring.query import ARMS, CELLS, LABELS

# A grouping set's state has 8 bytes per cell: more blocks at once would cost more memory than a second query.
STATE_BYTES = 32 << 20


def blocks_per_query(dataset: Dataset) -> int:
    """How many blocks one query reads; at least one."""
    return max(1, STATE_BYTES // (_block_bytes(dataset) * _expected_slices(dataset)))


def _block_bytes(dataset: Dataset) -> int:
    """Bytes of one slice's state in one block."""
    cells, spec = CELLS, dataset.spec
    if dataset.reads.bins:
        size = len(spec.classes) + 1
        cells += ARMS * (size * size if spec.scale.kind == "Classes" else LABELS * (spec.scale.bins + 18))
    if dataset.reads.weights:
        cells += 2 * CELLS
    return 8 * (cells + ARMS * len(dataset.reads.sums))


def _expected_slices(dataset: Dataset) -> int:
    """An upper estimate of the slices that one block can have; of a combination most never occur."""
    limits = {d.name: d.max_values + 1 for d in dataset.spec.dimensions}
    return 1 + sum(min(math.prod(limits.get(name, 1) for name in grouping), 1000) for grouping in dataset.groupings)
