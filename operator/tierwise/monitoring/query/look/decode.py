"""Decodes the result of a look's query, Arrow columns, to Cells and Distributions. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from tierwise.api.slices import WHOLE, parse_slice_key, slice_key
from tierwise.arrays import AnyArray, BoolArray, IntArray
from tierwise.metrics.counts import ANSWERS, LABELS
from tierwise.monitoring.counts.merge import common_slices
from tierwise.monitoring.counts.model import ARMS, CELLS, Block, Cells, Dataset, Distributions, PodCounts
from tierwise.monitoring.query.look.counts import OTHER, Kept, Query
from tierwise.monitoring.query.look.group_hashing import named
from tierwise.monitoring.query.look.memory_limits import require_room
from tierwise.monitoring.query.look.sparse_cells import distinct, numbers


def texts(column: pa.ChunkedArray) -> list[str]:
    """A column of strings, if the server sends strings, binaries or dictionaries. Invalid UTF-8 is replaced."""
    plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    if pa.types.is_string(plain.type) or pa.types.is_large_string(plain.type):
        # Read as bytes, because it is not checked that they are UTF-8.
        plain = plain.cast(pa.large_binary())
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in plain.to_pylist()]


def _keys(table: pa.Table, query: Query) -> list[str]:
    """The slice key of every row."""
    if not query.dimensions:
        return [WHOLE] * table.num_rows
    if query.hashed:
        return _hashed_keys(table, query)
    size = len(query.dimensions)
    columns = [texts(table.column(f"tierwise_d{i}")) for i in range(size)]
    # grouping() sets the bit of every key that is NOT in the row's set. The leftmost key has the highest bit.
    sets: dict[int, tuple[int, ...]] = {(1 << size) - 1: ()}
    for grouping in query.groupings:
        chosen = tuple(query.dimensions.index(name) for name in grouping)
        sets[(1 << size) - 1 - sum(1 << (size - 1 - i) for i in chosen)] = chosen
    return [
        slice_key({query.dimensions[i]: columns[i][row] for i in sets[g]})
        for row, g in enumerate(table.column("g").to_pylist())
    ]


def _hashed_keys(table: pa.Table, query: Query) -> list[str]:
    """As `_keys`, for single values and for combinations by hash."""
    size = len(query.dimensions) + len(query.hashed)
    g = table.column("g").to_numpy()
    rows = [np.flatnonzero(g == (1 << size) - 1 - (1 << (size - 1 - i))) for i in range(size)]
    keys = [WHOLE] * table.num_rows
    values: list[list[str]] = []
    hashes = []
    for i, name in enumerate(query.dimensions):
        alone = table.take(pa.array(rows[i]))
        values.append(texts(alone.column(f"tierwise_d{i}")))
        hashes.append(alone.column(f"k{i}").to_numpy())
        for row, value in zip(rows[i], values[i], strict=True):
            keys[row] = slice_key({name: value})
    found = table.column("tierwise_p").to_numpy()
    for j, grouping in enumerate(query.hashed, start=len(query.dimensions)):
        places = [query.dimensions.index(name) for name in grouping]
        names = named(found[rows[j]], [values[i] for i in places], [hashes[i] for i in places])
        for row, chosen in zip(rows[j], names, strict=True):
            keys[row] = slice_key(dict(zip(grouping, chosen, strict=True)))
    return keys


@dataclass(frozen=True, slots=True, eq=False)
class _Rows:
    """Which rows of a result belong to which slice. In `slices` the whole is first, then the order is by key.

    `place` is the index of a row's slice, −1 for none. The rows of `whole` add up to the whole.
    """

    slices: tuple[str, ...]
    place: IntArray
    whole: BoolArray
    sparse_per_arm: int = 0

    def sum_by_slice(self, table: pa.Table, column: str, shape: tuple[int, ...], dtype: type) -> AnyArray:
        """A column of arrays as an array of shape (slices, *shape)."""
        cells = int(np.prod(shape))
        require_room(len(self.slices), cells)
        if self.sparse_per_arm:
            return self._sparse_sum(table, column, cells, dtype).reshape(len(self.slices), *shape)
        flat = table.column(column).combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, cells)
        out: AnyArray = np.zeros((len(self.slices), cells), dtype=dtype)
        used = np.flatnonzero(self.place >= 0)
        found = self.place[used]
        if len(np.unique(found)) == len(found):
            out[found] = flat[used]
        else:  # values that differ only in bytes that are not UTF-8 become equal
            np.add.at(out, found, flat[used].astype(dtype))
        if self.whole.any():
            out[0] = flat[self.whole].sum(axis=0, dtype=dtype)
        return out.reshape(len(self.slices), *shape)

    def _sparse_sum(self, table: pa.Table, column: str, cells: int, dtype: type) -> AnyArray:
        index, values = numbers(table, column, self.sparse_per_arm)
        inside = (index >= 0) & (index < cells)  # a row between blocks has a negative cell
        out: AnyArray = np.zeros((len(self.slices), cells), dtype=dtype)
        used = inside & (self.place >= 0)
        np.add.at(out, (self.place[used], index[used]), values[used].astype(dtype))
        if self.whole.any():
            used = inside & self.whole
            out[0] = 0
            np.add.at(out[0], index[used], values[used].astype(dtype))
        return out


def _rows(table: pa.Table, query: Query, cells: int) -> _Rows:
    """The slices of a result, without slices whose rows are all outside the blocks."""
    if query.sparse:
        # A slice has many rows, so its key is made only once.
        more = ["tierwise_p"] if query.hashed else []
        one, inverse = distinct(table, ["g", *(f"tierwise_d{i}" for i in range(len(query.dimensions))), *more])
        one_each = _keys(one, query)
        known = np.zeros(len(one_each), dtype=np.bool_)
        index, _ = numbers(table, "h", query.per_arm)
        known[inverse[(index >= 0) & (index < cells)]] = True
        rows = _placed(one_each, known, query)
        return _Rows(rows.slices, rows.place[inverse], rows.whole[inverse], query.per_arm)
    flat = table.column("h").combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, cells)
    return _placed(_keys(table, query), flat.any(axis=1), query)


def _placed(keys: Sequence[str], present: BoolArray, query: Query) -> _Rows:
    """The slices of the present rows with these keys."""
    alone = next((grouping[0] for grouping in query.groupings if len(grouping) == 1), None)
    if query.hashed:  # the result has all dimensions alone, also those that are not slices
        alone = query.dimensions[0]
        wanted = {grouping[0] for grouping in query.groupings if len(grouping) == 1}
        unasked = tuple(f"{name}=" for name in query.dimensions if name not in wanted)
        present = present & np.array(["," in key or not key.startswith(unasked) for key in keys], dtype=np.bool_)
    slices = (WHOLE, *sorted({key for key, any_row in zip(keys, present, strict=True) if any_row} - {WHOLE}))
    index = {key: i for i, key in enumerate(slices)}
    place = np.array([index.get(key, -1) for key in keys], dtype=np.int64)
    # every row has exactly one value of a dimension, so a dimension alone adds up to the whole
    whole = np.array(
        [alone is not None and key.startswith(f"{alone}=") and "," not in key for key in keys], dtype=np.bool_
    )
    return _Rows(slices, place, whole)


def decode_cells(table: pa.Table, query: Query, blocks: Sequence[Block]) -> Cells:
    """Cells of a `cells_query`'s result."""
    count = len(blocks)
    rows = _rows(table, query, count * CELLS)

    def read(column: str, shape: tuple[int, ...], dtype: type) -> AnyArray:
        return _blocks_first(rows.sum_by_slice(table, column, (count, ARMS, *shape), dtype))

    counts = read("h", (LABELS, ANSWERS), np.int64)
    bins = None if query.bins is None else read("b", query.bins, np.int64)
    return Cells(tuple(blocks), rows.slices, counts, bins, query.edges, **_sums_and_weights(query, read))


