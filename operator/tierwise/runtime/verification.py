"""Looks at delivered tiers: which blocks, against what, and the fold that a restart repeats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import groupby

from tierwise.api.common import duration_seconds
from tierwise.api.modelrollout import Verification
from tierwise.api.names import Reason
from tierwise.metrics.failed import MetricFailedError
from tierwise.monitoring.cells import BASELINE, CANDIDATE, Block, Cells, Dataset, Reads
from tierwise.monitoring.verified import has_compared, results_of_watch
from tierwise.monitoring.verifying import (
    Control,
    Watch,
    begin_watch,
    counts_of,
    crossed_groupings,
    fold_past,
    fold_strata,
    strata_counts,
)
from tierwise.rollout.observation import JudgementUnavailable, VerificationLook
from tierwise.runtime.datasets import Source, resolve
from tierwise.runtime.errors import SpecError, TierwiseError
from tierwise.runtime.verification_blocks import (
    Piece,
    VerificationRequest,
    choose_shift,
    pieces_of,
    tier_scope,
    tiers_of,
    watched_of,
)

__all__ = ["VerificationRequest", "Verifying"]

_BLOCKS_PER_READ = 96
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class _Progress:
    """What was folded of a stage."""

    stage: str
    shift_seconds: float | None
    watch: Watch
    pieces: int


@dataclass(slots=True)
class Verifying:
    """Folds incrementally; what is kept is only an answer's speed, as for the judgement of a tier."""

    safety: timedelta
    kept: dict[tuple[str, str], tuple[str, _Progress]] = field(default_factory=dict)

    def look(self, request: VerificationRequest) -> VerificationLook | JudgementUnavailable | None:
        """One look; None where no stage is open. Never raises for what the log or a dataset does."""
        record = request.rollout.status.verification
        if record is None or record.verdict != "Verifying":
            return None
        try:
            return self._look(request, record)
        except SpecError as error:
            return JudgementUnavailable(error.reason, str(error), stalled=True)
        except MetricFailedError as error:
            return JudgementUnavailable(Reason.METRIC_FAILED, str(error))
        except TierwiseError as error:
            return JudgementUnavailable(error.reason, str(error))

    def forget(self, namespace: str, name: str) -> None:
        """The ModelDeployment is gone."""
        self.kept.pop((namespace, name), None)

    def _look(self, request: VerificationRequest, record: Verification) -> VerificationLook | JudgementUnavailable:
        analysis = request.rollout.spec.strategy.analysis
        found = resolve(request.deployment.namespace, analysis, request.fleet, request.stores)
        sources = {name: replace(source, dataset=_counts_only(source.dataset)) for name, source in found.items()}
        problem = _problem(sources, analysis.confounders)
        if problem is not None:
            return problem
        control: Control = "stratified" if record.stage == "BesideOtherTiers" and analysis.confounders else "history"
        if control == "history" and record.shift_seconds is None:
            shift = choose_shift(request, record, sources)
            if shift is None:
                return JudgementUnavailable(
                    Reason.NO_ROWS,
                    f"the log has no past of {request.rollout.spec.from_.name} to compare with, neither a week, days "
                    "nor the time before the rollout",
                )
            return VerificationLook(control=control, shift_seconds=shift)
        mature = self._mature(request, sources)
        if isinstance(mature, JudgementUnavailable):
            return mature
        pieces = pieces_of(request, record, mature, control)
        progress = self._fold(request, record, sources, control, pieces)
        watch = progress.watch
        results = results_of_watch(watch)
        return VerificationLook(
            control=control,
            shift_seconds=record.shift_seconds,
            looks=watch.looks,
            until=watch.until,
            complete_until=min(mature, record.until) if record.until is not None else mature,
            results=results[:_SHOWN],
            regressed=watch.stopped_at is not None,
            has_compared=has_compared(watch),
            skipped=watch.of.skipped,
        )

    def _mature(self, request: VerificationRequest, sources: Mapping[str, Source]) -> datetime | JudgementUnavailable:
        mature = []
        for name, source in sources.items():
            scope = tier_scope(request, source.dataset, tiers_of(request))
            newest = source.store.watermark(source.dataset, scope, request.now)
            if newest is None:
                return JudgementUnavailable(Reason.NO_ROWS, f"dataset {name!r}: the log has no predictions")
            delay = timedelta(seconds=duration_seconds(source.dataset.spec.maturity))
            mature.append(min(newest, request.now - self.safety) - delay)
        return min(mature)

    def _fold(
        self,
        request: VerificationRequest,
        record: Verification,
        sources: Mapping[str, Source],
        control: Control,
        pieces: Sequence[Piece],
    ) -> _Progress:
        owner = (request.deployment.namespace, request.deployment.name)
        uid, kept = self.kept.get(owner, ("", None))
        is_same = uid == request.rollout.uid and kept is not None and kept.stage == record.stage
        progress = kept if is_same and kept is not None and kept.pieces <= len(pieces) else None
        if progress is None or progress.shift_seconds != record.shift_seconds:
            of = watched_of(request, record, sources, control)
            progress = _Progress(record.stage, record.shift_seconds, begin_watch(of, control), 0)
        while progress.pieces < len(pieces):
            left = pieces[progress.pieces :]
            same = next(list(run) for _, run in groupby(left, key=lambda piece: piece.delivered))
            run = same[:_BLOCKS_PER_READ]
            fold = _fold_strata if control == "stratified" else _fold_past
            watch = fold(request, record, sources, progress.watch, run)
            progress = replace(progress, watch=watch, pieces=progress.pieces + len(run))
            self.kept[owner] = (request.rollout.uid, progress)
        return progress


