"""The most evidence that any test could get from rows of one metric: from slices, and from their remaining rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from tierwise.arrays import AnyArray, FloatArray
from tierwise.metrics.tally import Tally
from tierwise.monitoring.counts.measures import compared, worse_sign
from tierwise.monitoring.counts.tallies import chosen
from tierwise.monitoring.evidence.fold import Evidence
from tierwise.monitoring.evidence.mixture import worseness
from tierwise.stats.delay import growth

Signed = Sequence[tuple[int, int]]
"""Slots with signs: the rows of a slice minus those of others, by inclusion and exclusion."""


@dataclass(frozen=True, slots=True, eq=False)
class Strength:
    """The strength of one dataset and metric. `position` is the slot of each key that has rows or could have them.

    `of(bounds_of, parts)` gives the most evidence (n,) that is possible from n signed sums of slots, each judged with
    the tolerance of slot `bounds_of[i]`; 0 without rows.
    """

    position: dict[str, int]
    of: Callable[[Sequence[int], Sequence[Signed]], FloatArray]


def strength_of(evidence: Evidence, dataset: int, row: int) -> Strength:
    """The strength of one dataset's metric."""
    plan, layout = evidence.plan.datasets[dataset], evidence.layout
    keys = evidence.slots[dataset]
    first = layout.offsets[dataset] + row * plan.slots
    here = slice(first, first + plan.slots)
    position = {key: slot for slot, key in enumerate(keys)}
    match plan.engine(row):
        case "betting":
            lanes = layout.lanes
            group = next(g for g in lanes.proportions if g.hypothesis == first)
            counts = evidence.bets.counts[:, group.first : group.first + group.slots]
            bounds = layout.tolerance.part(here)

            def bets(slots: Sequence[int], parts: Sequence[Signed]) -> FloatArray:
                at = np.array(slots, dtype=np.intp)
                return _grown(_summed(counts, parts), bounds.ratio[at], bounds.delta[at])

            return Strength(position, bets)
        case "shift":
            # The evidence of a shift is the largest of its lanes.
            group = next(g for g in layout.lanes.shifts if g.hypothesis == first)
            assert group.at is not None
            every = evidence.bets.counts[:, group.first : group.first + 2 * len(group.at) * group.slots]
            lanes_of = every.reshape(4, 2 * len(group.at), group.slots)
            delta = layout.tolerance.delta[here]

            def shifts(slots: Sequence[int], parts: Sequence[Signed]) -> FloatArray:
                at = np.array(slots, dtype=np.intp)
                one = np.ones(len(at))
                found = [_grown(_summed(lanes_of[:, i], parts), one, delta[at]) for i in range(lanes_of.shape[1])]
                return np.asarray(np.max(found, axis=0))

            return Strength(position, shifts)
        case "mixture":
            tally = evidence.mixtures.tallies[dataset]
            metric = plan.metric(row)
            bounds = layout.tolerance.part(here)

            def estimates(slots: Sequence[int], parts: Sequence[Signed]) -> FloatArray:
                at = np.array(slots, dtype=np.intp)
                found = compared(metric, _summed_tally(tally, parts))
                difference, variance = worseness(found, worse_sign(metric), bounds.ratio[at], layout.phi[here][at])
                beyond = np.maximum(np.nan_to_num(difference - bounds.delta[at]), 0.0)
                return np.where(variance > 0, beyond**2 / (2 * np.where(variance > 0, variance, 1.0)), 0.0)

            return Strength(position, estimates)


def _summed(counts: FloatArray, parts: Sequence[Signed]) -> FloatArray:
    return np.stack([sum((sign * counts[:, slot] for sign, slot in signed), np.zeros(4)) for signed in parts], axis=1)


def _summed_tally(tally: Tally, parts: Sequence[Signed]) -> Tally:
    matrix = np.zeros((len(parts), len(tally.counts)))
    for row, signed in enumerate(parts):
        for sign, slot in signed:
            matrix[row, slot] += sign
    used = np.flatnonzero(matrix.any(axis=0))
    small, weights = chosen(tally, used), matrix[:, used]

    def mixed(values: AnyArray, first: int) -> AnyArray:
        if first:  # Σw, then Σw²
            return np.stack([mixed(each, first - 1) for each in values])
        found = np.tensordot(weights, values, axes=1)
        return np.rint(found).astype(values.dtype) if np.issubdtype(values.dtype, np.integer) else np.asarray(found)

    return small.map_arrays(mixed)


def _grown(counts: FloatArray, ratio: FloatArray, delta: FloatArray) -> FloatArray:
    some = (counts[0] > 0) & (counts[2] > 0)
    safe = np.where(some, counts, np.array([1.0, 0.0, 1.0, 0.0])[:, np.newaxis])
    return np.where(some, growth(safe, ratio, delta), 0.0)