def decode_distributions(table: pa.Table, query: Query, block: Block) -> Distributions:
    """Distributions of a `distributions_query`'s result."""
    assert query.bins is not None  # every distribution has a layout
    rows = _rows(table, query, ARMS * query.bins[0] * query.bins[1])

    def read(column: str, shape: tuple[int, ...], dtype: type) -> AnyArray:
        return rows.sum_by_slice(table, column, (ARMS, *shape), dtype)

    counts = read("h", query.bins, np.int64)
    edges = query.edges if query.edges is not None else np.zeros(0)
    return Distributions(block, rows.slices, counts, edges, **_sums_and_weights(query, read))


def _sums_and_weights(query: Query, read: Callable[[str, tuple[int, ...], type], AnyArray]) -> dict[str, Any]:
    """What both kinds of look read beside counts; `read` gives a column's arrays, of this shape per arm."""

    def powers(columns: tuple[str, str], shape: tuple[int, ...]) -> AnyArray:
        return np.stack([read(column, shape, np.float64) for column in columns])

    found: dict[str, Any] = {
        "sums": {name: read(f"s{i}", (), np.float64) for i, name in enumerate(query.sums)},
    }
    if query.weights:
        found["weights"] = powers(("w", "ww"), (LABELS, ANSWERS))
    if query.bin_weights and query.bins is not None:
        found["bin_weights"] = powers(("bw", "bww"), query.bins)
    return found


