"""The fold of blocks into e-values: the same blocks give the same bits, in one go or in pieces, on any replica."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from tierwise.api.slices import WHOLE
from tierwise.monitoring.cells import Block, Cells, FloatArray, IntArray
from tierwise.monitoring.guards import Guards, no_rows, watch
from tierwise.monitoring.layout import BoolArray, Layout, hypothesis_counts, ignored, layout_of
from tierwise.monitoring.plan import DatasetPlan, TierPlan
from tierwise.stats import betting
from tierwise.stats.multiplicity import log_decision_threshold
from tierwise.stats.power import PASS_AT


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """All that later looks need of the blocks so far; never changed in place. Flat arrays are over K hypotheses.

    After the decision to roll back (`stopped_at`) further blocks are read but no longer folded: results stand as of
    the stop.
    """

    plan: TierPlan
    layout: Layout
    slots: tuple[tuple[str, ...], ...]  # per dataset: keys of the slices in its slots, known ones first
    unplaced: tuple[frozenset[str], ...]  # per dataset: slices seen after the last slot was taken
    counts: tuple[IntArray, ...]  # per dataset: (slots, 2, 3, 3), all rows folded
    guards: tuple[Guards, ...]
    log_weight: FloatArray  # (K,), −inf where a known change is ignored
    past: FloatArray  # (4, K), consumed by bets
    pending: FloatArray  # (4, K), waiting for five observations in both arms
    regression: FloatArray  # (6, K) logs
    late: tuple[FloatArray, ...]  # what `regression` was when each late-onset copy began
    non_inferior: FloatArray  # (3, K) logs
    improved: FloatArray  # (3, K) logs
    was_non_inferior: BoolArray  # (K,) E reached 20
    was_improved: BoolArray  # (K,) E reached 20
    blocks: int
    first_start: datetime | None
    until: datetime | None
    stopped_at: datetime | None

    @property
    def log_regression(self) -> FloatArray:
        """Log e-values (K,) of "worse than the tolerance", late-onset copies included."""
        return betting.log_e_with_late_copies(
            self.regression, self.late, self.plan.copies, betting.REGRESSION_LOG_WEIGHTS
        )


def begin(plan: TierPlan) -> Evidence:
    """Evidence before the first block."""
    layout = layout_of(plan)
    size = layout.size
    evidence = Evidence(
        plan=plan,
        layout=layout,
        slots=tuple(d.slices for d in plan.datasets),
        unplaced=tuple(frozenset() for _ in plan.datasets),
        counts=tuple(np.zeros((d.slots, 2, 3, 3), dtype=np.int64) for d in plan.datasets),
        guards=tuple(no_rows() for _ in plan.datasets),
        log_weight=layout.log_weight,
        past=np.zeros((4, size)),
        pending=np.zeros((4, size)),
        regression=np.zeros((6, size)),
        late=(),
        non_inferior=np.zeros((3, size)),
        improved=np.zeros((3, size)),
        was_non_inferior=np.zeros(size, dtype=np.bool_),
        was_improved=np.zeros(size, dtype=np.bool_),
        blocks=0,
        first_start=plan.first_block_start,
        until=None,
        stopped_at=None,
    )
    state = _Folding(evidence)
    state.weigh()
    return state.done()


def fold(evidence: Evidence, cells: Mapping[str, Cells], candidate_share: FloatArray) -> Evidence:
    """Evidence after the blocks of `cells`, in their order.

    `cells` has every dataset of the plan, all with the same blocks; `candidate_share` (blocks,) is the candidate's
    share of the ready pods when each block began, NaN where it is not known.
    """
    plans = evidence.plan.datasets
    ordered = [cells[d.dataset.name] for d in plans]
    blocks: Sequence[Block] = ordered[0].blocks if ordered else ()
    if any(c.blocks != tuple(blocks) for c in ordered) or len(candidate_share) != len(blocks):
        raise ValueError("every dataset and candidate_share must have the same blocks")
    state = _Folding(evidence)
    for i, block in enumerate(blocks):
        state.fold(block, [(c.slices, c.counts[i]) for c in ordered], float(candidate_share[i]))
    return state.done()


class _Folding:
    """Working copy of an Evidence, private to one call of `fold`."""

    def __init__(self, evidence: Evidence) -> None:
        self.before = evidence
        self.slots = [list(keys) for keys in evidence.slots]
        self.position = [{key: i for i, key in enumerate(keys)} for keys in evidence.slots]
        self.unplaced = [set(keys) for keys in evidence.unplaced]
        self.counts = [c.copy() for c in evidence.counts]
        self.guards = list(evidence.guards)
        self.log_weight = evidence.log_weight
        self.past = evidence.past.copy()
        self.pending = evidence.pending.copy()
        self.regression = evidence.regression.copy()
        self.late = list(evidence.late)
        self.non_inferior = evidence.non_inferior.copy()
        self.improved = evidence.improved.copy()
        self.was_non_inferior = evidence.was_non_inferior.copy()
        self.was_improved = evidence.was_improved.copy()
        self.blocks = evidence.blocks
        self.first_start = evidence.first_start
        self.until = evidence.until
        self.stopped_at = evidence.stopped_at

    def fold(self, block: Block, looks: list[tuple[tuple[str, ...], IntArray]], share: float) -> None:
        self.blocks += 1
        self.until = block.end
        self.first_start = self.first_start or block.start
        if self.stopped_at is not None:
            return
        self._begin_copies(block.start)
        for index, (plan, (slices, counts)) in enumerate(zip(self.before.plan.datasets, looks, strict=True)):
            placed = self._place(index, plan, slices, counts)
            self.counts[index] += placed
            self.guards[index] = watch(self.guards[index], placed[0], share)
            offset = self.before.layout.offsets[index]
            added = hypothesis_counts(plan, placed)
            self.pending[:, offset : offset + added.shape[1]] += added
        self._bet()
        self._decide(block.end)

    def weigh(self) -> None:
        """Weights as of the slices that are now in the slots."""
        layout = self.before.layout
        log_weight = layout.log_weight.copy()
        for offset, plan, keys in zip(layout.offsets, self.before.plan.datasets, self.slots, strict=True):
            mask = ignored(plan, keys).ravel()
            log_weight[offset : offset + len(mask)][mask] = -math.inf
        self.log_weight = log_weight

    def done(self) -> Evidence:
        return Evidence(
            plan=self.before.plan,
            layout=self.before.layout,
            slots=tuple(tuple(keys) for keys in self.slots),
            unplaced=tuple(frozenset(keys) for keys in self.unplaced),
            counts=tuple(self.counts),
            guards=tuple(self.guards),
            log_weight=self.log_weight,
            past=self.past,
            pending=self.pending,
            regression=self.regression,
            late=tuple(self.late),
            non_inferior=self.non_inferior,
            improved=self.improved,
            was_non_inferior=self.was_non_inferior,
            was_improved=self.was_improved,
            blocks=self.blocks,
            first_start=self.first_start,
            until=self.until,
            stopped_at=self.stopped_at,
        )

    def _begin_copies(self, start: datetime) -> None:
        assert self.first_start is not None
        elapsed = (start - self.first_start).total_seconds()
        while len(self.late) + 1 < self.before.plan.copies and elapsed >= (
            (len(self.late) + 1) * self.before.plan.copy_seconds
        ):
            self.late.append(self.regression.copy())

    def _place(self, index: int, plan: DatasetPlan, slices: tuple[str, ...], counts: IntArray) -> IntArray:
        """Counts (slots, 2, 3, 3) of one block; a slice seen for the first time takes a reserved slot."""
        keys, position = self.slots[index], self.position[index]
        if slices == tuple(keys) and len(keys) == plan.slots:
            return counts
        # By block and by key, so that folding many blocks at once assigns the same slots as one by one.
        new = sorted(k for k, c in zip(slices, counts, strict=True) if k not in position and c.any())
        for key in new:
            if len(keys) < plan.slots:
                position[key] = len(keys)
                keys.append(key)
            else:
                self.unplaced[index].add(key)
        if new:
            self.weigh()
        placed = np.zeros((plan.slots, *counts.shape[1:]), dtype=np.int64)
        rows = np.array([position.get(k, -1) for k in slices])
        placed[rows[rows >= 0]] = counts[rows >= 0]
        if slices and WHOLE not in slices and counts.any():
            raise ValueError(f"dataset {plan.dataset.name!r}: counts without the whole ('')")
        return placed

    def _bet(self) -> None:
        layout = self.before.layout
        chosen = np.flatnonzero(betting.ready(self.pending))
        if len(chosen) == 0:
            return
        whole = slice(None) if len(chosen) == layout.size else chosen
        block, past, prior = self.pending[:, whole], self.past[:, whole], layout.prior[whole]
        logs = self.regression[:, whole]
        betting.add_regression(logs, block, past, layout.tolerance_ratio[whole], layout.tolerance_delta[whole], prior)
        self.regression[:, whole] = logs
        logs = self.non_inferior[:, whole]
        betting.add_non_inferior(logs, block, past, layout.margin_ratio[whole], layout.margin_delta[whole], prior)
        self.non_inferior[:, whole] = logs
        self.was_non_inferior[whole] |= betting.log_mean(logs, betting.NON_INFERIOR_LOG_WEIGHTS) >= math.log(PASS_AT)
        logs = self.improved[:, whole]
        betting.add_improved(logs, block, past, prior)
        self.improved[:, whole] = logs
        self.was_improved[whole] |= betting.log_mean(logs, betting.IMPROVED_LOG_WEIGHTS) >= math.log(PASS_AT)
        self.past[:, whole] += block
        self.pending[:, whole] = 0.0

    def _decide(self, at: datetime) -> None:
        plan = self.before.plan
        log_e = betting.log_e_with_late_copies(
            self.regression, tuple(self.late), plan.copies, betting.REGRESSION_LOG_WEIGHTS
        )
        if (log_e + self.log_weight).max(initial=-math.inf) >= log_decision_threshold(plan.hypotheses, plan.alpha):
            self.stopped_at = at
