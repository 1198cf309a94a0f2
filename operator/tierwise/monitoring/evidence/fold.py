"""Folds blocks into e-values. The same blocks give the same bits, at once or in pieces, on any replica."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from tierwise.arrays import BoolArray, FloatArray, IntArray
from tierwise.metrics.tally import Tally
from tierwise.monitoring.counts.model import Block, Cells
from tierwise.monitoring.counts.tallies import block_tally, empty_tally
from tierwise.monitoring.evidence import betting as bets_of
from tierwise.monitoring.evidence import mixture as mixtures_of
from tierwise.monitoring.evidence.betting import Bets, no_bets
from tierwise.monitoring.evidence.guards import Guards, no_rows, watch
from tierwise.monitoring.evidence.hypotheses import (
    Layout,
    equal_within,
    ignored,
    lane_bounds,
    layout_of,
    margin_within,
    tolerance_beyond,
)
from tierwise.monitoring.evidence.mixture import Mixtures, copies_of
from tierwise.monitoring.evidence.required_numbers import numbers_watched
from tierwise.monitoring.evidence.slots import Slots
from tierwise.monitoring.planning.tier_plan import DatasetPlan, TierPlan
from tierwise.stats.multiplicity import holm, log_decision_threshold
from tierwise.stats.overdispersion import pods_apart
from tierwise.stats.power import PASS_AT


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """The state that later looks need from the blocks so far. It is never changed in place.

    Flat arrays are over K hypotheses. After the decision to roll back (`stopped_at`) further blocks are read but no
    longer folded, so the results stay those of the stop.
    """

    plan: TierPlan
    layout: Layout
    slots: tuple[tuple[str, ...], ...]  # per dataset: keys of the slices in its slots, known ones first
    unplaced: tuple[frozenset[str], ...]  # per dataset: slices seen after the last slot was taken
    counts: tuple[IntArray, ...]  # per dataset: (slots, 2, 3, 3), all rows folded
    guards: tuple[Guards, ...]
    log_weight: FloatArray  # (K,), −inf where a known change is ignored
    bets: Bets
    mixtures: Mixtures
    log_regression: FloatArray  # (K,) log e-values of "worse than the tolerance", late-onset copies included
    log_sup: FloatArray  # (K,) the largest that it ever was
    was_non_inferior: BoolArray  # (K,) E reached 20
    was_improved: BoolArray  # (K,) E reached 20
    fewest_pods: tuple[int, int] | None  # baseline and candidate at the largest √(1/Pa + 1/Pb) so far; None: not known
    blocks: int
    first_start: datetime | None
    until: datetime | None
    stopped_at: datetime | None

    @property
    def log_non_inferior(self) -> FloatArray:
        """Log e-values (K,) of "within the margin"."""
        return bets_of.log_non_inferior(self.layout.lanes, self.bets) + self.mixtures.log_non_inferior

    @property
    def log_improved(self) -> FloatArray:
        """Log e-values (K,) of "better than the baseline"."""
        return bets_of.log_improved(self.layout.lanes, self.bets) + self.mixtures.log_improved

    @property
    def pod_bias(self) -> FloatArray:
        """Log-odds (K,) by which the null is widened for the pods' own differences."""
        return _bias(self.layout, self.fewest_pods)

    @property
    def named(self) -> BoolArray:
        """Hypotheses (K,) that Holm's procedure rejects on p = 1/sup E; a name never goes away.

        The first name comes with the decision to roll back: both ask for the same evidence.
        """
        log_sup = np.where(self.layout.decides, self.log_sup, -math.inf)
        return holm(log_sup, self.log_weight, self.plan.alpha, hypotheses=self.plan.hypotheses)

    @property
    def observed(self) -> BoolArray:
        """Hypotheses (K,) whose evidence once sufficed to roll back, where it may not decide."""
        threshold = log_decision_threshold(self.plan.hypotheses, self.plan.alpha)
        return ~self.layout.decides & (self.log_sup + self.log_weight >= threshold)

    def where(self, hypothesis: int) -> str:
        """Dataset, metric and slice of a hypothesis, in words."""
        d = int(np.searchsorted(self.layout.offsets, hypothesis, side="right")) - 1
        plan, keys = self.plan.datasets[d], self.slots[d]
        row, slot = divmod(hypothesis - self.layout.offsets[d], plan.slots)
        key = keys[slot] if slot < len(keys) else ""
        return f"dataset {plan.dataset.name!r}: {plan.metrics[row].name} on {key or 'the whole'}"


