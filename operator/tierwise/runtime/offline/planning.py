"""Computes how long the tiers of a rollout would have to run, from the log's traffic of one version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from tierwise.api.common import duration_seconds
from tierwise.api.modeldeployment import DatasetAnalysis
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.reasons import Reason
from tierwise.arrays import IntArray
from tierwise.errors import SpecError
from tierwise.monitoring.counts.model import Block, Cells, Dataset, Scope
from tierwise.monitoring.evidence.recorded import blocks_between
from tierwise.monitoring.planning.dispersion import Spread
from tierwise.monitoring.planning.drop import Drop
from tierwise.monitoring.planning.forecast import TierForecast, forecast_tier
from tierwise.monitoring.planning.promotion import Course
from tierwise.monitoring.planning.tier_plan import TierTerms, plan_tier
from tierwise.runtime.offline.analysis_window import TierRequest, given_dataset
from tierwise.runtime.offline.unjudged import require_judged
from tierwise.runtime.reading.dispersion import spread_in
from tierwise.runtime.recorded_log import RecordedLog, VersionRows
from tierwise.stats.overdispersion import BLOCK_SECONDS

NO_CANDIDATE = "(no candidate)"  # a version that no row has: all rows read are the baseline's
MOST_HALF_HOURS = 48  # the last day: each hour's mix of traffic once


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTier(TierRequest):
    """One tier to plan, with the candidate's share of its rows and its shortest and longest times."""

    exposure: float
    min_seconds: float
    promotes_at_max: bool = False  # `onInconclusive: Promote`

    @property
    def course(self) -> Course:
        """How the tier goes."""
        return Course(self.exposure, self.min_seconds, self.max_duration_seconds, self.promotes_at_max)


@dataclass(frozen=True, slots=True)
class PlanRequest:
    """The request. `baseline` None means the version with most rows. `default_window` is used without `since`."""

    model: str | None
    baseline: str | None
    analysis: tuple[DatasetAnalysis, ...]
    datasets: Mapping[str, MonitoringDatasetSpec]
    tiers: tuple[PlannedTier, ...]
    since: datetime | None
    until: datetime | None
    default_window: timedelta | None
    drops: tuple[Drop, ...] = ()


@dataclass(frozen=True, slots=True)
class Traffic:
    """The part of the log that is used: one version's rows within a window."""

    baseline: str
    datasets: Mapping[str, Dataset]
    window: Block

    @property
    def seconds(self) -> float:
        """Length of the window."""
        return (self.window.end - self.window.start).total_seconds()


@dataclass(frozen=True, slots=True)
class Plan:
    """The result, tier by tier."""

    request: PlanRequest
    traffic: Traffic
    rows: tuple[int, ...]  # per tier
    tiers: tuple[TierForecast, ...]


def plan(request: PlanRequest, log: RecordedLog, now: datetime) -> Plan:
    """Read the traffic once per tier and dataset, and compute which drops each tier can see.

    Raises:
        SpecError: an unknown column, dimension, metric, version or slice (it lists the known ones), or no row can
            be judged.
        StoreError: the log cannot be read.
    """
    traffic = find_traffic(request, log, now)
    found, rows = [], []
    counted: dict[str, IntArray] = {name: np.zeros((3, 3), dtype=np.int64) for name in traffic.datasets}
    seen: set[str] = set()
    for tier in request.tiers:
        scope = Scope(request.model, traffic.baseline, NO_CANDIDATE, tier.log_tiers)
        history = {name: log.read_cells(dataset, scope, [traffic.window]) for name, dataset in traffic.datasets.items()}
        for name, cells in history.items():
            if cells.slices:
                counted[name] += cells.counts[:, 0].sum(axis=(0, 1))
        planned = plan_tier(
            request.analysis,
            traffic.datasets,
            history,
            TierTerms(
                alpha=tier.alpha,
                expected_share=tier.max_duration_seconds / traffic.seconds,
                candidate_share=tier.exposure,
                max_duration_seconds=tier.max_duration_seconds,
            ),
            spread=_spread(log, traffic, scope, request),
        )
        seen |= {key for dataset in planned.datasets for key in dataset.slices}
        rows.append(_rows(history))
        found.append(forecast_tier(planned, history, traffic.seconds, tier.course, request.drops))
    require_judged(request.analysis, traffic.datasets, counted)
    for drop in request.drops:
        require_slice(drop, seen)
    return Plan(request, traffic, tuple(rows), tuple(found))


