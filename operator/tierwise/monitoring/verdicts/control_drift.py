"""Compares the control with its own past, to find changes that the candidate did not cause. Pure.

It uses the same fold as for the candidate, with other arms: *candidate* is the control now, *baseline* is the control
in the past. If it decides to roll back, the control is worse than before. Then a new fold starts, which watches whether
the control gets back to normal. When each slice and metric that was named is back, the first watch starts again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

import numpy as np

from tierwise.api.frozen import ControlHistory
from tierwise.api.names import Verdict
from tierwise.api.slices import slice_key
from tierwise.arrays import AnyArray, FloatArray
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE, Block, Cells
from tierwise.monitoring.evidence.fold import Evidence, begin, fold
from tierwise.monitoring.planning.day_spread import MOST_DIMENSIONS
from tierwise.monitoring.planning.tier_plan import DatasetPlan, TierPlan
from tierwise.monitoring.verdicts.judge import judge
from tierwise.monitoring.verdicts.judgement import ControlTrouble, Result
from tierwise.stats.days import MIN_DAYS

_Name = tuple[str, str, str]  # dataset, metric, slice key
Shifted = Literal["PreviousWeek", "PreviousDay"]
# How long ago the same hours were. The first past that has rows is used.
SHIFTS: Mapping[Shifted, timedelta] = {"PreviousWeek": timedelta(days=7), "PreviousDay": timedelta(days=1)}
PAST_TEXT = {
    "PreviousWeek": "the same hours of the week before",
    "PreviousDay": "the same hours of the day before",
    "JustBefore": "the time just before the rollout",
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """The control became worse than its past. It was found at the end of a block, with this result."""

    since: datetime
    worst: Result
    named: frozenset[_Name]
    blocks: int  # the number of blocks until it was found


@dataclass(frozen=True, slots=True, eq=False)
class ControlEvidence:
    """The watch so far. If the control is worse, `trouble` is set, and `evidence` is about its return to normal."""

    evidence: Evidence
    trouble: Trouble | None = None


def begin_control(plan: TierPlan, history: ControlHistory | None = None) -> ControlEvidence:
    """Before the first block; with the tier's own metrics, margins and slices, and how far two days may be apart.

    Where days are known, half of the tier's α is for the evidence, half for days that are further apart than that.
    """
    apart = history.apart if history is not None else {}
    datasets = tuple(_with_days(dataset, apart) for dataset in plan.datasets)
    alpha = plan.alpha / 2 if apart else plan.alpha
    return ControlEvidence(begin(replace(plan, first_block_start=None, alpha=alpha, datasets=datasets)))


def day_tail(plan_alpha: float, metrics: int) -> float:
    """With which probability two days may be further apart than is allowed for, in each metric of a tier."""
    return plan_alpha / 2 / max(1, metrics)


def _with_days(dataset: DatasetPlan, apart: Mapping[str, Sequence[float]]) -> DatasetPlan:
    """The arms are two days of one version: what differs between arms of a tier is the larger of both."""
    nothing = [0.0] * (MOST_DIMENSIONS + 1)
    levels = [min(key.count("="), MOST_DIMENSIONS) for key in dataset.slices]
    rows = [apart.get(f"{dataset.dataset.name}/{metric.name}", nothing) for metric in dataset.metrics]
    days = np.array([[*(row[level] for level in levels), max(row)] for row in rows]).reshape(dataset.apart.shape)
    return replace(dataset, apart=np.maximum(dataset.apart, days))


def fold_control(state: ControlEvidence, cells: Mapping[str, Cells], *, until_back: bool = False) -> ControlEvidence:
    """The watch after blocks whose arms are control and past (`against_past`), in pieces of any size.

    `until_back`: the past was used before, so it may only be used to see the control's return to normal.
    """
    blocks = next(iter(cells.values())).blocks if cells else ()
    at = 0
    while at < len(blocks) and not (until_back and state.trouble is None):
        # Go block by block while watching for the return, so that the block of the return does not depend on how many
        # blocks were read at once.
        end = at + 1 if state.trouble is not None else len(blocks)
        part = {name: found.take_blocks(slice(at, end)) for name, found in cells.items()}
        folded = fold(state.evidence, part, _no_shares(end - at))
        stop = folded.stopped_at
        if stop is not None:
            done = next(i for i in range(at, end) if blocks[i].end == stop) + 1
            took = state.evidence.blocks + done - at
            state = ControlEvidence(begin(folded.plan), _trouble(folded, state.trouble, stop, took))
            at = done
            continue
        state = ControlEvidence(folded, state.trouble)
        if state.trouble is not None and _is_back(folded, state.trouble):
            state = ControlEvidence(begin(folded.plan))
        at = end
    return state


def trouble_of(state: ControlEvidence, history: ControlHistory) -> ControlTrouble | None:
    """The trouble of the control for the judgement; None if the control is as good as before."""
    found = state.trouble
    if found is None:
        return None
    return ControlTrouble(
        found.since, replace(found.worst, control="history"), PAST_TEXT[history.kind], _is_sure(history)
    )


def _is_sure(history: ControlHistory) -> bool:
    """Whether enough days are known to tell an external cause from a day that is not like another."""
    return history.kind != "JustBefore" and history.days >= MIN_DAYS


def against_past(now: Cells, past: Cells) -> Cells:
    """Cells whose candidate arm is the baseline of `now`, and whose baseline arm is the baseline of `past`.

    Both arguments have the same number of blocks, matched in order.
    """
    slices = (*now.slices, *(key for key in past.slices if key not in set(now.slices)))
    ours, theirs = _places(now.slices, slices), _places(past.slices, slices)

    def arms(both: Sequence[AnyArray], first: int) -> AnyArray:
        of_now, of_past = both
        out = np.zeros((*of_now.shape[: first + 1], len(slices), *of_now.shape[first + 2 :]), dtype=of_now.dtype)
        by_slice = _by_slice(out, first)
        by_slice[ours, CANDIDATE] = _by_slice(of_now, first)[:, BASELINE]
        by_slice[theirs, BASELINE] = _by_slice(of_past, first)[:, BASELINE]
        return out

    return replace(now.zip_arrays([past], arms), slices=slices)


def past_block(history: ControlHistory, first: datetime, block: Block) -> Block | None:
    """The time of the past that matches a block; None if no past is left. `first` is the tier's t0."""
    shift = first - _past_start(history, first)
    found = Block(block.start - shift, block.end - shift)
    return found if found.end <= history.ends_at else None


