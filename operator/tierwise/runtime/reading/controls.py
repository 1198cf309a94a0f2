"""Chooses the past that a tier's control is compared with, and reads it ahead of the looks."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial

from tierwise.api.common import duration_seconds
from tierwise.api.frozen import ControlHistory
from tierwise.api.strategy import Analysis
from tierwise.monitoring.counts.model import BASELINE, Block, Cells
from tierwise.monitoring.planning.day_spread import days_apart
from tierwise.monitoring.verdicts.control_drift import (
    SHIFTS,
    ControlEvidence,
    against_past,
    day_tail,
    fold_control,
    past_block,
    used_block,
)
from tierwise.rollout.state.blocks import SharedBlock
from tierwise.runtime.reading.datasets import BoundSource
from tierwise.runtime.reading.runs import blocks_at_once, read_run
from tierwise.stats.days import MIN_DAYS, MOST_DAYS

_DAY = timedelta(days=1)
_PIECES = 4  # of a week's or day's window: each must have rows of the control
_ROWS_EACH = 30  # fewest in such a piece: fewer cannot have the 30 bad and 30 good ones that a comparison takes
_SPARSEST = 0.02  # of the mean piece's rows: a past with a hole is not matched by the time of day
_READ_AHEAD = 60  # blocks per query: a look then seldom asks a query of its own for the past
_FINE = 60


def past_of_tier(
    sources: Mapping[str, BoundSource],
    analysis: Analysis,
    began: datetime,
    start: datetime,
    max_seconds: float,
    alpha: float,
) -> ControlHistory | None:
    """The past with which the control of a tier that starts at `start` is compared.

    The past ends where the rollout began: what changed while earlier tiers were judged must not pass for usual. How far
    two days may be apart is learned from the days before; `alpha` is the tier's.
    """
    if analysis.external_cause == "Ignore":
        return None
    interval = duration_seconds(analysis.interval)
    found = choose_history(sources, end=began, start=start, max_seconds=max_seconds, interval_seconds=interval)
    if found is None or found.kind == "JustBefore":
        return found
    window = Block(start, start + timedelta(seconds=max_seconds))
    days = matched_days(sources, window, max(1, math.ceil((window.end - began) / _DAY)))
    if len(days) < MIN_DAYS:
        return found.model_copy(update={"days": len(days)})
    names = {item.name: [metric.name for metric in item.metrics] for item in analysis.datasets}
    tail = day_tail(alpha, sum(len(metrics) for metrics in names.values()))
    blocks = [Block(window.start - day * _DAY, window.end - day * _DAY) for day in reversed(days)]
    apart: dict[str, list[float]] = {}
    for name, source in sources.items():
        cells = source.store.read_cells(source.dataset, source.scope, blocks)
        learned = days_apart(source.dataset, cells, names[name], tail)
        apart |= {f"{name}/{metric}": values for metric, values in learned.items()}
    return found.model_copy(update={"days": len(days), "apart": apart})


def choose_history(
    sources: Mapping[str, BoundSource],
    *,
    end: datetime,
    max_seconds: float,
    interval_seconds: float,
    start: datetime | None = None,
) -> ControlHistory | None:
    """Choose the same hours of the week before, else of the day before, else the time just before.

    `end` is where the past ends (the tier's start), `start` where what is compared with it begins (default: `end`).
    A week or a day counts where every dataset has enough rows of the baseline in each quarter of the `max_seconds` from
    there: 30, and a fiftieth of the quarters' mean.
    """
    for kind, shift in SHIFTS.items():
        first = (start or end) - shift
        window = Block(first, min(end, first + timedelta(seconds=max_seconds)))
        if window.start >= window.end:
            continue
        if all(_is_whole(rows) for rows in _rows(sources, _pieces(window, _PIECES))):
            return ControlHistory(kind=kind, ends_at=end)
    return just_before(sources, end=end, max_seconds=max_seconds, interval_seconds=interval_seconds)


def just_before(
    sources: Mapping[str, BoundSource], *, end: datetime, max_seconds: float, interval_seconds: float
) -> ControlHistory | None:
    """As many whole intervals before `end` as have rows, at most `max_seconds`; None without any."""
    found = _first_rows(sources, Block(end - timedelta(seconds=max_seconds), end))
    intervals = int((end - found).total_seconds() // interval_seconds) if found is not None else 0
    if not intervals:
        return None
    starts_at = end - timedelta(seconds=intervals * interval_seconds)
    return ControlHistory(kind="JustBefore", starts_at=starts_at, ends_at=end)


def matched_days(sources: Mapping[str, BoundSource], window: Block, nearest: int) -> tuple[int, ...]:
    """How many days before `window` each past day with enough rows at its hours is: the last `MOST_DAYS` of them.

    `nearest` is the first that counts. Of twice as many days those count where every dataset has enough rows of the
    baseline in each quarter of the window, as for `choose_history`. Days of a window that is longer than a day are as
    many days apart: what has rows in common does not say how days differ.
    """
    step = max(1, math.ceil((window.end - window.start) / _DAY))
    days = [nearest + i * step for i in range(2 * MOST_DAYS)]
    pieces = _pieces(window, _PIECES)
    blocks = [Block(p.start - day * _DAY, p.end - day * _DAY) for day in reversed(days) for p in pieces]
    rows = _rows(sources, blocks)
    found = []
    for i, day in enumerate(reversed(days)):
        quarters = slice(i * _PIECES, (i + 1) * _PIECES)
        if all(_is_whole(each[quarters]) for each in rows):
            found.append(day)
    return tuple(reversed(found))[:MOST_DAYS]


def _is_whole(rows: Sequence[int]) -> bool:
    return min(rows) >= max(_ROWS_EACH, _SPARSEST * sum(rows) / len(rows))


def _first_rows(sources: Mapping[str, BoundSource], window: Block) -> datetime | None:
    """The time from which every dataset has rows of the control, with a precision of 1/3600 of the window."""
    for _ in range(2):
        pieces = _pieces(window, _FINE)
        firsts = [next((i for i, n in enumerate(rows) if n), None) for rows in _rows(sources, pieces)]
        found = [first for first in firsts if first is not None]
        if len(found) < len(firsts) or not found:
            return None
        window = pieces[max(found)]
    return window.start


def _pieces(window: Block, count: int) -> tuple[Block, ...]:
    step = (window.end - window.start) / count
    return tuple(Block(window.start + i * step, window.start + (i + 1) * step) for i in range(count))


def _rows(sources: Mapping[str, BoundSource], blocks: Sequence[Block]) -> tuple[tuple[int, ...], ...]:
    """Rows of the control per dataset and block."""
    found = []
    for source in sources.values():
        cells = source.store.read_cells(replace(source.dataset, groupings=()), source.scope, blocks)
        counted = cells.counts[:, 0, BASELINE].sum(axis=(1, 2)).tolist() if cells.slices else [0] * len(blocks)
        found.append(tuple(counted))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Followed:
    """The tier whose control is watched, its past, the start of judging, and the length of a block."""

    key: tuple[str, str]
    history: ControlHistory | None
    first: datetime
    interval_seconds: float


@dataclass(slots=True)
class ControlPast:
    """Reads the past of one tier's control several intervals ahead, and keeps it until the looks have used it."""

    key: tuple[str, str] = ("", "")
    ahead: dict[str, Cells] = field(default_factory=dict)
    at_once: dict[str, int] = field(default_factory=dict)  # by dataset: what the store's limits leave of a read

    def watch(
        self,
        state: ControlEvidence,
        tier: Followed,
        chosen: Sequence[SharedBlock],
        now: Mapping[str, Cells],
        sources: Mapping[str, BoundSource],
    ) -> ControlEvidence:
        """The watch after the blocks in `now`. Blocks without a past are left out."""
        history = tier.history
        if history is None:
            return state
        if tier.key != self.key:
            self.key, self.ahead = tier.key, {}
        pasts = [past_block(history, tier.first, shared.block) for shared in chosen]
        fresh = sum(block is not None for block in pasts)  # the past ends once, so these are the first
        if fresh:
            cells = self._match(now, range(fresh), pasts, sources, tier)
            state = fold_control(state, cells)
        if state.trouble is not None and fresh < len(chosen):
            pasts = [used_block(history, tier.first, tier.interval_seconds, shared.block) for shared in chosen]
            for run in _ascending(pasts, range(fresh, len(chosen))):
                cells = self._match(now, run, pasts, sources, tier)
                state = fold_control(state, cells, until_back=True)
        return state

    def _match(
        self,
        now: Mapping[str, Cells],
        chosen: Sequence[int],
        pasts: Sequence[Block | None],
        sources: Mapping[str, BoundSource],
        tier: Followed,
    ) -> dict[str, Cells]:
        """Fold some blocks of `now` against their pasts."""
        wanted = [block for index in chosen if (block := pasts[index]) is not None]
        return {
            name: against_past(
                now[name].take_blocks(chosen),
                self._read(name, source, wanted, tier),
            )
            for name, source in sources.items()
            if wanted
        }

    def _read(self, name: str, source: BoundSource, wanted: Sequence[Block], tier: Followed) -> Cells:
        """Read the past of these blocks by one query. For one block of a whole interval, read the next sixty ahead."""
        if len(wanted) > 1:
            return source.store.read_cells(source.dataset, source.scope, wanted)
        assert tier.history is not None
        block, step = wanted[0], timedelta(seconds=tier.interval_seconds)
        kept = self.ahead.get(name)
        if kept is None or block not in kept.blocks:
            if block.end - block.start != step:  # the block was cut because the pods changed
                return source.store.read_cells(source.dataset, source.scope, wanted)
            most = blocks_at_once([source.dataset], self.at_once.get(name, _READ_AHEAD))
            count = min(most, int((tier.history.ends_at - block.start) / step))
            blocks = [Block(block.start + i * step, block.start + (i + 1) * step) for i in range(count)]
            run, read = read_run(blocks, most, partial(source.store.read_cells, source.dataset, source.scope))
            if len(run) < count:
                self.at_once[name] = len(run)
            kept = self.ahead[name] = read
        return kept.take_blocks([kept.blocks.index(block)])


def _ascending(pasts: Sequence[Block | None], chosen: Sequence[int]) -> list[list[int]]:
    """The indices in runs whose pasts are in order of time, because one query reads blocks in that order."""
    runs: list[list[int]] = []
    last: datetime | None = None
    for index in chosen:
        block = pasts[index]
        if block is None:
            continue
        if last is None or block.start < last:
            runs.append([])
        runs[-1].append(index)
        last = block.end
    return runs
