"""Reads a log for simulations: one version's rows by tier and, to compare two versions, the log as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from tierwise.api.modeldeployment import DatasetAnalysis
from tierwise.api.reasons import Reason
from tierwise.arrays import IntArray
from tierwise.errors import SpecError
from tierwise.monitoring.counts.measures import metric_for
from tierwise.monitoring.counts.model import Dataset, Scope
from tierwise.monitoring.evidence.recorded import blocks_between
from tierwise.monitoring.planning.dispersion import Spread
from tierwise.monitoring.planning.drop import Drop
from tierwise.monitoring.query.look.row_patterns import Entries
from tierwise.plurals import plural
from tierwise.runtime.offline.analysis_window import clipped_at
from tierwise.runtime.offline.planning import NO_CANDIDATE, PlannedTier, PlanRequest, find_traffic, require_slice
from tierwise.runtime.offline.unjudged import require_judged
from tierwise.runtime.reading.dispersion import half_hours_before, spread_in
from tierwise.runtime.recorded_log import RecordedLog
from tierwise.simulation.policy import Policy
from tierwise.simulation.streams.recorded import SplitStream, read_rows
from tierwise.simulation.streams.replay import ReplayStream, with_exposures
from tierwise.simulation.streams.slicing import Slicing

MOST_BLOCKS = 20_000
_NOTHING: IntArray = np.zeros((3, 3), dtype=np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """The data that was read: one version's rows as a stream and, with a candidate, the log as it was."""

    policy: Policy
    source: str
    stream: SplitStream
    replay: tuple[Policy, ReplayStream] | None
    notes: tuple[str, ...]