def used_block(history: ControlHistory, first: datetime, interval_seconds: float, block: Block) -> Block | None:
    """As `past_block`, for use when no past is left: the past is used again from its beginning, in whole intervals."""
    start, step = _past_start(history, first), timedelta(seconds=interval_seconds)
    length = (history.ends_at - start) // step * step
    if length <= timedelta(0):
        return None
    found = start + (block.start - first) % length
    return Block(found, found + (block.end - block.start))


def _past_start(history: ControlHistory, first: datetime) -> datetime:
    if history.kind != "JustBefore":
        return first - SHIFTS[history.kind]
    assert history.starts_at is not None
    return history.starts_at


def _by_slice(array: AnyArray, first: int) -> AnyArray:
    """A view of the array whose first axes are slices and arms."""
    return np.moveaxis(array, (first + 1, first + 2), (0, 1))


def _places(slices: Sequence[str], among: Sequence[str]) -> list[int]:
    position = {key: index for index, key in enumerate(among)}
    return [position[key] for key in slices]


def _no_shares(blocks: int) -> FloatArray:
    return np.full(blocks, np.nan)  # the traffic split is not tested here


def _trouble(evidence: Evidence, before: Trouble | None, at: datetime, blocks: int) -> Trouble:
    found = judge(evidence, exact=0)
    named = [result for result in found.results if result.verdict is Verdict.REGRESSED]
    keys = frozenset(_name(result) for result in named)
    if before is not None:  # still worse, perhaps in more slices; the first numbers are kept
        return replace(before, named=before.named | keys)
    return Trouble(at, (found.culprits or tuple(named) or found.results)[0], keys, blocks)


def _name(result: Result) -> _Name:
    return result.dataset, result.metric, slice_key(result.slice)


def _is_back(evidence: Evidence, trouble: Trouble) -> bool:
    """Whether the slices are back: not worse than the margin; with margin zero, no evidence for as long as it took."""
    shown = evidence.was_non_inferior | evidence.was_improved
    if evidence.blocks >= trouble.blocks:
        shown = shown | (evidence.log_regression <= 0)
    offsets = {}
    for d, dataset in enumerate(evidence.plan.datasets):
        for m, metric in enumerate(dataset.metrics):
            for s, key in enumerate(evidence.slots[d]):
                offsets[dataset.dataset.name, metric.name, key] = evidence.layout.offsets[d] + m * dataset.slots + s
    return all(name in offsets and bool(shown[offsets[name]]) for name in trouble.named)
