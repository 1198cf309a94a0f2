"""What an analysis is asked for, and the window of the log that answers it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tierwise.api.common import duration_seconds
from tierwise.api.modeldeployment import DatasetAnalysis
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.names import Reason
from tierwise.monitoring.cells import Block, Dataset, Scope
from tierwise.monitoring.plan import PlanError, groupings_of
from tierwise.monitoring.reads import reads_of
from tierwise.runtime.errors import SpecError
from tierwise.runtime.recorded import RecordedLog, Seen

MAX_BLOCKS = 50_000


@dataclass(frozen=True, slots=True)
class TierRequest:
    """One judgement: its share of α, and which tiers of the log it reads (none: all rows)."""

    name: str | None
    alpha: float
    max_duration_seconds: float
    log_tiers: tuple[str, ...] = ()


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
    in_file_order: bool = False  # times are row numbers: nothing of them is shown


def scope_of_request(request: AnalysisRequest, log_tiers: tuple[str, ...]) -> Scope:
    """Whose rows are compared, in these tiers of the log."""
    return Scope(request.model, request.baseline, request.candidate, log_tiers)


def given_dataset(analysis: DatasetAnalysis, specs: Mapping[str, MonitoringDatasetSpec]) -> Dataset:
    """The dataset that an analysis names, with what it slices by and reads.

    Raises:
        SpecError: it was not given, or cannot be judged so.
    """
    spec = specs.get(analysis.name)
    if spec is None:
        raise SpecError(
            f"dataset {analysis.name!r} was not given (datasets: {', '.join(specs) or 'none'})",
            "give its manifest with --dataset",
            reason=Reason.DATASET_MISSING,
        )
    try:
        return Dataset(analysis.name, spec, groupings_of(analysis, spec), reads=reads_of(analysis, spec))
    except PlanError as error:
        raise SpecError(error.message, error.remedy, reason=error.reason) from error


def window_of(
    request: AnalysisRequest, datasets: Sequence[Dataset], log: RecordedLog, now: datetime
) -> tuple[Block, datetime]:
    """From the first row of either version to the last mature one, within --since and --until; the candidate's first.

    Raises:
        SpecError: a version is not there, naming those that are; too many blocks.
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
    count = math.ceil((end - start).total_seconds() / request.block_seconds)
    if count > MAX_BLOCKS:
        longer = math.ceil((end - start).total_seconds() / 5_000 / 60)
        raise SpecError(
            f"from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} there are {count} blocks, more than {MAX_BLOCKS}",
            f"give longer blocks, for instance --block {longer}m, or a shorter window with --since and --until",
            reason=Reason.QUERY_OVER_LIMITS,
        )
    return Block(start, end), max(start, min(exposed))


def _missing_version(
    request: AnalysisRequest, dataset: Dataset, role: str, version: str, seen: Mapping[str, Seen]
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
    """A note where --until is far beyond the last row: nobody should think that later rows were judged."""
    return clipped_at(request.until, request.block_seconds, window, now)


def clipped_at(until: datetime | None, block_seconds: float, window: Block, now: datetime) -> tuple[str, ...]:
    """The same of any window that ends with its last row."""
    if until is None or min(until, now) - window.end <= timedelta(seconds=2 * block_seconds):
        return ()
    last = f"{window.end:%Y-%m-%dT%H:%M:%SZ}"
    return (f"the window ends at {last} with the last mature row, not at --until {until:%Y-%m-%dT%H:%M:%SZ}",)
