"""Folds recorded blocks until the first rollback. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from tierwise.monitoring.counts.model import Block, Cells
from tierwise.monitoring.evidence.fold import Evidence, fold


def blocks_between(start: datetime, end: datetime, seconds: float) -> tuple[Block, ...]:
    """Consecutive blocks of `seconds` from `start`; the last one ends at `end` and may be shorter."""
    width = timedelta(seconds=seconds)
    blocks = []
    while start < end:
        blocks.append(Block(start, min(start + width, end)))
        start += width
    return tuple(blocks)


def runs_of(blocks: Sequence[Block], most: int) -> tuple[Sequence[Block], ...]:
    """The blocks in runs of at most `most`, one query each. A shorter last block is a run of its own.

    (A query finds the block of a row by a division if all blocks have one width, else by a long table of edges.)
    """
    is_regular = blocks[-1].end - blocks[-1].start == blocks[0].end - blocks[0].start
    regular = len(blocks) - (not is_regular)
    runs = [blocks[at : min(at + most, regular)] for at in range(0, regular, most)]
    return tuple(runs) if regular == len(blocks) else (*runs, blocks[regular:])


def fold_past_stop(evidence: Evidence, cells: Mapping[str, Cells], pods: tuple[int, int] | None = None) -> Evidence:
    """Fold every block, whatever its evidence leads to: for counts and values over all rows, and for no decision."""
    for at in range(len(next(iter(cells.values())).blocks)):
        part = {name: found.take_blocks(slice(at, at + 1)) for name, found in cells.items()}
        evidence = replace(fold_recorded(evidence, part, pods), stopped_at=None)
    return evidence


def fold_recorded(evidence: Evidence, cells: Mapping[str, Cells], pods: tuple[int, int] | None = None) -> Evidence:
    """Fold blocks in order; after `stopped_at` results stand as of the stop.

    `pods` is how many baseline and candidate pods served; None where the log does not say.
    The traffic split is not tested: which share of the pods ran the candidate is not in a recorded log.
    """
    blocks = next(iter(cells.values())).blocks
    served = None if pods is None else np.tile(np.array(pods, dtype=np.int64), (len(blocks), 1))
    return fold(evidence, cells, np.full(len(blocks), np.nan), served)