def begin(plan: TierPlan) -> Evidence:
    """The evidence before the first block."""
    layout = layout_of(plan)
    size = layout.size
    empty = tuple(empty_tally(d.dataset, d.slots) for d in plan.datasets)
    slots = tuple(Slots.of(d) for d in plan.datasets)
    zero = np.zeros(size)
    return Evidence(
        plan=plan,
        layout=layout,
        slots=tuple(s.keys for s in slots),
        unplaced=tuple(s.unplaced for s in slots),
        counts=tuple(tally.counts for tally in empty),
        guards=tuple(no_rows(len(numbers_watched(d))) for d in plan.datasets),
        log_weight=_weighed(plan, layout, slots),
        bets=no_bets(layout.lanes, plan.late_onset.first),
        mixtures=Mixtures(empty if layout.estimates else (), (), (), zero, zero, zero),
        log_regression=zero,
        log_sup=zero,
        was_non_inferior=np.zeros(size, dtype=np.bool_),
        was_improved=np.zeros(size, dtype=np.bool_),
        fewest_pods=None,
        blocks=0,
        first_start=plan.first_block_start,
        until=None,
        stopped_at=None,
    )


def fold(
    evidence: Evidence, cells: Mapping[str, Cells], candidate_share: FloatArray, pods: IntArray | None = None
) -> Evidence:
    """The evidence after the blocks of `cells`, in their order.

    `cells` has every dataset of the plan, all with the same blocks; `candidate_share` (blocks,) is the candidate's
    share of the ready pods when each block began, NaN where it is not known, and `pods` (blocks, 2) how many baseline
    and candidate pods there were.

    Raises:
        MetricFailedError: a metric's code failed.
    """
    datasets = [d.dataset for d in evidence.plan.datasets]
    ordered = [cells[d.name] for d in datasets]
    blocks: Sequence[Block] = ordered[0].blocks if ordered else ()
    if any(c.blocks != tuple(blocks) for c in ordered) or len(candidate_share) != len(blocks):
        raise ValueError("every dataset and candidate_share must have the same blocks")
    for i, block in enumerate(blocks):
        seen = replace(
            evidence, blocks=evidence.blocks + 1, until=block.end, first_start=evidence.first_start or block.start
        )
        if seen.stopped_at is None:
            looks = [(c.slices, block_tally(d, c, i)) for d, c in zip(datasets, ordered, strict=True)]
            there = None if pods is None else (int(pods[i, 0]), int(pods[i, 1]))
            seen = _folded(seen, evidence.until, block, looks, (float(candidate_share[i]), there))
        evidence = seen
    return evidence


