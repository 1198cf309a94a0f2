"""A prediction log in memory that counts rows as the real one does; it breaks when a test says so."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np

from tests.unit.rollout.world import T0
from tierwise.monitoring.counts.model import Block, Cells, Dataset, Distributions, Invalid, PodCounts, Scope
from tierwise.monitoring.query.quality.arrivals import Received, Sources
from tierwise.monitoring.query.stored.performance_table import Origin
from tierwise.rollout.record.verdicts import VerdictRecord

CARRIERS = ("AA", "HA")


class PredictionLog:
    """Rows of an hour before T0 and some after it: `per_second` predictions, from T0 on a fifth the candidate's.

    `error_rates` is per arm; label and answer follow from them. `until` is when the log ends.
    """

    def __init__(
        self, *, per_second: int = 20, seconds: int = 3600, error_rates: tuple[float, float] = (0.1, 0.1), seed: int = 7
    ):
        rng = np.random.default_rng(seed)
        n = per_second * (3600 + seconds)
        self.time = np.sort(rng.uniform(-3600, seconds, n))
        self.arm = ((self.time >= 0) & (rng.random(n) < 0.2)).astype(int)
        self.label = (rng.random(n) < 0.4).astype(int)
        wrong = rng.random(n) < np.array(error_rates)[self.arm]
        self.answer = np.where(wrong, 1 - self.label, self.label)
        self.carrier = (rng.random(n) < 0.3).astype(int)
        self.error: Exception | None = None
        self.performance: list[tuple[str, str, int]] = []
        self.verdicts: list[VerdictRecord] = []
        self.reads: list[int] = []
        self.checks = 0
        self.received: Received | None = None  # instead of the rows themselves
        self.untimed = (0, 0)  # rows without a time, baseline and candidate

    def _ask(self) -> None:
        if self.error is not None:
            raise self.error

    def check(self, dataset: Dataset) -> None:
        self.checks += 1
        self._ask()

    def watermark(self, dataset: Dataset, scope: Scope, now: datetime) -> datetime | None:
        self._ask()
        seen = self.time[self.time <= (now - T0).total_seconds()]
        return T0 + timedelta(seconds=float(seen[-1])) if len(seen) else None

    def read_cells(self, dataset: Dataset, scope: Scope, blocks: Sequence[Block]) -> Cells:
        self._ask()
        self.reads.append(len(blocks))
        slices = ("", *(f"carrier={name}" for name in CARRIERS)) if dataset.groupings else ("",)
        counts = np.zeros((len(blocks), len(slices), 2, 3, 3), dtype=np.int64)
        for index, block in enumerate(blocks):
            low, high = np.searchsorted(self.time, [(t - T0).total_seconds() for t in (block.start, block.end)])
            rows = slice(low, high)
            where = (self.arm[rows], self.label[rows], self.answer[rows])
            np.add.at(counts[index, 0], where, 1)
            if len(slices) > 1:
                for carrier in range(len(CARRIERS)):
                    mask = self.carrier[rows] == carrier
                    np.add.at(counts[index, 1 + carrier], tuple(part[mask] for part in where), 1)
        return Cells(tuple(blocks), slices, counts)

    def read_distributions(self, dataset: Dataset, scope: Scope, block: Block) -> Distributions:
        """Two bins, below and from the threshold on, and the invalid ones: as the answers."""
        cells = self.read_cells(dataset, scope, [block])
        return Distributions(block, cells.slices, cells.counts[0], np.linspace(0, 1, 3))

    def read_halves(self, dataset: Dataset, scope: Scope, blocks: Sequence[Block]) -> Cells | None:
        return None

    def read_pods(self, dataset: Dataset, scope: Scope, window: Block) -> PodCounts | None:
        return None

    def count_invalid(self, dataset: Dataset, scope: Scope, window: Block, now: datetime) -> Invalid:
        return Invalid()

    def read_untimed(self, dataset: Dataset, scope: Scope, now: datetime) -> tuple[int, int]:
        self._ask()
        return self.untimed

    def read_received(self, dataset: Dataset, scope: Scope, window: Block) -> Received:
        if self.received is not None:
            return self.received
        rows = int(self.read_cells(dataset, scope, [window]).counts[0, 0].sum())
        return Received(rows, rows)

    def read_sources(self, dataset: Dataset, scope: Scope, window: Block) -> Sources | None:
        return None

    def write_performance(self, origin: Origin, dataset: Dataset, scope: Scope, distributions: Distributions) -> None:
        self.performance.append((origin.rollout, origin.tier, origin.index))

    def write_verdicts(self, record: VerdictRecord) -> None:
        self._ask()
        self.verdicts.append(record)
