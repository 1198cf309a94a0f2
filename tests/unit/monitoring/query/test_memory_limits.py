"""What an answer may take in memory."""

from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from tests.support.predictions import T0
from tierwise.monitoring.counts.model import Block, Cells
from tierwise.monitoring.query.look.decode import merge_cells
from tierwise.monitoring.query.look.memory_limits import MOST_ARRAY_BYTES, ResultTooLargeError, require_room

CELLS = 2 * 3 * 3


def run_of(blocks: int, slices: int, start: int) -> Cells:
    minutes = [T0 + timedelta(minutes=start + i) for i in range(blocks + 1)]
    spans = tuple(Block(a, b) for a, b in pairwise(minutes))
    keys = ("", *(f"client=c{i}" for i in range(slices - 1)))
    return Cells(spans, keys, np.zeros((blocks, slices, 2, 3, 3), dtype=np.int64))  # no page of it is written


def test_runs_that_fit_alone_are_refused_together():
    slices = 1000
    most = MOST_ARRAY_BYTES // (8 * CELLS * slices)
    require_room(slices, most * CELLS)
    with pytest.raises(ResultTooLargeError, match=r"1000 slices take 0\.5 GB at once"):
        merge_cells([run_of(most, slices, 0), run_of(1, slices, most)])
