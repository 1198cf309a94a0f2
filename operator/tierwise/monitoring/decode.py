"""The answer of a look's query, as Arrow columns → Cells and Distributions. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from tierwise.api.slices import WHOLE, parse_slice_key, slice_key
from tierwise.monitoring.binning import binning_of
from tierwise.monitoring.cells import Block, Cells, Dataset, Distributions, IntArray
from tierwise.monitoring.query import ANSWERS, ARMS, LABELS, OTHER, Kept, Query


def texts(column: pa.ChunkedArray) -> list[str]:
    """A column of strings, whether the server sends strings, binaries or dictionaries; broken UTF-8 is replaced."""
    plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
    if pa.types.is_string(plain.type) or pa.types.is_large_string(plain.type):
        # As bytes: nobody has checked that they are UTF-8.
        plain = plain.cast(pa.large_binary())
    return [value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value) for value in plain.to_pylist()]


def _keys(table: pa.Table, query: Query) -> list[str]:
    """The slice key of every row."""
    if not query.dimensions:
        return [WHOLE] * table.num_rows
    size = len(query.dimensions)
    columns = [texts(table.column(f"tierwise_d{i}")) for i in range(size)]
    # grouping() sets the bit of every key that is NOT in the row's set, the leftmost key in the highest bit
    sets: dict[int, tuple[int, ...]] = {(1 << size) - 1: ()}
    for grouping in query.groupings:
        chosen = tuple(query.dimensions.index(name) for name in grouping)
        sets[(1 << size) - 1 - sum(1 << (size - 1 - i) for i in chosen)] = chosen
    return [
        slice_key({query.dimensions[i]: columns[i][row] for i in sets[g]})
        for row, g in enumerate(table.column("g").to_pylist())
    ]


def _dense(table: pa.Table, query: Query, shape: tuple[int, ...]) -> tuple[tuple[str, ...], IntArray]:
    """Slices, the whole first, then by key, and their counts of shape (slices, *shape)."""
    keys = _keys(table, query)
    cells = int(np.prod(shape))
    flat = table.column("h").combine_chunks().flatten().to_numpy(zero_copy_only=False).reshape(-1, cells)
    rows: dict[str, int] = {}
    for row, key in enumerate(keys):
        if key in rows:  # values that differ only in bytes which are no UTF-8 read the same
            flat = flat if flat.flags.writeable else flat.copy()
            flat[rows[key]] += flat[row]
            flat[row] = 0
        else:
            rows[key] = row
    order = [WHOLE, *sorted(key for key, row in rows.items() if key != WHOLE and flat[row].any())]
    counts = np.zeros((len(order), cells), dtype=np.int64)
    alone = next((grouping[0] for grouping in query.groupings if len(grouping) == 1), None)
    if alone is not None:  # every row has exactly one value of it
        for key, row in rows.items():
            if key.startswith(f"{alone}=") and "," not in key:
                counts[0] += flat[row]
    for i, key in enumerate(order):
        if key in rows:
            counts[i] = flat[rows[key]]
    return tuple(order), counts.reshape(len(order), *shape)


def decode_cells(table: pa.Table, query: Query, blocks: Sequence[Block]) -> Cells:
    """Cells of a `cells_query`'s answer."""
    slices, counts = _dense(table, query, (len(blocks), ARMS, LABELS, ANSWERS))
    return Cells(tuple(blocks), slices, np.ascontiguousarray(counts.transpose(1, 0, 2, 3, 4)))


def decode_distributions(
    table: pa.Table, query: Query, block: Block, dataset: Dataset, *, single_precision: bool
) -> Distributions:
    """Distributions of a `distributions_query`'s answer."""
    binning = binning_of(dataset.spec, single_precision=single_precision)
    slices, counts = _dense(table, query, (ARMS, LABELS, binning.bins + 1))
    return Distributions(block, slices, counts, binning.edges)


def decode_values(table: pa.Table, query: Query) -> dict[str, list[str]]:
    """Values of each dimension, most frequent first, of a `values_query`'s answer."""
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

    `values` are those present, most frequent first; those `known` from the start of the tier keep their place.
    """
    kept: dict[str, tuple[str, ...]] = {}
    for dimension in dataset.spec.dimensions:
        present = [value for value in values.get(dimension.name, ()) if value != OTHER]
        first = [value for value in known.get(dimension.name, ()) if value != OTHER]
        # Once all places are taken they stay so, also in a look that has few values: else one of the others would
        # have a name in some looks.
        if len(present) <= dimension.max_values and len(first) < dimension.max_values:
            continue
        rest = [value for value in present if value not in set(first)]
        kept[dimension.name] = tuple([*first, *rest][: max(dimension.max_values, len(first))])
    return Kept(kept)


def wide_dimensions(dataset: Dataset, slices: Sequence[str], kept: Kept) -> frozenset[str]:
    """Dimensions of which an answer has more than maxValues values although they were not capped."""
    found: dict[str, set[str]] = {}
    for key in slices:
        for name, value in parse_slice_key(key).items():
            found.setdefault(name, set()).add(value)
    limits = {d.name: d.max_values for d in dataset.spec.dimensions}
    return frozenset(
        name for name, values in found.items() if name not in kept.values and len(values - {OTHER}) > limits[name]
    )


def merge_cells(parts: Sequence[Cells]) -> Cells:
    """Cells of consecutive runs of blocks as one."""
    if len(parts) == 1:
        return parts[0]
    slices = (WHOLE, *sorted({key for part in parts for key in part.slices} - {WHOLE}))
    place = {key: i for i, key in enumerate(slices)}
    blocks = tuple(block for part in parts for block in part.blocks)
    counts = np.zeros((len(blocks), len(slices), ARMS, LABELS, ANSWERS), dtype=np.int64)
    at = 0
    for part in parts:
        counts[at : at + len(part.blocks), [place[key] for key in part.slices]] = part.counts
        at += len(part.blocks)
    return Cells(blocks, slices, counts)