def record(
    log: RecordedLog,
    request: PlanRequest,
    policy_for: Callable[[Mapping[str, Dataset], Sequence[PlannedTier]], Policy],
    *,
    candidate: str | None,
    history: float,
    now: datetime,
) -> Recording:
    """Read the log once. Plans know a share `history` of the window. A tier that is longer than the log is cut.

    φ and σ_pod are learned from the day before the rows that are judged, as `analyze` does.

    Raises:
        SpecError: an unknown column, dimension, metric, version or slice, or a window that is too short or too long.
        StoreError: the log cannot be read.
    """
    traffic = find_traffic(request, log, now)
    policy = policy_for(traffic.datasets, request.tiers)
    width = policy.block_seconds
    whole = int(traffic.seconds // width)
    known = max(1, round(history * whole))
    if whole > MOST_BLOCKS or whole - known < 2:
        wrong = "more than" if whole > MOST_BLOCKS else "too few of"
        raise SpecError(
            f"the window of {traffic.seconds:.0f} s has {plural(whole, 'block')} of {width:g} s, {wrong} "
            f"{MOST_BLOCKS if whole > MOST_BLOCKS else 'what a simulation needs'}",
            f"give {'longer' if whole > MOST_BLOCKS else 'shorter'} blocks with --block, or another --since",
            reason=Reason.QUERY_OVER_LIMITS,
        )
    drop = next(iter(request.drops), None)
    _check_drop(drop, traffic.datasets)
    blocks = blocks_between(traffic.window.start, traffic.window.end, width)[:whole]
    scopes = [Scope(request.model, traffic.baseline, NO_CANDIDATE, tier.log_tiers) for tier in request.tiers]
    rows = tuple(
        {name: read_rows(log, dataset, scope, blocks) for name, dataset in traffic.datasets.items()} for scope in scopes
    )
    counted = {name: sum((found[name].counted() for found in rows), _NOTHING) for name in traffic.datasets}
    require_judged(request.analysis, traffic.datasets, counted)
    _check_slice(drop, traffic.datasets, rows)
    begins = traffic.window.start + timedelta(seconds=known * width)
    available = (whole - known) * width
    policy = replace(policy, spread=_spread(log, request.analysis, traffic.datasets, scopes, begins))
    notes = (*clipped_at(request.until, width, traffic.window, now), *_notes(policy, drop, available))
    tiers = tuple(replace(tier, max_duration=min(tier.max_duration, available)) for tier in policy.tiers)
    policy = replace(policy, tiers=tiers)
    replay = None
    if candidate is not None:
        exposed = _first_row(log, request, traffic.datasets, candidate, now)
        of_both = [replace(scope, candidate=candidate) for scope in scopes]
        there = tuple(
            {name: read_rows(log, dataset, scope, blocks) for name, dataset in traffic.datasets.items()}
            for scope in of_both
        )
        spread = _spread(log, request.analysis, traffic.datasets, of_both, exposed)
        shown = with_exposures(replace(policy, spread=spread), there)
        replay = shown, ReplayStream(shown, there, whole)
    return Recording(
        policy=policy,
        source=f"recorded {request.model + ' ' if request.model else ''}{traffic.baseline}, {plural(whole, 'block')}",
        stream=SplitStream(policy, rows, whole, known, drop=drop),
        replay=replay,
        notes=notes,
    )


def _spread(
    log: RecordedLog,
    analysis: Sequence[DatasetAnalysis],
    datasets: Mapping[str, Dataset],
    scopes: Sequence[Scope],
    end: datetime,
) -> tuple[dict[str, Spread], ...]:
    """By tier: the baseline's pods in the day before `end`, of datasets that name them."""
    blocks = half_hours_before(end)
    metrics = {item.name: tuple(metric.name for metric in item.metrics) for item in analysis}
    every = tuple(name for scope in scopes for name in scope.tiers)
    out = []
    for scope in scopes:
        found = {name: spread_in(log, each, scope, metrics[name], blocks, every) for name, each in datasets.items()}
        out.append({name: spread for name, spread in found.items() if spread is not None})
    return tuple(out)


def _notes(policy: Policy, drop: Drop | None, available: float) -> tuple[str, ...]:
    found = [
        f"{f'tier {tier.name!r}' if tier.name else 'the tier'}: maxDuration of {tier.max_duration / 3600:.1f} h is cut "
        f"to the {available / 3600:.1f} h that the log has after its history"
        for tier in policy.tiers
        if tier.max_duration > available
    ]
    for name, dataset in policy.datasets.items():
        if not any(name in spread for spread in policy.spread):
            found.append(
                f"dataset {name!r}: φ = 1, and σ_pod is not known: its log names no pods (spec.columns.pod), so "
                "requests that fail together are taken for independent ones"
            )
        if drop is not None and (dataset.reads.bins or dataset.reads.sums):
            found.append(
                f"dataset {name!r}: the drop inverts answers; scores and numbers of those rows stay as they were, "
                "so metrics of these do not see it"
            )
    return tuple(found)


def _check_drop(drop: Drop | None, datasets: Mapping[str, Dataset]) -> None:
    """Refuse a drop in a metric with its own threshold: its answers come from scores, which a drop does not change."""
    for dataset in datasets.values() if drop is not None else ():
        assert drop is not None
        if metric_for(drop.metric, dataset.spec).needs.bins:
            raise SpecError(
                f"dataset {dataset.name!r}: {drop.metric} has a threshold of its own, and a drop inverts the "
                "answers at the dataset's",
                "leave spec.thresholds away, or drop another metric",
                reason=Reason.NOT_SUPPORTED,
            )


def _check_slice(drop: Drop | None, datasets: Mapping[str, Dataset], rows: Sequence[Mapping[str, Entries]]) -> None:
    if drop is None:
        return
    keys = {
        key
        for of_tier in rows
        for name, found in of_tier.items()
        for key in Slicing(found.dimensions, found.atoms, datasets[name].groupings).keys
    }
    require_slice(drop, keys)


def _first_row(
    log: RecordedLog, request: PlanRequest, datasets: Mapping[str, Dataset], candidate: str, now: datetime
) -> datetime:
    """The time at which the candidate's first row was served.

    Raises:
        SpecError: the candidate has no rows; it lists the versions that have.
    """
    tiers = tuple(name for tier in request.tiers for name in tier.log_tiers)
    first = []
    for dataset in datasets.values():
        seen = log.survey(dataset, Scope(request.model, candidate, candidate, tiers), (request.since, now))
        if candidate not in seen:
            there = ", ".join(sorted(seen))
            raise SpecError(
                f"candidate {candidate!r} is not in dataset {dataset.name!r} (versions there: {there})",
                "give --candidate one of these",
                reason=Reason.CANDIDATE_MISSING,
            )
        first.append(seen[candidate].first)
    return min(first)
