"""One recorded version split at random between two arms: an A/A comparison on a log's own rows, drift and all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tierwise.api.slices import parse_slice_key
from tierwise.metrics import registry
from tierwise.monitoring.analysis import runs_of
from tierwise.monitoring.cells import BASELINE, Block, Cells, Dataset, IntArray, Scope
from tierwise.monitoring.drop import Drop, bad_rate, own_value
from tierwise.runtime.recorded import RecordedLog
from tierwise.simulation.harm import FLIPS, flip_share, other
from tierwise.simulation.policy import Policy, blocks_of
from tierwise.simulation.slicing import Slicing

BLOCKS_AT_ONCE = 60


@dataclass(frozen=True, slots=True, eq=False)
class RecordedRows:
    """Rows of one version, counted by block, atom (finest combination of values), label and answer; arrays (entries,).

    `cell` is label·3 + answer.
    """

    dimensions: tuple[str, ...]
    atoms: tuple[tuple[str, ...], ...]
    block: IntArray
    atom: IntArray
    cell: IntArray
    rows: IntArray


def read_rows(log: RecordedLog, dataset: Dataset, scope: Scope, blocks: Sequence[Block]) -> RecordedRows:
    """The baseline's rows of `scope`.

    Raises:
        StoreError: the log cannot be read.
    """
    dimensions = tuple(sorted({name for grouping in dataset.groupings for name in grouping}))
    finest = replace(dataset, groupings=(dimensions,) if dimensions else ())
    position: dict[tuple[str, ...], int] = {}
    parts: list[tuple[IntArray, IntArray, IntArray, IntArray]] = []
    first = 0
    for run in runs_of(blocks, BLOCKS_AT_ONCE):
        cells = log.read_cells(finest, scope, run)
        keys = [tuple(parse_slice_key(key).get(name, "") for name in dimensions) for key in cells.slices]
        # Without dimensions the whole is the only atom; with them it is the sum of all others.
        kept = [i for i, key in enumerate(cells.slices) if key or not dimensions]
        numbers = np.array([position.setdefault(keys[i], len(position)) for i in kept], dtype=np.int64)
        counts = cells.counts[:, kept, BASELINE].reshape(len(run), len(kept), 9)
        block, slice_, cell = np.nonzero(counts)
        parts.append((block + first, numbers[slice_] if len(kept) else slice_, cell, counts[block, slice_, cell]))
        first += len(run)
    block, atom, cell, rows = (np.concatenate(column) for column in zip(*parts, strict=True))
    return RecordedRows(dimensions, tuple(position), block, atom, cell, rows)


class SplitStream:
    """Every recorded row goes to the candidate with the tier's exposure as its chance, as by a hash of the request.

    The first `history_blocks` are what plans know; tiers are judged on the blocks after them. The drop turns answers of
    the candidate over until its value in the slice is as wanted, on average over the window.
    """

    def __init__(
        self,
        policy: Policy,
        rows: Sequence[Mapping[str, RecordedRows]],
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
        """The blocks before those that are judged, all rows the baseline's."""
        cells = {}
        for name, found in self._rows[tier].items():
            chosen = found.block < self._history
            columns = (found.block[chosen], found.atom[chosen], found.cell[chosen], found.rows[chosen])
            slicing = self._slicings[tier][name]
            blocks = blocks_of(self._policy.block_seconds, range(-self._history, 0))
            cells[name] = Cells(blocks, slicing.keys, slicing.sum(self._history, *columns))
        return cells, self._history * self._policy.block_seconds

    def looks(self, tier: int) -> int:
        """Until maxDuration or the end of the log."""
        return min(self._looks, self._policy.looks(tier))

    def slices(self) -> Mapping[str, int]:
        """How many slices each dataset has, in the tier with most."""
        names = self._slicings[0]
        return {name: max(len(of_tier[name].keys) for of_tier in self._slicings) for name in names}

    def counts(self, seed: Sequence[int], tier: int, looks: Sequence[int], *, worse: bool) -> Mapping[str, Cells]:
        """The recorded blocks with a split of their own."""
        first, after = self._history + looks[0], self._history + looks[-1] + 1
        cells = {}
        for number, (name, found) in enumerate(self._rows[tier].items()):
            rng = np.random.default_rng([*seed, tier, number, looks[0]])
            chosen = np.flatnonzero((found.block >= first) & (found.block < after))
            block, atom = found.block[chosen] - first, found.atom[chosen]
            cell, rows = found.cell[chosen], found.rows[chosen]
            candidate = rng.binomial(rows, self._policy.tiers[tier].exposure)
            entries = [(block, atom, cell, rows - candidate), (block, atom, cell + 9, candidate)]
            share, inside = self._flips[tier][name]
            if worse and self._drop is not None and share > 0:
                for label, answer in FLIPS[self._drop.metric]:
                    hit = np.flatnonzero(
                        (cell == 3 * label + answer) & inside[atom] & (block + looks[0] >= self._onset)
                    )
                    moved = rng.binomial(candidate[hit], share)
                    turned = np.full(len(hit), 9 + 3 * label + other(answer))
                    entries += [(block[hit], atom[hit], cell[hit] + 9, -moved), (block[hit], atom[hit], turned, moved)]
            columns = [np.concatenate(column) for column in zip(*entries, strict=True)]
            slicing = self._slicings[tier][name]
            counts = slicing.sum(len(looks), columns[0], columns[1], columns[2], columns[3])
            cells[name] = Cells(blocks_of(self._policy.block_seconds, looks), slicing.keys, counts)
        return cells


def _flips(found: RecordedRows, slicing: Slicing, drop: Drop | None) -> tuple[float, npt.NDArray[np.bool_]]:
    """The share of answers to turn over, and in which atoms."""
    if drop is None:
        return 0.0, np.zeros(len(found.atoms), dtype=np.bool_)
    inside = slicing.matches(drop.key)
    chosen = inside[found.atom]
    counts = np.bincount(found.cell[chosen], weights=found.rows[chosen], minlength=9).reshape(3, 3).astype(np.float64)
    if not counts.any():
        return 0.0, inside
    rate = bad_rate(drop.metric, drop.after)
    if drop.before is not None:  # the log has a value of its own: the difference is what is asked for
        n, bad = registry.get(drop.metric).n_bad(counts.astype(np.int64))
        rate += float(bad) / max(float(n), 1.0) - bad_rate(drop.metric, drop.before)
    return flip_share(drop.metric, counts, rate), inside


def recorded_value(found: RecordedRows, slicing: Slicing, drop: Drop) -> float | None:
    """The log's own value of the drop's metric in its slice; None without rows."""
    chosen = slicing.matches(drop.key)[found.atom]
    counts = np.bincount(found.cell[chosen], weights=found.rows[chosen], minlength=9).reshape(3, 3)
    n, bad = registry.get(drop.metric).n_bad(counts.astype(np.int64))
    return own_value(drop.metric, float(bad) / float(n)) if n else None