def _counts_only(dataset: Dataset) -> Dataset:
    """Only counts are watched: bins and sums need not be read."""
    return replace(dataset, reads=Reads(weights=dataset.reads.weights))


def _problem(sources: Mapping[str, Source], confounders: Sequence[str]) -> JudgementUnavailable | None:
    for name, source in sources.items():
        spec = source.dataset.spec
        known = {dimension.name: dimension.expression for dimension in spec.dimensions}
        for confounder in confounders:
            if confounder not in known:
                text = f"dataset {name!r} has no dimension {confounder!r}, which analysis.confounders names"
                return JudgementUnavailable(Reason.UNKNOWN_DIMENSION, f"{text}; add it there", stalled=True)
        if not spec.columns.tier:
            text = f"dataset {name!r} names no column of tiers; set columns.tier, so that delivered tiers can be told"
            return JudgementUnavailable(Reason.NOT_SUPPORTED, text, stalled=True)
    return None


def _read(
    request: VerificationRequest, sources: Mapping[str, Source], tiers: tuple[str, ...], blocks: Sequence[Block]
) -> dict[str, Cells]:
    return {
        name: source.store.read_cells(source.dataset, tier_scope(request, source.dataset, tiers), blocks)
        for name, source in sources.items()
    }


def _fold_past(
    request: VerificationRequest,
    record: Verification,
    sources: Mapping[str, Source],
    watch: Watch,
    run: Sequence[Piece],
) -> Watch:
    shift = timedelta(seconds=record.shift_seconds or 0.0)
    blocks = [piece.block for piece in run]
    earlier = [Block(block.start - shift, block.end - shift) for block in blocks]
    delivered, others = run[0].delivered, run[0].others
    now = _read(request, sources, delivered, blocks)
    before = _read(request, sources, delivered, earlier)
    elsewhere = [_read(request, sources, others, when) for when in (blocks, earlier)] if others else []
    of = watch.of
    for index, block in enumerate(blocks):
        watch = fold_past(
            watch,
            block.end,
            counts_of(of, now, index, CANDIDATE),
            counts_of(of, before, index, BASELINE),
            *(counts_of(of, cells, index, BASELINE) for cells in elsewhere),
        )
    return watch


def _fold_strata(
    request: VerificationRequest,
    record: Verification,  # noqa: ARG001  # as `_fold_past`
    sources: Mapping[str, Source],
    watch: Watch,
    run: Sequence[Piece],
) -> Watch:
    confounders = request.rollout.spec.strategy.analysis.confounders
    crossed = {
        name: replace(
            source, dataset=replace(source.dataset, groupings=crossed_groupings(source.dataset.groupings, confounders))
        )
        for name, source in sources.items()
    }
    blocks = [piece.block for piece in run]
    now = _read(request, crossed, run[0].delivered, blocks)
    elsewhere = _read(request, crossed, run[0].others, blocks)
    of = watch.of
    for index, block in enumerate(blocks):
        watch = fold_strata(
            watch,
            block.end,
            strata_counts(of, now, index, CANDIDATE),
            strata_counts(of, elsewhere, index, BASELINE),
        )
    return watch
