"""Judges two recorded versions as the operator judges a tier: it folds the same blocks, without a cluster.

The store and the time are arguments, so that `analyze`, simulations and tests run the same code.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

import numpy as np

from tierwise.api.names import GateDecision
from tierwise.api.slices import slice_key
from tierwise.monitoring.checks.missing_arms import Place, detect_missing_arms
from tierwise.monitoring.counts.model import Block, Cells, Dataset, Invalid, Scope
from tierwise.monitoring.evidence.fold import Evidence, begin
from tierwise.monitoring.evidence.recorded import blocks_between, fold_past_stop, fold_recorded, runs_of
from tierwise.monitoring.planning.dispersion import Spread
from tierwise.monitoring.planning.tier_plan import TierPlan, TierTerms, plan_tier
from tierwise.monitoring.query.quality.missing_times import WRITTEN_MEANWHILE
from tierwise.monitoring.verdicts.judge import judge
from tierwise.monitoring.verdicts.judgement import Judgement, Result
from tierwise.monitoring.verdicts.results import numbers_of, results_of
from tierwise.plurals import agreeing, plural
from tierwise.rollout.gate import Outcome, Situation, gate
from tierwise.runtime.offline.analysis_window import AnalysisRequest as AnalysisRequest
from tierwise.runtime.offline.analysis_window import TierRequest as TierRequest
from tierwise.runtime.offline.analysis_window import (
    clipped,
    given_dataset,
    scope_of_request,
    window_of,
    with_fitting_blocks,
)
from tierwise.runtime.reading.arrivals import arrival_notes, recorded_arrival_concerns
from tierwise.runtime.reading.dispersion import half_hours_before, pods_behind, spread_in
from tierwise.runtime.reading.missing_times import untimed_of_log
from tierwise.runtime.reading.runs import BLOCKS_AT_ONCE, blocks_at_once, in_runs
from tierwise.runtime.recorded_log import RecordedLog

MOST_OF_OTHERS = 0.01  # a note reports rows of neither version from this share on


@dataclass(frozen=True, slots=True)
class AskedQuery:
    """A query, as it was sent for the first blocks."""

    dataset: str
    hash: str
    sql: str
    parameters: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class TierAnalysis:
    """The outcome for one tier."""

    name: str | None
    plan: TierPlan
    judgement: Judgement
    outcome: Outcome
    whole_file: tuple[Result, ...] = ()  # with `to_end`: counts, values and differences over all rows, no verdicts


@dataclass(frozen=True, slots=True)
class Analysis:
    """What an analysis found. `window` is the whole window; `stopped_at` is the end of the block where it stopped."""

    request: AnalysisRequest
    window: Block
    blocks: int
    stopped_at: datetime | None
    outcome: Outcome
    tiers: tuple[TierAnalysis, ...]
    invalid: Invalid
    queries: tuple[AskedQuery, ...] = field(default=())
    notes: tuple[str, ...] = field(default=())


def analyze(
    request: AnalysisRequest, log: RecordedLog, now: datetime, on_progress: Callable[[int, int], None] = lambda *_: None
) -> Analysis:
    """Fold the blocks in order of prediction time and stop at the first rollback.

    With `to_end` of the request the decision is the same, and the values of the whole window are beside it, in every
    tier. If there would be too many blocks, longer ones are chosen, and a note says so.

    `now` bounds the window: a prediction counts when its label has had the dataset's maturity to arrive.
    `on_progress(done, all)` is called with numbers of blocks.

    Raises:
        SpecError: an unknown column, dimension, metric or version (it lists the known ones), odd times.
        StoreError: the log cannot be read.
    """
    datasets = [given_dataset(item, request.datasets) for item in request.analysis]
    for dataset in datasets:
        log.check(dataset)
    window, exposed = window_of(request, datasets, log, now)
    request, lengthened = with_fitting_blocks(request, window)
    blocks = blocks_between(window.start, window.end, request.block_seconds)
    total = len(blocks) * len(request.tiers)
    asked = _Asked(request, datasets, blocks, exposed)
    tiers: list[TierAnalysis] = []
    for tier in request.tiers:
        done = len(blocks) * len(tiers)
        tiers.append(_tier(asked, tier, log, partial(_progress, on_progress, done, total)))
        if tiers[-1].outcome.decision is GateDecision.ROLL_BACK and not request.to_end:
            break  # as in a rollout, later tiers get nothing
    stops = [tier.judgement.stopped_at for tier in tiers if tier.judgement.stopped_at is not None]
    folded = Block(window.start, min([window.end, *stops]))
    scope = scope_of_request(request, tuple(name for tier in request.tiers for name in tier.log_tiers))
    invalid = [log.count_invalid(dataset, scope, folded, now + WRITTEN_MEANWHILE) for dataset in datasets]
    untimed = [
        _untimed(dataset, scope, log, now, tiers)
        for dataset, found in zip(datasets, invalid, strict=True)
        if found.time
    ]
    return Analysis(
        request=request,
        window=window,
        blocks=sum(block.end <= folded.end for block in blocks),
        stopped_at=min(stops, default=None),
        outcome=min(
            [*(tier.outcome for tier in tiers), *(found for found in untimed if found is not None)],
            key=lambda outcome: _SEVERITY.index(outcome.decision),
        ),
        tiers=tuple(tiers),
        invalid=Invalid(
            score=sum(found.score for found in invalid),
            label=sum(found.label for found in invalid),
            time=sum(found.time for found in invalid),
            version=sum(found.version for found in invalid),
            value=sum(found.value for found in invalid),
        ),
        queries=tuple(_asked(dataset, scope, log, runs_of(blocks, BLOCKS_AT_ONCE)[0]) for dataset in datasets),
        notes=(
            *lengthened,
            *clipped(request, window, now),
            *arrival_notes(log, datasets, scope, folded),
            *_of_others(datasets, invalid, sum(sum(tier.judgement.rows) for tier in tiers)),
        ),
    )


def _progress(report: Callable[[int, int], None], before: int, total: int, done: int) -> None:
    report(before + done, total)


_SEVERITY = (GateDecision.ROLL_BACK, GateDecision.HOLD, GateDecision.PROMOTE)


@dataclass(frozen=True, slots=True)
class _Asked:
    """The values that are the same for all tiers of an analysis."""

    request: AnalysisRequest
    datasets: Sequence[Dataset]
    blocks: Sequence[Block]
    exposed: datetime  # the candidate's first row


def _tier(asked: _Asked, tier: TierRequest, log: RecordedLog, on_progress: Callable[[int], None]) -> TierAnalysis:
    request, datasets, blocks = asked.request, asked.datasets, asked.blocks
    scope = scope_of_request(request, tier.log_tiers)
    whole_window = [Block(blocks[0].start, blocks[-1].end)]
    history = {dataset.name: log.read_cells(dataset, scope, whole_window) for dataset in datasets}
    most = blocks_at_once(datasets, BLOCKS_AT_ONCE)

    def cells_of(run: Sequence[Block]) -> dict[str, Cells]:
        return {dataset.name: log.read_cells(dataset, scope, run) for dataset in datasets}

    plan = plan_tier(
        request.analysis,
        {dataset.name: dataset for dataset in datasets},
        history,
        TierTerms(
            alpha=tier.alpha,
            expected_share=1.0,
            candidate_share=_candidate_share(history),
            max_duration_seconds=tier.max_duration_seconds,
        ),
        spread={} if request.in_file_order else _spread(asked, scope, log),
    )
    pods = pods_behind(log, datasets, scope, whole_window[0])
    evidence = whole = begin(plan)
    done = 0
    for regular in runs_of(blocks, BLOCKS_AT_ONCE):
        for cells in in_runs(regular, most, cells_of):
            if request.to_end:
                whole = fold_past_stop(whole, cells, pods)
            if evidence.stopped_at is None:
                evidence = fold_recorded(evidence, cells, pods)
            done += len(next(iter(cells.values())).blocks)
            on_progress(done)
            if evidence.stopped_at is not None and not request.to_end:
                break
        if evidence.stopped_at is not None and not request.to_end:
            break
    judgement = judge(evidence)
    read = Block(blocks[0].start, evidence.stopped_at or blocks[-1].end)
    concerns = (
        *detect_missing_arms(judgement.rows, judgement.gone, _place(request, tier, sum(judgement.rows))),
        *recorded_arrival_concerns(log, datasets, scope, read),
    )
    values = _in_order_of(judgement, whole) if request.to_end else ()
    return TierAnalysis(tier.name, plan, judgement, gate(Situation(judgement, concerns)), values)


def _in_order_of(judgement: Judgement, whole: Evidence) -> tuple[Result, ...]:
    """Values over all rows, one for each result of the judgement: the plan knows all slices of the window."""
    found = {_name(each): each for each in results_of(whole, numbers_of(whole, 0)).values()}
    return tuple(found[_name(each)] for each in judgement.results)


def _name(result: Result) -> tuple[str, str, str]:
    return result.dataset, result.metric, slice_key(result.slice)


def _spread(asked: _Asked, scope: Scope, log: RecordedLog) -> dict[str, Spread]:
    """A tier's pods in the day before the candidate's first row, of datasets that name them."""
    every = tuple(name for tier in asked.request.tiers for name in tier.log_tiers)
    metrics = {item.name: tuple(metric.name for metric in item.metrics) for item in asked.request.analysis}
    blocks = half_hours_before(asked.exposed)
    found = {item.name: spread_in(log, item, scope, metrics[item.name], blocks, every) for item in asked.datasets}
    return {name: spread for name, spread in found.items() if spread is not None}


def _of_others(datasets: Sequence[Dataset], invalid: Sequence[Invalid], judged: int) -> list[str]:
    """Notes of rows of neither version if there are more than a few, because an arm's failures may be among them."""
    return [
        f"dataset {dataset.name!r}: {found.version} of {plural(judged + found.version, 'row')} "
        f"({found.version / (judged + found.version):.1%}) {agreeing(found.version, 'is', 'are')} of neither version, "
        f"or {agreeing(found.version, 'has none, and counts', 'have none, and count')} in no arm; "
        "check spec.columns.version"
        for dataset, found in zip(datasets, invalid, strict=True)
        if found.version and found.version >= MOST_OF_OTHERS * (judged + found.version)
    ]


