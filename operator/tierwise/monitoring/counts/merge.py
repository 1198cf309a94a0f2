"""Splits a read that is too much for one query into fewer slices or shorter times, and joins the results. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

import numpy as np

from tierwise.api.slices import WHOLE
from tierwise.arrays import AnyArray
from tierwise.monitoring.counts.model import Block, Cells, Dataset, Distributions

Sliced = TypeVar("Sliced", Cells, Distributions)


class _Keyed(Protocol):
    @property
    def slices(self) -> tuple[str, ...]: ...


def halves_of_groupings(dataset: Dataset) -> tuple[Dataset, Dataset] | None:
    """The dataset with each half of its groupings; None for fewer than two groupings."""
    half = len(dataset.groupings) // 2
    if not half:
        return None
    return replace(dataset, groupings=dataset.groupings[:half]), replace(dataset, groupings=dataset.groupings[half:])


def halves_of_time(dataset: Dataset, block: Block) -> tuple[Block, Block] | None:
    """The block's two halves, whose counts add up to those of the block.

    None if the counts would not add up, or if the block is shorter than two seconds. They would not add up if a request
    that was logged twice is counted once *in a window*, or if a label table is read for a window.
    """
    spec = dataset.spec
    tables = spec.labels is not None and any(source.kind != "Column" for source in spec.labels.sources)
    length = block.end - block.start
    if spec.deduplicate or tables or length.total_seconds() < 2:
        return None
    middle = block.start + length / 2
    return Block(block.start, middle), Block(middle, block.end)


def side_by_side(parts: Sequence[Sliced]) -> Sliced:
    """Join reads of different groupings of the same rows: all their slices, and the whole once, because all have it."""
    return _together(parts, is_sum=False)


def added(parts: Sequence[Sliced]) -> Sliced:
    """Join reads of different rows with the same groupings: add up their counts. The block is that of the first."""
    return _together(parts, is_sum=True)


def common_slices(parts: Sequence[_Keyed]) -> tuple[tuple[str, ...], list[list[int]]]:
    """The slices of all parts, the whole first, then by key; and the positions of each part's slices in them."""
    slices = (WHOLE, *sorted({key for part in parts for key in part.slices} - {WHOLE}))
    index = {key: i for i, key in enumerate(slices)}
    return slices, [[index[key] for key in part.slices] for part in parts]


def _together(parts: Sequence[Sliced], *, is_sum: bool) -> Sliced:
    slices, places = common_slices(parts)
    axis = 1 if isinstance(parts[0], Cells) else 0

    def joined(arrays: Sequence[AnyArray], first: int) -> AnyArray:
        shape = list(arrays[0].shape)
        shape[first + axis] = len(slices)
        out = np.zeros(shape, dtype=arrays[0].dtype)
        for array, place in zip(arrays, places, strict=True):
            at = (slice(None),) * (first + axis) + (place,)
            out[at] = out[at] + array if is_sum else array
        return out

    return replace(parts[0].zip_arrays(parts[1:], joined), slices=slices)