def _folded(
    evidence: Evidence,
    before: datetime | None,
    block: Block,
    looks: list[tuple[tuple[str, ...], Tally]],
    there: tuple[float, tuple[int, int] | None],
) -> Evidence:
    """After one block; `before` ends the one before, `there` is the candidate's share of the pods, and the pods."""
    plan, layout, (share, pods) = evidence.plan, evidence.layout, there
    evidence, later = _begun(evidence, before, block)
    slots, tallies = [], []
    for d, (keys, tally) in enumerate(looks):
        kept, placed = Slots(plan.datasets[d], evidence.slots[d], evidence.unplaced[d]).place(keys, tally)
        slots.append(kept)
        tallies.append(placed)
    log_weight = evidence.log_weight
    if any(kept.keys is not before for kept, before in zip(slots, evidence.slots, strict=True)):
        log_weight = _weighed(plan, layout, slots)
    guards = [
        watch(guard, tally.counts[0], share, d.phi_split, _numbers(d, tally), d.presence_tolerance)
        for guard, tally, d in zip(evidence.guards, tallies, plan.datasets, strict=True)
    ]
    fewest = _fewer(evidence.fewest_pods, pods)
    bias = _bias(layout, fewest)
    bets = bets_of.bet(layout.lanes, evidence.bets, tuple(tallies), lane_bounds(layout, bias))
    bets = bets_of.with_kept(layout.lanes, bets, evidence.blocks)
    mixtures = evidence.mixtures
    log_regression = bets_of.log_regression(layout.lanes, bets, later)
    log_non_inferior = bets_of.log_non_inferior(layout.lanes, bets)
    log_improved = bets_of.log_improved(layout.lanes, bets)
    if layout.estimates:
        bounds = (tolerance_beyond(layout, bias), margin_within(layout, bias), equal_within(layout, bias))
        mixtures = mixtures_of.look(layout.estimates, mixtures, tuple(tallies), bounds, copies_of(plan.copies)[0])
        # A hypothesis is tested by one of the two; the other has 0.
        log_regression = log_regression + mixtures.log_regression
        log_non_inferior = log_non_inferior + mixtures.log_non_inferior
        log_improved = log_improved + mixtures.log_improved
    threshold = log_decision_threshold(plan.hypotheses, plan.alpha)
    is_decided = (log_regression + log_weight)[layout.decides].max(initial=-math.inf) >= threshold
    return replace(
        evidence,
        slots=tuple(kept.keys for kept in slots),
        unplaced=tuple(kept.unplaced for kept in slots),
        counts=tuple(c + tally.counts for c, tally in zip(evidence.counts, tallies, strict=True)),
        guards=tuple(guards),
        log_weight=log_weight,
        bets=bets,
        mixtures=mixtures,
        log_regression=log_regression,
        log_sup=np.maximum(evidence.log_sup, log_regression),
        was_non_inferior=evidence.was_non_inferior | (log_non_inferior >= math.log(PASS_AT)),
        was_improved=evidence.was_improved | (log_improved >= math.log(PASS_AT)),
        fewest_pods=fewest,
        stopped_at=block.end if is_decided else None,
    )


def _begun(evidence: Evidence, before: datetime | None, block: Block) -> tuple[Evidence, float]:
    """The evidence with the stakes that begin with a block, by the clock of the blocks, and what begins later."""
    first, plan = evidence.first_start, evidence.plan
    assert first is not None
    late = plan.late_onset
    seen, after = (0.0 if at is None else (at - first).total_seconds() for at in (before, block.end))
    bets = bets_of.begin_more(evidence.bets, late.begun(seen, after))
    copies, every = copies_of(plan.copies)
    step, elapsed = every * plan.copy_seconds, (block.start - first).total_seconds()
    mixtures = evidence.mixtures
    while mixtures.matched and len(mixtures.late) + 1 < copies and elapsed >= (len(mixtures.late) + 1) * step:
        mixtures = mixtures_of.with_copy(mixtures)
    return replace(evidence, bets=bets, mixtures=mixtures), late.later(after)


def _weighed(plan: TierPlan, layout: Layout, slots: Sequence[Slots]) -> FloatArray:
    """The weights for the slices that are now in the slots."""
    log_weight = layout.log_weight.copy()
    for offset, dataset, kept in zip(layout.offsets, plan.datasets, slots, strict=True):
        mask = ignored(dataset, kept.keys).ravel()
        log_weight[offset : offset + len(mask)][mask] = -math.inf
    return log_weight


def _fewer(known: tuple[int, int] | None, pods: tuple[int, int] | None) -> tuple[int, int] | None:
    if pods is None or min(pods) < 1:
        return known
    return max(known or pods, pods, key=lambda counts: 1 / counts[0] + 1 / counts[1])


def _bias(layout: Layout, pods: tuple[int, int] | None) -> FloatArray:
    return np.zeros(layout.size) if pods is None else np.asarray(layout.pod_bound * pods_apart(*pods))


def _numbers(dataset: DatasetPlan, tally: Tally) -> FloatArray:
    """Rows of the whole that have each watched metric's number, (metrics of numbers, 2 arms)."""
    return np.array([tally.sums[name][0] for name in numbers_watched(dataset).values()]).reshape(-1, 2)
