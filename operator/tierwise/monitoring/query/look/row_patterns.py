"""Reads a log for simulations: every combination of numbers that occurs, with its number of rows. Pure."""

# ruff: noqa: S608  # all SQL is put together here: from quoted identifiers, guarded expressions and bound parameters

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tierwise.arrays import AnyArray, FloatArray, IntArray
from tierwise.monitoring.counts.model import CELLS, Block, Scope
from tierwise.monitoring.query.log.columns import Log
from tierwise.monitoring.query.look.counts import Kept, Query, measured, numbered_rows, versions_of
from tierwise.monitoring.query.look.decode import texts


@dataclass(frozen=True, slots=True, eq=False)
class Entries:
    """Rows by block and atom (finest combination of values of `dimensions`); arrays (entries,), by block ascending.

    `cell` is arm·9 + label·3 + answer. `rows` is the number of rows of the entry. If the dataset's reads need them,
    there are `bin` (label·(bins + 1) + bin of the score) with `layout` (labels, bins + 1) and `edges`, and `sums` and
    `weight`, which are the numbers of *one* row.
    """

    dimensions: tuple[str, ...]
    atoms: tuple[tuple[str, ...], ...]
    block: IntArray
    atom: IntArray
    cell: IntArray
    rows: IntArray
    bin: IntArray | None = None
    layout: tuple[int, int] | None = None
    edges: FloatArray | None = None
    sums: Mapping[str, FloatArray] = field(default_factory=dict)
    weight: FloatArray | None = None

    def part(self, chosen: npt.NDArray[np.intp] | slice) -> Entries:
        """The chosen entries."""
        return replace(
            self,
            block=self.block[chosen],
            atom=self.atom[chosen],
            cell=self.cell[chosen],
            rows=self.rows[chosen],
            bin=None if self.bin is None else self.bin[chosen],
            sums={name: values[chosen] for name, values in self.sums.items()},
            weight=None if self.weight is None else self.weight[chosen],
        )

    def counted(self) -> IntArray:
        """The number of rows by (3 labels, 3 answers)."""
        cells = np.zeros(CELLS, dtype=np.int64)
        np.add.at(cells, self.cell, self.rows)
        return np.asarray(cells.reshape(-1, 3, 3).sum(axis=0))

    def between(self, first: int, after: int) -> Entries:
        """The entries of the blocks first … after − 1."""
        start, end = np.searchsorted(self.block, [first, after]).tolist()
        return self.part(slice(start, end))


def entries_query(log: Log, scope: Scope, blocks: Sequence[Block], kept: Kept, most: int) -> Query:
    """Every combination that occurs in the blocks, at most `most` of them; decode with `decode_entries`."""
    arms = versions_of(log)
    query, select = measured(log, scope, blocks, arms)
    rows = numbered_rows(log, scope, arms, select, kept)
    keys = [f"tierwise_d{i}" for i in range(len(rows.dimensions))]
    keys += [column.rpartition(" AS ")[2] for column in select.columns]
    keys = [key for key in keys if key != "tierwise_arm"]  # the cell has the arm
    sql = f"SELECT {', '.join(keys)}, toUInt64(count()) AS n FROM ({rows.sql}) GROUP BY {', '.join(keys)} LIMIT {most}"
    return replace(query, sql=sql, parameters={**query.parameters, **rows.parameters}, dimensions=rows.dimensions)


def decode_entries(table: pa.Table, query: Query, first_block: int) -> Entries:
    """Entries of an `entries_query`'s result, in any order. Its blocks are numbered from `first_block` on."""
    cell = _integers(table, "tierwise_cell")
    inside = cell >= 0  # a row between blocks has a negative number
    table, cell = table.filter(pa.array(inside)), cell[inside]
    atoms, atom = _atoms(table, len(query.dimensions))
    found = None
    if query.bins is not None:
        found = _integers(table, "tierwise_bin") % (query.bins[0] * query.bins[1])
    return Entries(
        dimensions=query.dimensions,
        atoms=atoms,
        block=cell // CELLS + first_block,
        atom=atom,
        cell=cell % CELLS,
        rows=_integers(table, "n"),
        bin=found,
        layout=query.bins,
        edges=query.edges,
        sums={name: _floats(table, f"tierwise_x{i}") for i, name in enumerate(query.sums)},
        weight=_floats(table, "tierwise_w") if query.weights else None,
    )


def joined(parts: Sequence[Entries]) -> Entries:
    """Entries of several reads of one dataset, ordered by all their columns, so the store's order does not matter."""
    known = sorted({atom for part in parts for atom in part.atoms})
    place = {atom: i for i, atom in enumerate(known)}
    of_part = [np.array([place[atom] for atom in part.atoms], dtype=np.int64) for part in parts]
    first = parts[0]
    bins = [part.bin for part in parts if part.bin is not None]
    weights = [part.weight for part in parts if part.weight is not None]
    whole = Entries(
        dimensions=first.dimensions,
        atoms=tuple(known),
        block=np.concatenate([part.block for part in parts]),
        atom=np.concatenate([of[part.atom] for of, part in zip(of_part, parts, strict=True)]),
        cell=np.concatenate([part.cell for part in parts]),
        rows=np.concatenate([part.rows for part in parts]),
        bin=np.concatenate(bins) if bins else None,
        layout=first.layout,
        edges=first.edges,
        sums={name: np.concatenate([part.sums[name] for part in parts]) for name in first.sums},
        weight=np.concatenate(weights) if weights else None,
    )
    columns: list[AnyArray] = [whole.block, whole.atom, whole.cell]
    columns += [] if whole.bin is None else [whole.bin]
    columns += [*whole.sums.values(), *([] if whole.weight is None else [whole.weight])]
    return whole.part(np.lexsort(columns[::-1]))


def _atoms(table: pa.Table, dimensions: int) -> tuple[tuple[tuple[str, ...], ...], IntArray]:
    """The combinations of values that occur, and for each row the index of its combination."""
    if not dimensions:
        return ((),), np.zeros(table.num_rows, dtype=np.int64)
    codes = np.zeros(table.num_rows, dtype=np.int64)
    values, indices = [], []
    for i in range(dimensions):
        column = table.column(f"tierwise_d{i}").combine_chunks()
        encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
        values.append(texts(pa.chunked_array([encoded.dictionary])))
        indices.append(np.asarray(encoded.indices).astype(np.int64))
        codes = np.unique(codes * (len(values[-1]) + 1) + indices[-1], return_inverse=True)[1].astype(np.int64)
    _, first, atom = np.unique(codes, return_index=True, return_inverse=True)
    rows = zip(*([names[j] for j in index[first]] for names, index in zip(values, indices, strict=True)), strict=True)
    return tuple(rows), atom.astype(np.int64)


def _integers(table: pa.Table, name: str) -> IntArray:
    return np.asarray(table.column(name).to_numpy()).astype(np.int64)


def _floats(table: pa.Table, name: str) -> FloatArray:
    return np.asarray(table.column(name).to_numpy()).astype(np.float64)
