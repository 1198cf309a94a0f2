"""Reads from the time before a tier which slices there are, their rates, and how much traffic to expect."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import numpy as np

from tierwise.api.frozen import Frozen
from tierwise.api.slices import WHOLE
from tierwise.arrays import IntArray
from tierwise.monitoring.counts.model import Block, Cells
from tierwise.monitoring.planning.history import coalesced
from tierwise.runtime.reading.datasets import BoundSource
from tierwise.runtime.reading.runs import blocks_at_once, in_runs

# The window is as long as the tier may take, so that if possible it has the same mix of hours.
SHORTEST_SECONDS = 600.0
LONGEST_SECONDS = 86_400.0
BLOCKS = 48
# The plan is kept in the rollout's status, which stays under 64 KiB: slices with most rows come first.
STATUS_BYTES = 24_000
PLAN_BYTES = 30_000  # largest size of the written plan, with φ of every slice
_BYTES_PER_RATE = 8


@dataclass(frozen=True, slots=True)
class History:
    """Counts by dataset, and the seconds that they cover, counted from the first row."""

    cells: Mapping[str, Cells]
    seconds: float


def read_history(
    sources: Mapping[str, BoundSource],
    metrics: Mapping[str, int],
    end: datetime,
    max_seconds: float,
) -> History:
    """Read the window before `end`. `metrics` is the number of metrics per dataset; it bounds the number of slices."""
    seconds = min(max(max_seconds, SHORTEST_SECONDS), LONGEST_SECONDS)
    step = timedelta(seconds=seconds / BLOCKS)
    start = end - BLOCKS * step
    blocks = tuple(Block(start + i * step, start + (i + 1) * step) for i in range(BLOCKS))
    cells: dict[str, Cells] = {}
    first = BLOCKS
    for name, source in sources.items():
        most = blocks_at_once([source.dataset], BLOCKS)
        runs = list(in_runs(blocks, most, partial(source.store.read_cells, source.dataset, source.scope)))
        rows = np.concatenate([_rows(run) for run in runs])
        if rows.any():
            first = min(first, int(np.argmax(rows > 0)))
        read = runs[0] if len(runs) == 1 else coalesced(runs)
        cells[name] = bounded(read, metrics[name], STATUS_BYTES // max(1, len(sources)))
    covered = (BLOCKS - first) * step.total_seconds()
    return History(cells, covered if covered > 0 else seconds)


def smallest_that_fits(
    cells: Mapping[str, Cells], metrics: Mapping[str, int], planned: Callable[[Mapping[str, Cells]], Frozen]
) -> Frozen:
    """The plan with as many slices as its size allows. Slices with fewest rows are judged only within their parents."""
    most = STATUS_BYTES
    while True:
        frozen = planned(cells)
        size = len(frozen.model_dump_json(by_alias=True, exclude_none=True).encode())
        if size <= PLAN_BYTES or all(len(each.slices) <= 1 for each in cells.values()):
            return frozen
        most = most * 3 // 4
        cells = {name: bounded(each, metrics[name], most // len(cells)) for name, each in cells.items()}


def _rows(cells: Cells) -> IntArray:
    """The rows of the whole, by block."""
    if not cells.slices:
        return np.zeros(len(cells.blocks), dtype=np.int64)
    return np.asarray(cells.counts[:, cells.slices.index(WHOLE)].sum(axis=(1, 2, 3)))


def bounded(cells: Cells, metrics: int, most_bytes: int) -> Cells:
    """The cells of the whole and of the largest slices, as many as fit into `most_bytes` of the status."""
    if not cells.slices:
        return cells
    rows = cells.counts.sum(axis=(0, 2, 3, 4))
    order = sorted(range(len(cells.slices)), key=lambda i: (cells.slices[i] != WHOLE, -int(rows[i]), cells.slices[i]))
    kept: list[int] = []
    used = 0
    for index in order:
        used += len(cells.slices[index].encode()) + 4 + metrics * _BYTES_PER_RATE
        if used > most_bytes and kept:
            break
        kept.append(index)
    kept.sort()
    return cells.take_slices(kept)
