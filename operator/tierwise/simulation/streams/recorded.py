"""Splits one recorded version at random between two arms: an A/A comparison on a log's own rows with their drift."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from tierwise.api.slices import parse_slice_key
from tierwise.arrays import BoolArray, FloatArray
from tierwise.monitoring.counts.model import CELLS, Block, Cells, Dataset, Reads, Scope
from tierwise.monitoring.evidence.recorded import runs_of
from tierwise.monitoring.planning.drop import Drop, bad_rate
from tierwise.monitoring.query.look.row_patterns import Entries
from tierwise.runtime.recorded_log import RecordedLog
from tierwise.simulation.policy import Policy, blocks_of
from tierwise.simulation.streams.harm import flip_share, flips_of, other, rate_of
from tierwise.simulation.streams.slicing import Slicing

BLOCKS_AT_ONCE = 60
MOST_ENTRIES = 5_000_000  # different rows of a tier and dataset; a run draws an arm for each of them
_PER_ARM = CELLS // 2
_COUNTS = Reads()


def read_rows(log: RecordedLog, dataset: Dataset, scope: Scope, blocks: Sequence[Block]) -> Entries:
    """Read the rows of `scope`, counted by block, atom, label and answer, and by all numbers that the metrics read.

    Raises:
        SpecError: there are too many different rows.
        StoreError: the log cannot be read.
    """
    if dataset.reads != _COUNTS:
        return log.read_entries(dataset, scope, blocks, MOST_ENTRIES)
    dimensions = tuple(sorted({name for grouping in dataset.groupings for name in grouping}))
    finest = replace(dataset, groupings=(dimensions,) if dimensions else ())
    position: dict[tuple[str, ...], int] = {}
    parts = []
    first = 0
    for run in runs_of(blocks, BLOCKS_AT_ONCE):
        cells = log.read_cells(finest, scope, run)
        keys = [tuple(parse_slice_key(key).get(name, "") for name in dimensions) for key in cells.slices]
        # Without dimensions the whole is the only atom; with them it is the sum of all others.
        kept = [i for i, key in enumerate(cells.slices) if key or not dimensions]
        numbers = np.array([position.setdefault(keys[i], len(position)) for i in kept], dtype=np.int64)
        counts = cells.counts[:, kept].reshape(len(run), len(kept), CELLS)
        block, slice_, cell = np.nonzero(counts)
        parts.append((block + first, numbers[slice_] if len(kept) else slice_, cell, counts[block, slice_, cell]))
        first += len(run)
    block, atom, cell, rows = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Entries(dimensions, tuple(position), block, atom, cell, rows)


class SplitStream:
    """Gives each recorded row to the candidate at random, with the tier's exposure as the probability.

    Plans know the first `history_blocks`. Tiers are judged on the blocks after them. The drop inverts answers of the
    candidate until its value in the slice, averaged over the window, is the wanted one.
    """

    def __init__(
        self,
        policy: Policy,
        rows: Sequence[Mapping[str, Entries]],
        blocks: int,
        history_blocks: int,
        *,
        drop: Drop | None = None,
    ) -> None:
        self._policy = policy
        self._rows = rows
        self._history = history_blocks
        self._looks = blocks - history_blocks
        self._slicings = [
            {
                name: Slicing(found.dimensions, found.atoms, policy.datasets[name].groupings)
                for name, found in of_tier.items()
            }
            for of_tier in rows
        ]
        self._onset = 0 if drop is None else int(drop.onset_seconds // policy.block_seconds)
        self._drop = drop
        self._flips = [
            {name: _flips(found, slicings[name], drop) for name, found in of_tier.items()}
            for of_tier, slicings in zip(rows, self._slicings, strict=True)
        ]

    def history(self, tier: int) -> tuple[Mapping[str, Cells], float]:
        """The blocks before those that are judged, joined to one block. All rows are the baseline's."""
        seconds = self._history * self._policy.block_seconds
        blocks = blocks_of(seconds, [-1])
        cells = {}
        for name, found in self._rows[tier].items():
            before = found.between(0, self._history)
            together = replace(before, block=np.zeros_like(before.block))
            cells[name] = self._slicings[tier][name].cells(blocks, 0, together)
        return cells, seconds

    def looks(self, tier: int) -> int:
        """The number of blocks until maxDuration or the end of the log."""
        return min(self._looks, self._policy.looks(tier))

    def slices(self) -> Mapping[str, int]:
        """The number of slices of each dataset, in the tier with most slices."""
        names = self._slicings[0]
        return {name: max(len(of_tier[name].keys) for of_tier in self._slicings) for name in names}

    def counts(self, seed: Sequence[int], tier: int, looks: Sequence[int], *, worse: bool) -> Mapping[str, Cells]:
        """The recorded blocks, with a random split that depends on the seed."""
        first, after = self._history + looks[0], self._history + looks[-1] + 1
        blocks = blocks_of(self._policy.block_seconds, looks)
        cells = {}
        for number, (name, whole) in enumerate(self._rows[tier].items()):
            rng = np.random.default_rng([*seed, tier, number, looks[0]])
            found = whole.between(first, after)
            candidate = rng.binomial(found.rows, self._policy.tiers[tier].exposure)
            every = np.arange(len(found.rows))
            # (which entry, its cell, how many rows of it)
            parts = [(every, found.cell, found.rows - candidate), (every, found.cell + _PER_ARM, candidate)]
            share, inside = self._flips[tier][name]
            if worse and self._drop is not None and share > 0:
                late = found.block - first + looks[0] >= self._onset
                for label, answer in flips_of(self._drop.metric):
                    hit = np.flatnonzero((found.cell == 3 * label + answer) & inside[found.atom] & late)
                    moved = rng.binomial(candidate[hit], share)
                    turned = np.full(len(hit), _PER_ARM + 3 * label + other(answer))
                    parts += [(hit, found.cell[hit] + _PER_ARM, -moved), (hit, turned, moved)]
            which, cell, rows = (np.concatenate(column) for column in zip(*parts, strict=True))
            split = replace(found.part(which), cell=cell, rows=rows)
            cells[name] = self._slicings[tier][name].cells(blocks, first, split)
        return cells


def _flips(found: Entries, slicing: Slicing, drop: Drop | None) -> tuple[float, BoolArray]:
    """The share of answers to invert, and the atoms in which to invert them."""
    if drop is None:
        return 0.0, np.zeros(len(found.atoms), dtype=np.bool_)
    inside = slicing.matches(drop.key)
    counts = _counts(found, inside)
    if not counts.any():
        return 0.0, inside
    rate = bad_rate(drop.metric, drop.after)
    if drop.before is not None:  # the log has its own value, so only the difference of the drop is used
        rate += (rate_of(drop.metric, counts) or 0.0) - bad_rate(drop.metric, drop.before)
    return flip_share(drop.metric, counts, rate), inside


def _counts(found: Entries, inside: BoolArray) -> FloatArray:
    """Rows, or their sample weights, by label and answer."""
    chosen = found.part(np.flatnonzero(inside[found.atom]))
    numbers = chosen.rows if chosen.weight is None else chosen.rows * chosen.weight
    return np.bincount(chosen.cell, weights=numbers, minlength=9).reshape(3, 3).astype(np.float64)
