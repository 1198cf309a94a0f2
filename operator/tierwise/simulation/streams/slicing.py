"""Adds up the rows of atoms to slices. An atom is a finest combination of dimension values."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tierwise.api.slices import WHOLE, slice_key
from tierwise.arrays import BoolArray, FloatArray, IntArray
from tierwise.monitoring.counts.model import ARMS, CELLS, Block, Cells
from tierwise.monitoring.query.look.row_patterns import Entries

_PER_ARM = CELLS // ARMS


class Slicing:
    """The slices of some groupings, and which of them each atom is in.

    `atoms` are rows of values, one per name in `dimensions`. `keys` has the whole first, then every combination that
    occurs, ordered by number of dimensions and key, as in a plan.
    """

    def __init__(
        self,
        dimensions: Sequence[str],
        atoms: Sequence[Sequence[str]],
        groupings: Sequence[tuple[str, ...]],
    ) -> None:
        by_grouping = []
        for grouping in groupings:
            columns = [dimensions.index(name) for name in grouping]
            by_grouping.append(
                [slice_key({name: atom[c] for name, c in zip(grouping, columns, strict=True)}) for atom in atoms]
            )
        found = sorted({key for keys in by_grouping for key in keys}, key=lambda key: (key.count("="), key))
        self.keys: tuple[str, ...] = (WHOLE, *found)
        position = {key: i for i, key in enumerate(self.keys)}
        self._of: list[IntArray] = [np.zeros(len(atoms), dtype=np.int64)]
        self._of += [np.array([position[key] for key in keys], dtype=np.int64) for keys in by_grouping]

    def sum(self, blocks: int, block: IntArray, atom: IntArray, cell: IntArray, rows: IntArray) -> IntArray:
        """Counts (blocks, slices, 2 arms, 3 labels, 3 answers) of entries: `rows` of an atom in a block and cell.

        `cell` is arm·9 + label·3 + answer. Sums are exact below 2^53.
        """
        total = self._added(blocks, block, atom, cell, CELLS, rows)
        return total.astype(np.int64).reshape(blocks, len(self.keys), 2, 3, 3)

    def cells(self, blocks: tuple[Block, ...], first: int, entries: Entries) -> Cells:
        """The cells that a look at the blocks would read. `first` is the number of the first block."""
        count, block, atom = len(blocks), entries.block - first, entries.atom
        arm = entries.cell // _PER_ARM
        shape = (count, len(self.keys), ARMS)
        bins = of_bins = None
        if entries.bin is not None and entries.layout is not None:
            size = entries.layout[0] * entries.layout[1]
            found = self._added(count, block, atom, arm * size + entries.bin, ARMS * size, entries.rows)
            bins = found.astype(np.int64).reshape(*shape, *entries.layout)
        weights = None
        if entries.weight is not None:
            powers = (entries.rows * entries.weight, entries.rows * entries.weight**2)
            weights = np.stack(
                [self._added(count, block, atom, entries.cell, CELLS, each).reshape(*shape, 3, 3) for each in powers]
            )
            if entries.bin is not None and entries.layout is not None:
                size = entries.layout[0] * entries.layout[1]
                at = arm * size + entries.bin
                wide = (*shape, *entries.layout)
                of_bins = np.stack([self._added(count, block, atom, at, ARMS * size, x).reshape(wide) for x in powers])
        return Cells(
            blocks,
            self.keys,
            self.sum(count, block, atom, entries.cell, entries.rows),
            bins,
            entries.edges,
            {
                name: self._added(count, block, atom, arm, ARMS, entries.rows * values).reshape(shape)
                for name, values in entries.sums.items()
            },
            weights,
            of_bins,
        )

    def _added(
        self,
        blocks: int,
        block: IntArray,
        atom: IntArray,
        place: IntArray,
        places: int,
        numbers: npt.NDArray[np.generic],
    ) -> FloatArray:
        """Numbers added up by block, slice and `place` (below `places`), flat."""
        size = blocks * len(self.keys) * places
        total = np.zeros(size)
        start = block * (len(self.keys) * places) + place
        for of in self._of:
            total += np.bincount(start + of[atom] * places, weights=numbers, minlength=size)
        return total

    def matches(self, key: str) -> BoolArray:
        """Which atoms are in the slice; none when no grouping has it."""
        if key not in self.keys:
            return np.zeros(len(self._of[0]), dtype=np.bool_)
        wanted = self.keys.index(key)
        return np.asarray(np.any([of == wanted for of in self._of], axis=0))
