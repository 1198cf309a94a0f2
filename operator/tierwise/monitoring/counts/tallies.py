"""Tallies of slices added up over blocks: counts, distributions, sums and weights, slot by slot."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from tierwise.arrays import IntArray
from tierwise.metrics.tally import Tally
from tierwise.monitoring.counts.model import Cells, Dataset


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


def block_tally(dataset: Dataset, cells: Cells, index: int | slice) -> Tally:
    """Block `index` of the cells as a tally (slices, 2 arms); several as one (blocks, slices, 2 arms)."""
    return Tally(
        counts=cells.counts[index],
        bins=None if cells.bins is None else cells.bins[index],
        edges=cells.edges,
        classes=tuple(dataset.spec.classes),
        positive_below=dataset.spec.positive == "Below",
        sums={name: values[index] for name, values in cells.sums.items()},
        weights=None if cells.weights is None else cells.weights[:, index],
        bin_weights=None if cells.bin_weights is None else cells.bin_weights[:, index],
    )


def window_tally(dataset: Dataset, cells: Cells, which: npt.NDArray[np.bool_] | slice = slice(None)) -> Tally:
    """The sum of the cells' blocks that `which` selects, as a tally (slices, 2 arms)."""
    return replace(
        plain_tally(cells, which),
        classes=tuple(dataset.spec.classes),
        positive_below=dataset.spec.positive == "Below",
    )


def plain_tally(cells: Cells, which: npt.NDArray[np.bool_] | slice) -> Tally:
    """The same, without the facts that only the dataset has."""
    return Tally(
        counts=cells.counts[which].sum(axis=0),
        bins=None if cells.bins is None else cells.bins[which].sum(axis=0),
        edges=cells.edges,
        sums={name: values[which].sum(axis=0) for name, values in cells.sums.items()},
        weights=None if cells.weights is None else cells.weights[:, which].sum(axis=1),
        bin_weights=None if cells.bin_weights is None else cells.bin_weights[:, which].sum(axis=1),
    )


def placed(tally: Tally, rows: npt.NDArray[np.intp], slots: int) -> Tally:
    """The tally with its slices in their slots. `rows` (slices,) is the slot of each slice, −1 for none."""
    kept = rows >= 0

    def put(values: IntArray, axis: int) -> IntArray:
        moved = np.moveaxis(values, axis, 0)
        out = np.zeros((slots, *moved.shape[1:]), dtype=values.dtype)
        out[rows[kept]] = moved[kept]
        return np.moveaxis(out, 0, axis)

    return each_array(tally, put)


def chosen(tally: Tally, rows: Sequence[int] | npt.NDArray[np.intp]) -> Tally:
    """The tally of some slices, in the order of `rows`."""
    wanted = np.asarray(rows, dtype=np.intp)
    return each_array(tally, lambda values, axis: np.take(values, wanted, axis=axis))


def picked(tally: Tally, rows: npt.NDArray[np.intp]) -> Tally:
    """As `chosen`, but −1 in `rows` means a slice without rows."""
    missing = rows < 0

    def pick(values: IntArray, axis: int) -> IntArray:
        if not values.shape[axis]:
            shape = list(values.shape)
            shape[axis] = len(rows)
            return np.zeros(shape, dtype=values.dtype)
        moved = np.moveaxis(np.take(values, np.maximum(rows, 0), axis=axis), axis, 0)
        moved[missing] = 0
        return np.moveaxis(moved, 0, axis)

    return each_array(tally, pick)


def paired(one: Tally, arm: int, two: Tally, other: int) -> Tally:
    """A tally with `arm` of the first as the baseline and `other` of the second as the candidate, slice by slice."""

    def both(a: Any, b: Any, axis: int) -> Any:  # noqa: ANN401  # arrays of counts or of sums, or None
        if a is None or b is None:
            return None
        return np.stack([np.take(a, arm, axis=axis), np.take(b, other, axis=axis)], axis=axis)

    return replace(
        one,
        counts=both(one.counts, two.counts, 1),
        bins=both(one.bins, two.bins, 1),
        sums={name: both(values, two.sums[name], 1) for name, values in one.sums.items()},
        weights=both(one.weights, two.weights, 2),
        bin_weights=both(one.bin_weights, two.bin_weights, 2),
    )


def baseline_of(tally: Tally) -> Tally:
    """The baseline arm alone, shape (slices,)."""
    return each_array(tally, lambda values, axis: np.take(values, 0, axis=axis + 1))


def with_both_arms(tally: Tally) -> Tally:
    """The tally with three arms: baseline, candidate, and both together; shape (slices, 3)."""

    def join(values: IntArray, axis: int) -> IntArray:
        return np.concatenate([values, values.sum(axis=axis + 1, keepdims=True)], axis=axis + 1)

    return each_array(tally, join)


def added(one: Tally, two: Tally) -> Tally:
    """The sum of two tallies. A sum that only one of them has is copied."""
    return _combined(one, two, 1)


def without(one: Tally, two: Tally) -> Tally:
    """The rows of `one` without those of `two`, which is an earlier tally of the same slots."""
    return _combined(one, two, -1)


def _combined(one: Tally, two: Tally, sign: int) -> Tally:
    def both(a: Any, b: Any) -> Any:  # noqa: ANN401  # arrays of counts or of sums, or None
        if a is None or b is None:
            return a if b is None else sign * b
        return a + sign * b

    return replace(
        one,
        counts=one.counts + sign * two.counts,
        bins=both(one.bins, two.bins),
        edges=one.edges if one.edges is not None else two.edges,
        sums={name: both(one.sums.get(name), two.sums.get(name)) for name in {**one.sums, **two.sums}},
        weights=both(one.weights, two.weights),
        bin_weights=both(one.bin_weights, two.bin_weights),
    )


def each_array(tally: Tally, change: Callable[[Any, int], Any]) -> Tally:
    """The tally with every array changed by `change`. Its second argument is the axis of the slices, the first axis."""
    return replace(
        tally,
        counts=change(tally.counts, 0),
        bins=None if tally.bins is None else change(tally.bins, 0),
        sums={name: change(values, 0) for name, values in tally.sums.items()},
        weights=None if tally.weights is None else change(tally.weights, 1),
        bin_weights=None if tally.bin_weights is None else change(tally.bin_weights, 1),
    )
