"""What a look reads: who is compared, where, and the counts by block, slice, arm, label and answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.arrays import FloatArray, IntArray
from tierwise.metrics.tally import NEGATIVE as NEGATIVE
from tierwise.metrics.tally import POSITIVE as POSITIVE
from tierwise.metrics.tally import UNKNOWN as UNKNOWN
from tierwise.metrics.tally import Sum

LABELS, ANSWERS, ARMS = 3, 3, 2
CELLS = ARMS * LABELS * ANSWERS  # counts of one block and slice
BASELINE, CANDIDATE = 0, 1  # index of an arm
# index of an answer: 0 negative, 1 positive, 2 invalid (score NaN or out of the domain)
ANSWER_NEGATIVE, ANSWER_POSITIVE, ANSWER_INVALID = 0, 1, 2


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


@dataclass(frozen=True, slots=True)
class Cells:
    """Counts of rows, exact: they equal a count of the raw rows.

    `slices` are slice keys, `""` (the whole) first. `counts` is int64 of shape (blocks, slices, 2 arms, 3 labels,
    3 answers). What the dataset's `reads` ask for, else None or empty: `bins` (blocks, slices, 2 arms, labels,
    bins + 1) with `edges` (bins + 1,); `sums` float64 (blocks, slices, 2 arms) by name; `weights` float64
    (2: Σw and Σw², blocks, slices, 2 arms, 3 labels, 3 answers), and `bin_weights` float64 (2, *shape of `bins`) where
    both bins and weights are read.
    """

    blocks: tuple[Block, ...]
    slices: tuple[str, ...]
    counts: IntArray
    bins: IntArray | None = None
    edges: FloatArray | None = None
    sums: Mapping[str, FloatArray] = field(default_factory=dict)
    weights: FloatArray | None = None
    bin_weights: FloatArray | None = None


@dataclass(frozen=True, slots=True)
class Distributions:
    """Counts of scores by bin, the rows of `ml_performance`.

    `counts` is int64 of shape (slices, 2 arms, 3 labels, bins + 1); the last bin counts invalid scores.
    `edges` are the bins + 1 edges of the score, ascending. For a dataset of classes `counts` is by class of the label
    and of the answer, each with one more for unknown or invalid, and `edges` is empty. `sums` float64 (slices, 2 arms)
    by name, `weights` float64 (2, slices, 2 arms, 3 labels, 3 answers) and `bin_weights` (2, *shape of `counts`) as in
    `Cells`.
    """

    block: Block
    slices: tuple[str, ...]
    counts: IntArray
    edges: FloatArray
    sums: Mapping[str, FloatArray] = field(default_factory=dict)
    weights: FloatArray | None = None
    bin_weights: FloatArray | None = None


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