def decode_pods(table: pa.Table) -> PodCounts:
    """Counts of a `pods_query`'s result, by pod name."""
    names = texts(table.column("tierwise_pod"))
    flat = table.column("h").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    counts = flat.astype(np.int64).reshape(len(names), LABELS, ANSWERS)
    order = sorted(range(len(names)), key=lambda i: names[i])
    return PodCounts(tuple(names[i] for i in order), counts[order])


def _blocks_first(values: AnyArray) -> AnyArray:
    """The array with its first axes exchanged: from (slices, blocks, …) to (blocks, slices, …)."""
    return np.ascontiguousarray(np.moveaxis(values, 1, 0))


def decode_values(table: pa.Table, query: Query) -> dict[str, list[str]]:
    """Values of each dimension, most frequent first, of a `values_query`'s result."""
    size = len(query.dimensions)
    found: dict[str, list[str]] = {name: [] for name in query.dimensions}
    columns = [texts(table.column(f"tierwise_d{i}")) for i in range(size)]
    by_set = {(1 << size) - 1 - (1 << (size - 1 - i)): i for i in range(size)}
    for row, g in enumerate(table.column("g").to_pylist()):
        i = by_set[g]
        found[query.dimensions[i]].append(columns[i][row])
    return found


def kept_values(dataset: Dataset, values: Mapping[str, Sequence[str]], known: Mapping[str, Sequence[str]]) -> Kept:
    """Which values are counted by name, for the dimensions that have more than their maxValues.

    `values` are the present values, most frequent first. Values that are `known` from the start of the tier stay.
    """
    kept: dict[str, tuple[str, ...]] = {}
    for dimension in dataset.spec.dimensions:
        present = [value for value in values.get(dimension.name, ()) if value != OTHER]
        first = [value for value in known.get(dimension.name, ()) if value != OTHER]
        # When all places are taken, they stay taken, also in a look with few values. Otherwise another value would be
        # counted by name in some looks only.
        if len(present) <= dimension.max_values and len(first) < dimension.max_values:
            continue
        rest = [value for value in present if value not in set(first)]
        kept[dimension.name] = tuple([*first, *rest][: max(dimension.max_values, len(first))])
    return Kept(kept)


def wide_dimensions(dataset: Dataset, slices: Sequence[str], kept: Kept) -> frozenset[str]:
    """Dimensions with more than maxValues values in a result, although they were not limited."""
    found: dict[str, set[str]] = {}
    for key in slices:
        for name, value in parse_slice_key(key).items():
            found.setdefault(name, set()).add(value)
    limits = {d.name: d.max_values for d in dataset.spec.dimensions}
    return frozenset(
        name for name, values in found.items() if name not in kept.values and len(values - {OTHER}) > limits[name]
    )


def merge_cells(parts: Sequence[Cells]) -> Cells:
    """The cells of consecutive runs of blocks, read with the same dataset, as one."""
    if len(parts) == 1:
        return parts[0]
    slices, places = common_slices(parts)
    blocks = tuple(block for part in parts for block in part.blocks)

    def joined(arrays: Sequence[AnyArray], first: int) -> AnyArray:
        """Join arrays of shape (blocks, slices, …), one after the other."""
        powers, cells = arrays[0].shape[:first], arrays[0].shape[first + 2 :]
        require_room(len(slices), len(blocks) * math.prod(cells))
        out = np.zeros((*powers, len(blocks), len(slices), *cells), dtype=arrays[0].dtype)
        at = 0
        for array, place in zip(arrays, places, strict=True):
            after = at + array.shape[first]
            out[(slice(None),) * first + (slice(at, after), place)] = array
            at = after
        return out

    return replace(parts[0].zip_arrays(parts[1:], joined), blocks=blocks, slices=slices)
