"""Looks at delivered tiers: chooses blocks and their control, and folds them. A restart repeats the fold."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby

from tierwise.api.common import duration_seconds
from tierwise.api.modelrollout import Verification
from tierwise.api.reasons import Reason
from tierwise.errors import ReasonedError
from tierwise.monitoring.checks.concern import Concern, concern_of
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE, Block, Cells, Dataset, Reads
from tierwise.monitoring.counts.strata import crossed_groupings
from tierwise.monitoring.verification.coverage import Coverage
from tierwise.monitoring.verification.fold import (
    Watch,
    begin_watch,
    fold_past,
    fold_strata,
    past_of_block,
    strata_of_block,
)
from tierwise.monitoring.verification.hypotheses import Control
from tierwise.monitoring.verification.results import has_compared, not_compared, results_of_watch
from tierwise.rollout.state.observation import VerificationLook
from tierwise.runtime.reading.datasets import Source, resolve
from tierwise.runtime.reading.request import RolloutRequest
from tierwise.runtime.reading.runs import blocks_at_once, read_run
from tierwise.runtime.verification.blocks import (
    Piece,
    choose_past,
    pieces_of,
    shifts_of,
    tier_scope,
    tiers_of,
    watched_of,
)
from tierwise.runtime.verification.coverage import ByTier, coverage_of, missing_of, read_by_tier, with_run
from tierwise.runtime.verification.pods import TierPods, pods_of, sigma_of

_BLOCKS_PER_READ = 96
_DAY = timedelta(days=1)
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class _Progress:
    """The state of the fold of one stage."""

    stage: str
    past: tuple[float | None, tuple[int, ...]]
    pods: TierPods
    watch: Watch
    coverage: Coverage | None
    pieces: int


@dataclass(slots=True)
class Verifying:
    """Folds incrementally. The cached state only saves time, as for the judgement of a tier."""

    safety: timedelta
    kept: dict[tuple[str, str], tuple[str, _Progress]] = field(default_factory=dict)

    def look(self, request: RolloutRequest) -> VerificationLook | Concern | None:
        """Take one look; None if no stage is open. It never raises for a fault of the log or of a dataset."""
        record = request.rollout.status.verification
        if record is None or record.verdict != "Verifying":
            return None
        try:
            return self._look(request, record)
        except ReasonedError as error:
            return concern_of(error)

    def forget(self, namespace: str, name: str) -> None:
        """Remove a ModelDeployment that no longer exists."""
        self.kept.pop((namespace, name), None)

    def _look(self, request: RolloutRequest, record: Verification) -> VerificationLook | Concern:
        analysis = request.rollout.spec.strategy.analysis
        sources = resolve(request.deployment.namespace, analysis, request.fleet, request.stores)
        problem = _problem(sources, analysis.confounders)
        if problem is not None:
            return problem
        control: Control = "stratified" if record.stage == "BesideOtherTiers" and analysis.confounders else "history"
        if control == "history" and record.shift_seconds is None:
            past = choose_past(request, record, _counts_only(sources))
            if past is None:
                return Concern(
                    Reason.NO_ROWS,
                    f"the log has no past of {request.rollout.spec.from_.name} to compare with, neither a week, days "
                    "nor the time before the rollout",
                )
            return VerificationLook(control=control, shift_seconds=past.shift_seconds, past_days=past.days)
        mature = self._mature(request, sources)
        if isinstance(mature, Concern):
            return mature
        pieces = pieces_of(request, record, mature, control)
        progress = self._fold(request, record, sources, control, pieces)
        watch = progress.watch
        results = results_of_watch(watch)
        return VerificationLook(
            control=control,
            shift_seconds=record.shift_seconds,
            past_days=tuple(record.past_days),
            looks=watch.looks,
            until=watch.until,
            complete_until=min(mature, record.until) if record.until is not None else mature,
            results=results,
            regressed=watch.stopped_at is not None,
            has_compared=has_compared(watch),
            watched=watch.of.watched,
            skipped=(*watch.of.skipped, *not_compared(watch)),
            missing=missing_of(request, record, sources, progress.coverage, watch, mature),
        )

    def _mature(self, request: RolloutRequest, sources: Mapping[str, Source]) -> datetime | Concern:
        mature = []
        for name, source in sources.items():
            scope = tier_scope(request, source.dataset, tiers_of(request))
            newest = source.store.watermark(source.dataset, scope, request.now)
            if newest is None:
                return Concern(Reason.NO_ROWS, f"dataset {name!r}: the log has no predictions")
            delay = timedelta(seconds=duration_seconds(source.dataset.spec.maturity))
            mature.append(min(newest, request.now - self.safety) - delay)
        return min(mature)

    def _fold(
        self,
        request: RolloutRequest,
        record: Verification,
        sources: Mapping[str, Source],
        control: Control,
        pieces: Sequence[Piece],
    ) -> _Progress:
        owner = (request.deployment.namespace, request.deployment.name)
        uid, kept = self.kept.get(owner, ("", None))
        is_same = uid == request.rollout.uid and kept is not None and kept.stage == record.stage
        progress = kept if is_same and kept is not None and kept.pieces <= len(pieces) else None
        past = (record.shift_seconds, tuple(record.past_days))
        if progress is None or progress.past != past:
            sigma = sigma_of(request.rollout.status.tiers)
            of = watched_of(request, record, sources, control, sigma)
            pods = pods_of(request, sources, sigma)
            coverage = coverage_of(request, record, of)
            progress = _Progress(record.stage, past, pods, begin_watch(of), coverage, 0)
        read = _reader(request, record, sources, progress)
        shifts = shifts_of(record)
        most = max(1, blocks_at_once(progress.watch.of.datasets, _BLOCKS_PER_READ) // len(shifts))
        while progress.pieces < len(pieces):
            left = pieces[progress.pieces :]
            same = next(list(run) for _, run in groupby(left, key=lambda piece: piece.delivered))
            within_a_day = [piece for piece in same if piece.block.end - same[0].block.start <= _DAY] or same[:1]
            run, cells = read_run(within_a_day, most, read)
            watch, coverage = progress.watch, progress.coverage
            if coverage is not None and cells.by_tier is not None:
                coverage = with_run(coverage, cells.now, cells.before[0], cells.by_tier)
            for index, piece in enumerate(run):
                watch = _folded(watch, piece, index, cells, progress.pods.apart(piece, control))
            progress = replace(progress, watch=watch, coverage=coverage, pieces=progress.pieces + len(run))
            self.kept[owner] = (request.rollout.uid, progress)
        return progress


@dataclass(frozen=True, slots=True)
class _Cells:
    """The counts that are compared in some blocks. `elsewhere` are the tiers to come, now and before."""

    now: Mapping[str, Cells]
    before: Sequence[Mapping[str, Cells]]  # by past day, the nearest first; within strata: the tiers to come, now
    elsewhere: tuple[Mapping[str, Cells], Sequence[Mapping[str, Cells]]] | None = None
    by_tier: ByTier | None = None  # after the rollout


def _reader(
    request: RolloutRequest, record: Verification, sources: Mapping[str, Source], progress: _Progress
) -> Callable[[Sequence[Piece]], _Cells]:
    """A function that reads the counts of a run of blocks. In all these blocks the same tiers are delivered."""
    of, coverage = progress.watch.of, progress.coverage
    confounders = request.rollout.spec.strategy.analysis.confounders
    shifts = shifts_of(record)

    def within(dataset: Dataset) -> Dataset:
        if of.control == "history":
            return dataset
        return replace(dataset, groupings=crossed_groupings(dataset.groupings, confounders))

    datasets = [within(dataset) for dataset in of.datasets]

    def cells(tiers: tuple[str, ...], blocks: Sequence[Block]) -> dict[str, Cells]:
        return {
            dataset.name: sources[dataset.name].store.read_cells(dataset, tier_scope(request, dataset, tiers), blocks)
            for dataset in datasets
        }

    def by_day(tiers: tuple[str, ...], blocks: Sequence[Block]) -> list[Mapping[str, Cells]]:
        """One read of all days; blocks within one day do not overlap those of another."""
        found = cells(tiers, [_earlier(block, shift) for shift in reversed(shifts) for block in blocks])
        count = len(blocks)
        starts = [first * count for first in reversed(range(len(shifts)))]
        return [{name: one.take_blocks(slice(start, start + count)) for name, one in found.items()} for start in starts]

    def read(run: Sequence[Piece]) -> _Cells:
        delivered, others = run[0].delivered, run[0].others
        blocks = [piece.block for piece in run]
        now = cells(delivered, blocks)
        if of.control == "stratified":
            return _Cells(now, [cells(others, blocks)])
        elsewhere = (cells(others, blocks), by_day(others, blocks)) if others else None
        by_tier = None if coverage is None else read_by_tier(request, sources, coverage, datasets, run, shifts[0])
        return _Cells(now, by_day(delivered, blocks), elsewhere, by_tier)

    return read


def _earlier(block: Block, shift: timedelta) -> Block:
    return Block(block.start - shift, block.end - shift)


def _folded(watch: Watch, piece: Piece, index: int, cells: _Cells, pods: Sequence[int]) -> Watch:
    of = watch.of
    if of.control == "stratified":
        return fold_strata(watch, piece.block.end, strata_of_block(of, cells.now, cells.before[0], index), pods)
    here = [past_of_block(of, cells.now, before, index, CANDIDATE) for before in cells.before]
    now, days = cells.elsewhere or ({}, ())
    elsewhere = [past_of_block(of, now, before, index, BASELINE) for before in days]
    return fold_past(watch, piece.block.end, here, elsewhere, pods, tiers=piece.delivered)


def _counts_only(sources: Mapping[str, Source]) -> dict[str, Source]:
    """The sources without bins and sums, to check only whether there are rows."""
    return {name: replace(source, dataset=replace(source.dataset, reads=Reads())) for name, source in sources.items()}


def _problem(sources: Mapping[str, Source], confounders: Sequence[str]) -> Concern | None:
    for name, source in sources.items():
        spec = source.dataset.spec
        known = {dimension.name: dimension.expression for dimension in spec.dimensions}
        for confounder in confounders:
            if confounder not in known:
                text = f"dataset {name!r} has no dimension {confounder!r}, which analysis.confounders names"
                return Concern(Reason.UNKNOWN_DIMENSION, f"{text}; add it there", stalled=True)
        if not spec.columns.tier:
            text = f"dataset {name!r} names no column of tiers; set columns.tier, so that delivered tiers can be told"
            return Concern(Reason.NOT_SUPPORTED, text, stalled=True)
    return None
