"""What a look reads: who is compared, where, and the counts by block, slice, arm, label and answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.arrays import FloatArray, IntArray
from tierwise.metrics.counts import ANSWERS, LABELS, Counts
from tierwise.metrics.tally import Sum

ARMS = 2
BASELINE, CANDIDATE = 0, 1  # index of an arm
CELLS = ARMS * LABELS * ANSWERS  # counts of one block and slice


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose predictions are compared. `tiers` empty: all tiers of the log."""

    model: str | None
    baseline: str
    candidate: str
    tiers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Reads:
    """What a look reads of every slice beyond the counts by label and answer, as the dataset's metrics need it."""

    bins: bool = False
    sums: tuple[Sum, ...] = ()
    weights: bool = False


@dataclass(frozen=True, slots=True)
class Dataset:
    """A MonitoringDataset as a look uses it.

    `groupings` are the dimension combinations to slice by, each sorted by name; the whole is always read too.
    `known` are keys of slices fixed earlier: where a dimension has more than its maxValues, they keep their own counts
    whatever their share of the rows, so that a slice never moves into "other" between two looks.
    """

    name: str
    spec: MonitoringDatasetSpec
    groupings: tuple[tuple[str, ...], ...] = ()
    known: tuple[str, ...] = ()
    reads: Reads = Reads()


@dataclass(frozen=True, slots=True)
class Block:
    """A half-open interval [start, end) of prediction time; both UTC-aware."""

    start: datetime
    end: datetime


@dataclass(frozen=True, eq=False)
class _OfBlocks:
    """What stands before the arrays of `Cells`. (Without slots: of two bases only one can have them.)"""

    blocks: tuple[Block, ...]
    slices: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Cells(Counts, _OfBlocks):
    """Counts of rows, exact: they equal a count of the raw rows. The arrays' leading axes are (blocks, slices, 2 arms).

    `slices` are slice keys, `""` (the whole) first. Arrays are there as far as the dataset's `reads` ask for them.
    """

    def take_blocks(self, index: slice | Sequence[int]) -> Cells:
        """Some of the blocks, in the order of `index`."""
        blocks = self.blocks[index] if isinstance(index, slice) else tuple(self.blocks[i] for i in index)
        return replace(self.take(index), blocks=blocks)

    def take_slices(self, index: Sequence[int]) -> Cells:
        """Some of the slices, in the order of `index`."""
        return replace(self.take(index, axis=1), slices=tuple(self.slices[i] for i in index))


@dataclass(frozen=True, eq=False)
class _OfBlock:
    """What stands before the arrays of `Distributions`."""

    block: Block
    slices: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Distributions(Counts, _OfBlock):
    """Counts of scores by bin, the rows of `ml_performance`. The arrays' leading axes are (slices, 2 arms).

    There are no answers: `counts` itself is by label and bin, or by class of label and answer, as `bins` otherwise is.
    `edges` are the bins + 1 edges of the score, ascending, empty for a dataset of classes.
    """

    bins: None = field(default=None, init=False, repr=False)
    edges: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class PodCounts:
    """Rows of one version by the pod that served them: `counts` is int64 (pods, 3 labels, 3 answers)."""

    pods: tuple[str, ...]
    counts: IntArray


@dataclass(frozen=True, slots=True)
class Invalid:
    """Rows left out of every count, by cause; `value`: of a sum only, its number being null, NaN or infinite."""

    score: int = 0
    label: int = 0
    time: int = 0
    version: int = 0
    value: int = 0
