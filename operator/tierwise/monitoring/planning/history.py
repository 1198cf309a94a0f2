"""Finds from the rows before a tier's start which slices there are, how large they are, and their rates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tierwise.api.slices import WHOLE
from tierwise.metrics.counts import stacked
from tierwise.metrics.tally import Tally
from tierwise.monitoring.counts.model import CANDIDATE, Cells, Dataset
from tierwise.monitoring.counts.tallies import baseline_of, chosen, empty_tally, placed, window_tally

RESERVED_SHARE = 0.1  # reserved slots, as a share of the slices known at the start
UNKNOWN_SLICES_RESERVE = 200  # most reserved slots if there is no history with slices


@dataclass(frozen=True, slots=True, eq=False)
class TierHistory:
    """`slices` with rows, the whole first, then slices of expectations; `window` is of shape (slices, 2 arms).

    `before` (slices,) is the baseline alone, from blocks without candidate rows. If a rate came from the blocks that
    are judged, the first bets would depend on their own outcome. `seen` is the number of slices that had rows.
    """

    slices: tuple[str, ...]
    window: Tally
    before: Tally
    seen: int


def past_of(dataset: Dataset, cells: Cells | None, wished: Sequence[str] = ()) -> TierHistory:
    """The past in `cells`. `wished` are keys of slices that get a slot whether they have rows or not."""
    if cells is None or not cells.slices:
        empty = empty_tally(dataset, 1 + len(wished))
        return TierHistory((WHOLE, *wished), empty, baseline_of(empty), 1)
    total = window_tally(dataset, cells)
    seen = total.counts.sum(axis=(1, 2, 3)) > 0
    position = {k: i for i, k in enumerate(cells.slices)}
    keys = sorted((k for k in cells.slices if k != WHOLE and seen[position[k]]), key=lambda k: (k.count("="), k))
    late = [key for key in wished if key not in keys]
    clean = cells.counts[:, position[WHOLE], CANDIDATE].sum(axis=(1, 2)) == 0
    order = [position[key] for key in (WHOLE, *keys)]
    window, before = chosen(total, order), chosen(window_tally(dataset, cells, clean), order)
    if late:
        rows = np.arange(len(order))
        window, before = (placed(tally, rows, len(order) + len(late)) for tally in (window, before))
    return TierHistory((WHOLE, *keys, *late), window, baseline_of(before), len(order))


def coalesced(parts: Sequence[Cells]) -> Cells:
    """Cells that were read in runs, added up to two blocks: blocks without candidate rows, and all others.

    A plan needs no more of a window, and this is much smaller than every block's distributions.
    """
    keys = tuple(dict.fromkeys(key for part in parts for key in part.slices))
    if not keys:
        return Cells((), (), np.zeros((0, 0, 2, 3, 3), dtype=np.int64))
    slot = {key: i for i, key in enumerate(keys)}
    sums: list[Tally | None] = [None, None]
    for part in parts:
        if not part.slices:
            continue
        rows = np.array([slot[key] for key in part.slices], dtype=np.intp)
        clean = part.counts[:, part.slices.index(WHOLE), CANDIDATE].sum(axis=(1, 2)) == 0
        for i, which in enumerate((clean, ~clean)):
            piece = placed(Tally(**part.contents).take(which).sum(), rows, len(keys))
            before = sums[i]
            sums[i] = piece if before is None else before + piece
    both = stacked([tally for tally in sums if tally is not None])
    return Cells(blocks=(parts[0].blocks[0], parts[-1].blocks[-1]), slices=keys, **both.contents)


def reserved_slots(dataset: Dataset, known: int) -> int:
    """How many slices may be added after the start. Without history, as many as the dimensions' limits allow."""
    if not dataset.groupings:
        return 0
    if known > 1:
        return max(1, math.ceil(RESERVED_SHARE * known))
    sizes = {d.name: d.max_values for d in dataset.spec.dimensions}
    return min(UNKNOWN_SLICES_RESERVE, sum(math.prod(sizes[d] for d in g) for g in dataset.groupings))