def _untimed(
    dataset: Dataset, scope: Scope, log: RecordedLog, now: datetime, tiers: Sequence[TierAnalysis]
) -> Outcome | None:
    """Concerns about rows outside every block, which are not judged. If there are many, or one arm has more, hold."""
    rows = [tier.judgement.rows for tier in tiers]
    timed = sum(baseline for baseline, _ in rows), sum(candidate for _, candidate in rows)
    held = untimed_of_log(log, dataset, scope, timed, now)
    return None if held is None else gate(Situation(concerns=(held,)))


def _candidate_share(history: Mapping[str, Cells]) -> float:
    """The candidate's share of all rows of the window; 0.5 if there are none."""
    by_arm = sum((cells.counts[:, 0].sum(axis=(0, 2, 3)) for cells in history.values()), np.zeros(2))
    return float(by_arm[1] / by_arm.sum()) if by_arm.sum() else 0.5


def _place(request: AnalysisRequest, tier: TierRequest, rows: int) -> Place:
    """The advice for a person if rows of a recorded log are missing."""
    if request.in_file_order:
        stopped = f"mix the rows, or judge all of them as one block: --block {rows}"
    else:
        stopped = "give --until the time until which both were served"
    names = "check the versions' names, and spec.columns.version"
    prefix = f"tier {tier.name!r}: " if tier.name else ""
    return Place(request.baseline, request.candidate, prefix, none=names, one=names, stopped=stopped)


def _asked(dataset: Dataset, scope: Scope, log: RecordedLog, blocks: Sequence[Block]) -> AskedQuery:
    query = log.query_of(dataset, scope, blocks)
    return AskedQuery(dataset.name, log.hash_of(dataset), query.sql, query.parameters)
