"""Limits on how much of a log one query may count at once. Pure."""

from __future__ import annotations

import math

from tierwise.metrics.counts import LABELS
from tierwise.monitoring.counts.model import ARMS, CELLS, Dataset

# A grouping set's state has 8 bytes per cell. More blocks at once would cost too much memory; a second query is better.
STATE_BYTES = 32 << 20
# Above this size a row per cell that occurs is read. Below it, all cells of every slice are usually cheaper to count
# and to send: with 36 groupings and 606 cells they cost half from 100,000 rows on. Only under 10,000 rows they cost
# more.
MOST_DENSE_BYTES = 1 << 30
# The largest array of a result: a dimension may have 10,000 values, and a pair of dimensions all pairs that occur.
MOST_ARRAY_BYTES = 512 << 20
_MOST_VALUES = 10_000  # largest estimate for a combination, because most possible values never occur


class ResultTooLargeError(Exception):
    """A result has so many slices that its arrays are too large. Read fewer blocks or values."""


def require_room(slices: int, cells: int) -> None:
    """Raise ResultTooLargeError if an array of this many slices and cells is too large."""
    if (size := slices * cells * 8) > MOST_ARRAY_BYTES:
        raise ResultTooLargeError(f"{slices} slices take {size / 1e9:.1f} GB at once")


def blocks_per_query(dataset: Dataset) -> int:
    """The number of blocks that one query reads, at least one."""
    return max(1, STATE_BYTES // (block_bytes(dataset) * _expected_slices(dataset)))


def is_sparse(dataset: Dataset) -> bool:
    """Whether a read has a row per slice and cell that occurs, because all cells of all slices would be too much."""
    return block_bytes(dataset) * _possible_slices(dataset) > MOST_DENSE_BYTES


def _possible_slices(dataset: Dataset) -> int:
    limits = {d.name: d.max_values + 1 for d in dataset.spec.dimensions}
    products = (math.prod(limits.get(name, 1) for name in grouping) for grouping in dataset.groupings)
    return 1 + sum(min(product, _MOST_VALUES) for product in products)


def block_bytes(dataset: Dataset) -> int:
    """The size in bytes of one slice's state in one block."""
    cells, spec = CELLS, dataset.spec
    if dataset.reads.bins:
        size = len(spec.classes) + 1
        bins = ARMS * (size * size if spec.scale.kind == "Classes" else LABELS * (spec.scale.bins + 18))
        cells += 3 * bins if dataset.reads.weights else bins
    if dataset.reads.weights:
        cells += 2 * CELLS
    return 8 * (cells + ARMS * len(dataset.reads.sums))


def _expected_slices(dataset: Dataset) -> int:
    """A high estimate of the slices in one block. Most possible values of a combination never occur."""
    limits = {d.name: d.max_values + 1 for d in dataset.spec.dimensions}
    return 1 + sum(min(math.prod(limits.get(name, 1) for name in grouping), 1000) for grouping in dataset.groupings)
