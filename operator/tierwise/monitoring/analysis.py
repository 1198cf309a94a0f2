"""Recorded blocks, folded until the first rollback. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np

from tierwise.monitoring.cells import Block, Cells
from tierwise.monitoring.evidence import Evidence, fold


def blocks_between(start: datetime, end: datetime, seconds: float) -> tuple[Block, ...]:
    """Consecutive blocks of `seconds` from `start`; the last one ends at `end` and may be shorter."""
    width = timedelta(seconds=seconds)
    blocks = []
    while start < end:
        blocks.append(Block(start, min(start + width, end)))
        start += width
    return tuple(blocks)


def fold_recorded(evidence: Evidence, cells: Mapping[str, Cells]) -> Evidence:
    """Fold blocks in order; after `stopped_at` results stand as of the stop.

    The traffic split is not tested: which share of the pods ran the candidate is not in a recorded log.
    """
    blocks = next(iter(cells.values())).blocks
    return fold(evidence, cells, np.full(len(blocks), np.nan))