def find_traffic(request: PlanRequest, log: RecordedLog, now: datetime) -> Traffic:
    """The version and window to read. The labels of the window's last rows have had their time to arrive.

    Raises:
        SpecError: as `plan`.
    """
    datasets = {item.name: given_dataset(item, request.datasets) for item in request.analysis}
    for drop in request.drops:
        _require_sliced(drop, request.analysis, datasets)
    for dataset in datasets.values():
        log.check(dataset)
    maturity = max(duration_seconds(dataset.spec.maturity) for dataset in datasets.values())
    until = min(request.until or now, now - timedelta(seconds=maturity))
    tiers = tuple(name for tier in request.tiers for name in tier.log_tiers)
    scope = Scope(request.model, request.baseline or NO_CANDIDATE, NO_CANDIDATE, tiers)
    surveys = [log.survey(dataset, scope, (request.since, until)) for dataset in datasets.values()]
    recent = surveys
    if request.baseline is None and request.since is None and request.default_window is not None and any(surveys):
        # The version that serves now: one that served for months before it has more rows in all.
        newest = max(seen.last for survey in surveys for seen in survey.values())
        recent = [log.survey(dataset, scope, (newest - request.default_window, until)) for dataset in datasets.values()]
    baseline = request.baseline or _most_rows(recent)
    for dataset, survey in zip(datasets.values(), surveys, strict=True):
        if baseline is None or baseline not in survey:
            raise _missing(dataset, baseline, survey)
    assert baseline is not None
    last = min(max(survey[baseline].last for survey in surveys) + timedelta(milliseconds=1), until)
    start = request.since or min(survey[baseline].first for survey in surveys)
    if request.since is None and request.default_window is not None:
        start = max(start, last - request.default_window)
    if last <= start:
        raise SpecError(
            f"version {baseline!r} has rows of one moment only", "give a log of some time", reason=Reason.NO_ROWS
        )
    return Traffic(baseline, datasets, Block(start, last))


def require_slice(drop: Drop, slices: set[str]) -> None:
    """Raise SpecError if no dataset has rows in the drop's slice. The error lists slices of its dimensions."""
    if drop.key in slices:
        return
    near = sorted(key for key in slices if sorted(drop.slice) == sorted(part.split("=")[0] for part in key.split(",")))
    others = near or sorted(key for key in slices if key)
    raise SpecError(
        f"slice {drop.key!r} has no rows in the log",
        f"use one of {', '.join(others[:12]) or '(no slices)'}{' …' if len(others) > 12 else ''}",
        reason=Reason.UNKNOWN_DIMENSION,
    )


def _require_sliced(drop: Drop, analysis: Sequence[DatasetAnalysis], datasets: Mapping[str, Dataset]) -> None:
    """Raise SpecError if no dataset that judges the drop's metric is sliced by the drop's dimensions."""
    asked = tuple(sorted(drop.slice))
    judging = [item.name for item in analysis if drop.metric in [metric.name for metric in item.metrics]]
    if not asked or any(asked in datasets[name].groupings for name in judging):
        return
    sliced = dict.fromkeys(",".join(grouping) for name in judging for grouping in datasets[name].groupings)
    raise SpecError(
        f"the drop is in {drop.key!r}, and it is not sliced by {','.join(asked)} (by {', '.join(sliced) or 'nothing'})",
        f"add --slice {','.join(asked)}, or {','.join(asked)!r} to slices of the deployment's dataset",
        reason=Reason.UNKNOWN_DIMENSION,
    )


def _spread(log: RecordedLog, traffic: Traffic, scope: Scope, request: PlanRequest) -> dict[str, Spread]:
    """How much the pods differed, of datasets that name them, by the half hours of the window."""
    blocks = blocks_between(traffic.window.start, traffic.window.end, BLOCK_SECONDS)[-MOST_HALF_HOURS:]
    every = tuple(name for tier in request.tiers for name in tier.log_tiers)
    found = {
        item.name: spread_in(
            log, traffic.datasets[item.name], scope, [metric.name for metric in item.metrics], blocks, every
        )
        for item in request.analysis
    }
    return {name: spread for name, spread in found.items() if spread is not None}


def _most_rows(surveys: Sequence[Mapping[str, VersionRows]]) -> str | None:
    rows: dict[str, int] = {}
    for survey in surveys:
        for version, seen in survey.items():
            rows[version] = rows.get(version, 0) + seen.rows
    return max(sorted(rows), key=lambda version: rows[version], default=None)


def _missing(dataset: Dataset, baseline: str | None, survey: Mapping[str, VersionRows]) -> SpecError:
    there = f"versions there: {', '.join(sorted(survey)[:20])}" if survey else "there are no rows at all"
    what = f"version {baseline!r} is not" if baseline else "no version is"
    return SpecError(
        f"{what} in dataset {dataset.name!r} within the window ({there})",
        "give --baseline one of these" if survey else "check --model, --tier, --since and --until",
        reason=Reason.BASELINE_MISSING,
    )


def _rows(history: Mapping[str, Cells]) -> int:
    return max((int(cells.counts[:, 0].sum()) for cells in history.values() if cells.slices), default=0)
