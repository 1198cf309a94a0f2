"""Chooses the blocks of delivered tiers, their past, and what is watched in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tierwise.api.common import duration_seconds
from tierwise.api.modelrollout import ModelRolloutStatus, Verification
from tierwise.monitoring.counts.model import Block, Dataset, Reads, Scope
from tierwise.monitoring.counts.strata import strata_of
from tierwise.monitoring.verification.hypotheses import Against, Control, Hypotheses, Scatter, hypotheses_of
from tierwise.runtime.reading.controls import just_before, matched_days
from tierwise.runtime.reading.datasets import Source, bound, scope_of
from tierwise.runtime.reading.request import RolloutRequest
from tierwise.stats.overdispersion import PodSpread

_BLOCKS = 96  # of a verification after the rollout: a quarter of an hour of a day
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Piece:
    """A block, and the tiers that were delivered during all of it; no other tier was delivered then."""

    block: Block
    delivered: tuple[str, ...]
    others: tuple[str, ...]


def tiers_of(request: RolloutRequest) -> tuple[str, ...]:
    """The names of all tiers."""
    return tuple(tier.name for tier in request.rollout.spec.strategy.tiers)


def tier_scope(request: RolloutRequest, dataset: Dataset, tiers: tuple[str, ...]) -> Scope:
    """The scope of the rows of these tiers."""
    return scope_of(request.rollout.spec, dataset, tiers)


@dataclass(frozen=True, slots=True)
class Past:
    """How long before a block its past is, and how many days before each day of it is; none: at other hours."""

    shift_seconds: float
    days: tuple[int, ...] = ()


def choose_past(request: RolloutRequest, record: Verification, sources: Mapping[str, Source]) -> Past | None:
    """The last days before the rollout with rows at the same hours, else the time just before it."""
    status, analysis = request.rollout.status, request.rollout.spec.strategy.analysis
    started = status.started_at or record.since
    end = record.until or record.since + timedelta(seconds=duration_seconds(analysis.verification))
    nearest = max(1, math.ceil((end - started) / _DAY))
    bound_to = {
        name: bound(source, tier_scope(request, source.dataset, tiers_of(request))) for name, source in sources.items()
    }
    days = matched_days(bound_to, Block(record.since, end), nearest)
    if days:
        return Past(days[0] * _DAY.total_seconds(), days)
    found = just_before(
        bound_to,
        end=started,
        max_seconds=(end - record.since).total_seconds(),
        interval_seconds=duration_seconds(analysis.interval),
    )
    if found is None:
        return None
    assert found.starts_at is not None
    return Past((record.since - found.starts_at).total_seconds())


def shifts_of(record: Verification) -> tuple[timedelta, ...]:
    """How long before a block each of its pasts is, the nearest first."""
    if record.past_days:
        return tuple(days * _DAY for days in record.past_days)
    return (timedelta(seconds=record.shift_seconds or 0.0),)


def block_step(request: RolloutRequest, record: Verification) -> timedelta:
    """The length of a block: whole intervals, more of them after the rollout."""
    interval = duration_seconds(request.rollout.spec.strategy.analysis.interval)
    step = timedelta(seconds=interval)
    if record.until is None:
        return step
    return step * max(1, math.ceil((record.until - record.since).total_seconds() / _BLOCKS / interval))


def pieces_of(request: RolloutRequest, record: Verification, mature: datetime, control: Control) -> tuple[Piece, ...]:
    """The blocks that are mature and have a past, without blocks in which the delivery of a tier began or ended."""
    status, step = request.rollout.status, block_step(request, record)
    end = min(mature, record.until) if record.until is not None else mature
    started = status.started_at or record.since
    pieces: list[Piece] = []
    start = record.since
    while start + step <= end:
        block = Block(start, start + step)
        start = block.end
        if control == "history" and block.end - timedelta(seconds=record.shift_seconds or 0.0) > started:
            break  # the past is used up
        delivered = _delivered(status, block)
        if delivered is None or not delivered:
            continue
        others = tuple(tier.name for tier in status.tiers if tier.name not in delivered)
        if others or control == "history":
            pieces.append(Piece(block, delivered, others))
    return tuple(pieces)


def _delivered(status: ModelRolloutStatus, block: Block) -> tuple[str, ...] | None:
    """The tiers that were delivered before the block's start; None if a delivery was in progress within the block."""
    found = []
    for tier in status.tiers:
        since, done = tier.delivering_since, tier.finished_at if tier.phase == "Delivered" else None
        if since is None or since >= block.end:
            continue
        if done is None or done > block.start:
            return None
        found.append(tier.name)
    return tuple(found)


def watched_of(
    request: RolloutRequest,
    record: Verification,
    sources: Mapping[str, Source],
    control: Control,
    sigma: Mapping[tuple[str, str], PodSpread],
) -> Hypotheses:
    """What is watched, chosen from the time before the first block: the whole past, or the time before the rollout.

    Raises:
        StoreError: the log cannot be read.
        MetricFailedError: a metric's code failed.
    """
    analysis, status = request.rollout.spec.strategy.analysis, request.rollout.status
    started = status.started_at or record.since
    seconds = duration_seconds(analysis.verification)
    window = Block(started - timedelta(seconds=seconds), started)
    if control == "history":
        shift = timedelta(seconds=record.shift_seconds or 0.0)
        end = record.until or record.since + timedelta(seconds=seconds)
        window = Block(record.since - shift, min(end - shift, started))
    usual, strata = {}, {}
    for name, source in sources.items():
        scope = tier_scope(request, source.dataset, tiers_of(request))
        usual[name] = source.store.read_cells(source.dataset, scope, (window,))
        if control == "stratified":
            confounders = tuple(sorted(analysis.confounders))
            crossed = replace(source.dataset, groupings=(confounders,), reads=Reads())
            strata[name] = strata_of(source.store.read_cells(crossed, scope, (window,)), confounders)
    datasets = {name: source.dataset for name, source in sources.items()}
    phi = max([1.0, *(tier.frozen.phi for tier in status.tiers if tier.frozen is not None)])
    return hypotheses_of(
        analysis.datasets, datasets, usual, record.alpha, Against(control, strata), Scatter(phi, sigma)
    )
