"""The request of an analysis, and the window of the log that it reads."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tierwise.api.common import duration_seconds
from tierwise.api.modeldeployment import DatasetAnalysis
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.reasons import Reason
from tierwise.errors import SpecError
from tierwise.monitoring.counts.model import Block, Dataset, Scope
from tierwise.monitoring.planning.required_reads import reads_of
from tierwise.monitoring.planning.tier_plan import groupings_of
from tierwise.plurals import agreeing, plural
from tierwise.runtime.recorded_log import RecordedLog, VersionRows

MAX_BLOCKS = 50_000
_UNITS = ((86_400.0, "d"), (3600.0, "h"), (60.0, "m"))
_ROUND_SECONDS = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 21600.0)
ODD_SHARE = 0.01  # up to this share, rows far from all others probably have a wrong time


@dataclass(frozen=True, slots=True)
class TierRequest:
    """One judgement: its share of α, and which tiers of the log it reads (empty: all rows).

    `sharing` is the number of the rollout's tiers that share its α.
    """

    name: str | None
    alpha: float
    max_duration_seconds: float
    log_tiers: tuple[str, ...] = ()
    sharing: int = 1


@dataclass(frozen=True, slots=True)
class AnalysisRequest:
    """What to compare. `datasets` are by name; times are UTC-aware; blocks are `block_seconds` of prediction time."""

    model: str | None
    baseline: str
    candidate: str
    analysis: tuple[DatasetAnalysis, ...]
    datasets: Mapping[str, MonitoringDatasetSpec]
    tiers: tuple[TierRequest, ...]
    since: datetime | None
    until: datetime | None
    block_seconds: float
    in_file_order: bool = False  # times are row numbers and are not shown
    to_end: bool = False  # after a rollback the rest is read too, for the values over the whole file


def scope_of_request(request: AnalysisRequest, log_tiers: tuple[str, ...]) -> Scope:
    """The scope of the rows that are compared, in these tiers of the log."""
    return Scope(request.model, request.baseline, request.candidate, log_tiers)


def given_dataset(analysis: DatasetAnalysis, specs: Mapping[str, MonitoringDatasetSpec]) -> Dataset:
    """The dataset that an analysis names, with its groupings and metrics.

    Raises:
        SpecError: the dataset was not given, or it cannot be judged in this way.
    """
    spec = specs.get(analysis.name)
    if spec is None:
        raise SpecError(
            f"dataset {analysis.name!r} was not given (datasets: {', '.join(specs) or 'none'})",
            "give its manifest with --dataset",
            reason=Reason.DATASET_MISSING,
        )
    return Dataset(analysis.name, spec, groupings_of(analysis, spec), reads=reads_of(analysis, spec))


def window_of(
    request: AnalysisRequest, datasets: Sequence[Dataset], log: RecordedLog, now: datetime
) -> tuple[Block, datetime]:
    """The window, and the time of the candidate's first row.

    The window goes from the first row of either version to the last mature one, within --since and --until.

    Raises:
        SpecError: a version has no rows (it lists the versions that have), or a few rows with odd times make the
            window too long.
    """
    firsts, lasts, exposed = [], [], []
    scope = scope_of_request(request, tuple(name for tier in request.tiers for name in tier.log_tiers))
    maturity = max(duration_seconds(dataset.spec.maturity) for dataset in datasets)
    mature = now if request.in_file_order else now - timedelta(seconds=maturity)
    until = min(request.until or mature, mature)
    for dataset in datasets:
        seen = log.survey(dataset, scope, (request.since, until))
        for role, version in (("candidate", request.candidate), ("baseline", request.baseline)):
            if version not in seen:
                raise _missing_version(request, dataset, role, version, seen)
            firsts.append(seen[version].first)
            lasts.append(seen[version].last)
        exposed.append(seen[request.candidate].first)
    start = request.since or min(firsts)
    # The window is half-open: it ends just after the last row.
    after_last = max(lasts) + (timedelta(seconds=1) if request.in_file_order else timedelta(milliseconds=1))
    end = min(until, after_last)
    window = Block(start, end)
    if (end - start).total_seconds() > MAX_BLOCKS * request.block_seconds:
        odd = _odd_rows(request, datasets, log, window)
        if odd is not None:
            raise odd
    return window, max(start, min(exposed))


def with_fitting_blocks(request: AnalysisRequest, window: Block) -> tuple[AnalysisRequest, tuple[str, ...]]:
    """The request with blocks so long that no more than `MAX_BLOCKS` are in the window, and a note where they were not.

    A longer block only makes looks rarer: the bound on false alarms is the same.
    """
    seconds = (window.end - window.start).total_seconds()
    count = math.ceil(seconds / request.block_seconds)
    if count <= MAX_BLOCKS:
        return request, ()
    chosen = next(step for step in _longer_blocks(in_rows=request.in_file_order) if seconds <= step * MAX_BLOCKS)
    asked, taken = (_length(each, in_rows=request.in_file_order) for each in (request.block_seconds, chosen))
    note = f"{count} blocks of {asked} are more than {MAX_BLOCKS}: blocks of {taken} are judged; --block sets a length"
    return replace(request, block_seconds=chosen), (note,)


def _longer_blocks(*, in_rows: bool) -> Iterator[float]:
    """Round lengths, ever longer: in rows 1, 2, 5, 10 and so on, else in seconds up to whole days."""
    if not in_rows:
        yield from _ROUND_SECONDS
    scale = 1.0 if in_rows else 86_400.0
    while True:
        yield from (step * scale for step in (1, 2, 5))
        scale *= 10


def _length(seconds: float, *, in_rows: bool) -> str:
    if in_rows:  # a second is a row
        return plural(round(seconds), "row")
    unit, text = next((each for each in _UNITS if seconds % each[0] == 0), (1.0, "s"))
    return f"{seconds / unit:g}{text}"


def _odd_rows(
    request: AnalysisRequest, datasets: Sequence[Dataset], log: RecordedLog, window: Block
) -> SpecError | None:
    """The error if only a few rows make the window so long, such as rows of a clock that showed 1970."""
    if request.in_file_order:
        return None
    fits = timedelta(seconds=MAX_BLOCKS * request.block_seconds)
    everything = _rows_within(request, datasets, log, window)
    late, early = Block(window.end - fits, window.end), Block(window.start, window.start + fits)
    for kept, is_given in ((late, request.since is not None), (early, request.until is not None)):
        rest = _rows_within(request, datasets, log, kept)
        odd = everything.rows - rest.rows
        if is_given or odd > ODD_SHARE * everything.rows:
            continue
        are = f"{odd} of {plural(everything.rows, 'row')} {agreeing(odd, 'is', 'are')}"
        if kept is late:
            fact = f"{are} before {rest.first:%Y-%m-%d %H:%M}, the oldest of {everything.first:%Y-%m-%d %H:%M}"
            remedy = f"leave them out with --since {rest.first:%Y-%m-%dT%H:%M:%SZ}"
        else:
            fact = f"{are} after {rest.last:%Y-%m-%d %H:%M}, the newest of {everything.last:%Y-%m-%d %H:%M}"
            remedy = f"leave them out with --until {rest.last + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"
        return SpecError(
            f"{fact}: with {'it' if odd == 1 else 'them'} there are more than {MAX_BLOCKS} blocks",
            f"{remedy}, or correct their times",
            reason=Reason.QUERY_OVER_LIMITS,
        )
    return None


def _rows_within(request: AnalysisRequest, datasets: Sequence[Dataset], log: RecordedLog, window: Block) -> VersionRows:
    """Rows of both versions in the window, over all datasets; at least one row."""
    scope = scope_of_request(request, tuple(name for tier in request.tiers for name in tier.log_tiers))
    found = []
    for dataset in datasets:
        seen = log.survey(dataset, scope, (window.start, window.end))
        found += [seen[version] for version in (request.candidate, request.baseline) if version in seen]
    return VersionRows(sum(one.rows for one in found), min(one.first for one in found), max(one.last for one in found))


def _missing_version(
    request: AnalysisRequest, dataset: Dataset, role: str, version: str, seen: Mapping[str, VersionRows]
) -> SpecError:
    shown = sorted(seen, key=lambda name: -seen[name].rows)[:20]
    of_model = f" of model {request.model!r}" if request.model and dataset.spec.columns.model else ""
    there = f"versions there: {', '.join(shown)}" if shown else "there are no rows at all"
    reason = Reason.CANDIDATE_MISSING if role == "candidate" else Reason.BASELINE_MISSING
    remedy = f"give --{role} one of these" if shown else "check --model, --tier, --since and --until"
    return SpecError(
        f"{role} {version!r}{of_model} is not in dataset {dataset.name!r} within the window ({there})",
        remedy,
        reason=reason,
    )


def clipped(request: AnalysisRequest, window: Block, now: datetime) -> tuple[str, ...]:
    """A note if --until is far after the last row, so that nobody thinks that later rows were judged."""
    return clipped_at(request.until, request.block_seconds, window, now)


def clipped_at(until: datetime | None, block_seconds: float, window: Block, now: datetime) -> tuple[str, ...]:
    """The same note, for any window that ends with its last row."""
    if until is None or min(until, now) - window.end <= timedelta(seconds=2 * block_seconds):
        return ()
    last = f"{window.end:%Y-%m-%dT%H:%M:%SZ}"
    return (f"the window ends at {last} with the last mature row, not at --until {until:%Y-%m-%dT%H:%M:%SZ}",)
