"""Tallies of slices: made from cells, added up over blocks, put into slots, split by arm."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import numpy.typing as npt

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.arrays import AnyArray, BoolArray
from tierwise.metrics.counts import Counts, stacked
from tierwise.metrics.tally import Tally
from tierwise.monitoring.counts.model import BASELINE, Cells, Dataset


def empty_tally(dataset: Dataset, slots: int) -> Tally:
    """A tally (slots, 2 arms) without rows. It has no bins yet, because only the first block shows their number."""
    reads = dataset.reads
    return Tally(
        counts=np.zeros((slots, 2, 3, 3), dtype=np.int64),
        classes=tuple(dataset.spec.classes),
        positive_below=dataset.spec.positive == "Below",
        sums={item.name: np.zeros((slots, 2)) for item in reads.sums},
        weights=np.zeros((2, slots, 2, 3, 3)) if reads.weights else None,
    )


def tally_of(spec: MonitoringDatasetSpec, counts: Counts) -> Tally:
    """A tally of the same arrays, with the facts of the dataset that its metrics need."""
    return Tally(**counts.contents, classes=tuple(spec.classes), positive_below=spec.positive == "Below")


def block_tally(dataset: Dataset, cells: Cells, index: int | slice) -> Tally:
    """Block `index` of the cells as a tally (slices, 2 arms); several as one (blocks, slices, 2 arms)."""
    return tally_of(dataset.spec, cells).take(index)


def window_tally(dataset: Dataset, cells: Cells, which: BoolArray | slice = slice(None)) -> Tally:
    """The sum of the cells' blocks that `which` selects, as a tally (slices, 2 arms)."""
    return tally_of(dataset.spec, cells).take(which).sum()


def placed(tally: Tally, rows: npt.NDArray[np.intp], slots: int) -> Tally:
    """The tally with its slices in their slots. `rows` (slices,) is the slot of each slice, −1 for none."""
    kept = rows >= 0

    def put(values: AnyArray, axis: int) -> AnyArray:
        moved = np.moveaxis(values, axis, 0)
        out = np.zeros((slots, *moved.shape[1:]), dtype=values.dtype)
        out[rows[kept]] = moved[kept]
        return np.moveaxis(out, 0, axis)

    return tally.map_arrays(put)


def chosen(tally: Tally, rows: Sequence[int] | npt.NDArray[np.intp]) -> Tally:
    """The tally of some slices, in the order of `rows`."""
    wanted = np.asarray(rows, dtype=np.intp)
    return tally.map_arrays(lambda values, axis: np.take(values, wanted, axis=axis))


def picked(tally: Tally, rows: npt.NDArray[np.intp], axis: int = 0) -> Tally:
    """As `chosen`, but −1 in `rows` means a slice without rows. `axis` is the leading axis of the slices."""
    missing = rows < 0

    def pick(values: AnyArray, first: int) -> AnyArray:
        at = first + axis
        if not values.shape[at]:
            shape = list(values.shape)
            shape[at] = len(rows)
            return np.zeros(shape, dtype=values.dtype)
        moved = np.moveaxis(np.take(values, np.maximum(rows, 0), axis=at), at, 0)
        moved[missing] = 0
        return np.moveaxis(moved, 0, at)

    return tally.map_arrays(pick)


def paired(one: Tally, arm: int, two: Tally, other: int) -> Tally:
    """A tally with `arm` of the first as the baseline and `other` of the second as the candidate, slice by slice."""
    arms = [each.map_arrays(partial(_arm, arm=at)) for each, at in ((one, arm), (two, other))]
    return stacked(arms, axis=1)


def baseline_of(tally: Tally) -> Tally:
    """The baseline arm alone, shape (slices,)."""
    return tally.map_arrays(partial(_arm, arm=BASELINE))


def with_both_arms(tally: Tally) -> Tally:
    """The tally with three arms: baseline, candidate, and both together; shape (slices, 3)."""

    def join(values: AnyArray, axis: int) -> AnyArray:
        return np.concatenate([values, values.sum(axis=axis + 1, keepdims=True)], axis=axis + 1)

    return tally.map_arrays(join)


def _arm(values: AnyArray, axis: int, *, arm: int) -> AnyArray:
    """One arm of an array whose slices are on `axis`."""
    return np.asarray(np.take(values, arm, axis=axis + 1))
