"""Results with a row per slice and cell that occurs, used if all cells of every slice would be too much. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tierwise.arrays import IntArray

KEYS = ("tierwise_cell", "tierwise_bin", "tierwise_answer")


def keys_of(columns: Sequence[str]) -> tuple[str, ...]:
    """The computed columns by which rows are grouped."""
    return tuple(key for key in KEYS if any(column.endswith(f" AS {key}") for column in columns))


def aggregates_of(sums: int, *, weights: bool) -> list[str]:
    """The aggregates per slice and cell."""
    found = ["toUInt64(count()) AS n", *(f"sum(tierwise_x{i}) AS s{i}" for i in range(sums))]
    return [*found, "sum(tierwise_w) AS w", "sum(tierwise_w * tierwise_w) AS ww"] if weights else found


def numbers(table: pa.Table, column: str, per_arm: int) -> tuple[IntArray, npt.NDArray[np.generic]]:
    """The index and the value of every row, for a column that is an array in the dense form."""
    if column == "h":
        return _index(table, "tierwise_cell"), table.column("n").to_numpy()
    if column == "b":
        return _index(table, "tierwise_bin"), table.column("n").to_numpy()
    if column in ("bw", "bww"):
        key = "tierwise_bin" if "tierwise_bin" in table.column_names else "tierwise_cell"
        return _index(table, key), table.column(column.removeprefix("b")).to_numpy()
    if column in ("w", "ww"):
        key = "tierwise_answer" if "tierwise_answer" in table.column_names else "tierwise_cell"
        return _index(table, key), table.column(column).to_numpy()
    # a sum: by block and arm
    return _index(table, "tierwise_cell") // per_arm, table.column(column).to_numpy()


def distinct(table: pa.Table, columns: Sequence[str]) -> tuple[pa.Table, IntArray]:
    """One row per combination of these columns' values, and for every row the index of its combination."""
    codes = np.zeros(table.num_rows, dtype=np.int64)
    for name in columns:
        encoded = table.column(name).combine_chunks()
        if not pa.types.is_dictionary(encoded.type):
            encoded = encoded.dictionary_encode()
        found = np.asarray(encoded.indices).astype(np.int64)
        codes = np.unique(codes * (len(encoded.dictionary) + 1) + found, return_inverse=True)[1].astype(np.int64)
    _, first, inverse = np.unique(codes, return_index=True, return_inverse=True)
    return table.take(pa.array(first)), inverse.astype(np.int64)


def _index(table: pa.Table, name: str) -> IntArray:
    return np.asarray(table.column(name).to_numpy()).astype(np.int64)
