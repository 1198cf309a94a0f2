"""Reads from the log, after a rollback, which versions make predictions. Only the baseline should."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from tierwise.errors import ReasonedError
from tierwise.monitoring.checks.concern import Concern, concern_of
from tierwise.monitoring.counts.model import Block
from tierwise.rollout.delivery.recovery import period
from tierwise.rollout.state.observation import RecoveryLog
from tierwise.runtime.reading.datasets import resolve, scope_of
from tierwise.runtime.reading.request import RolloutRequest


def read_recovery(request: RolloutRequest, safety: timedelta) -> RecoveryLog | Concern | None:
    """Count the rows of both versions, labelled or not, in the tiers that were rolled back.

    Rows are counted to the end of the check, but at most up to `safety` ago.

    `until` says how far the log of every dataset is complete: up to its newest row, but at most up to `safety` ago.
    Returns None if it is too early to check, and a Concern if a dataset or its log cannot be read. A version makes
    predictions if any dataset has rows of it.
    """
    spec, (start, end) = request.rollout.spec, period(request.rollout)
    tiers = tuple(tier.name for tier in request.rollout.status.tiers if tier.phase == "RolledBack")
    until, candidate, baseline = min(end, request.now - safety), 0, 0
    if until <= start:
        return None
    try:
        sources = resolve(request.deployment.namespace, spec.strategy.analysis, request.fleet, request.stores)
        for source in sources.values():
            dataset = replace(source.dataset, groupings=())
            scope = scope_of(spec, dataset, tiers)
            newest = source.store.watermark(dataset, scope, request.now)
            until = min(until, newest or start)
            cells = source.store.read_cells(dataset, scope, (Block(start, min(end, request.now - safety)),))
            if cells.slices:
                rows = cells.counts[:, 0].sum(axis=(0, 2, 3))
                baseline, candidate = baseline + int(rows[0]), candidate + int(rows[1])
    except ReasonedError as error:
        return concern_of(error)
    return RecoveryLog(until, candidate, baseline)
