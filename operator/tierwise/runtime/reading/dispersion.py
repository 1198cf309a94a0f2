"""Reads how much the baseline's pods differed: φ from three days, σ from the last day. A tier's plan needs both."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np

from tierwise.api.reasons import Reason
from tierwise.errors import StoreError
from tierwise.monitoring.counts.model import Block, Cells, Dataset, PodCounts, Scope
from tierwise.monitoring.planning.dispersion import Spread, spread_of, thresholds_of, with_units
from tierwise.runtime.reading.datasets import BoundSource
from tierwise.stats.overdispersion import BLOCK_SECONDS

logger = logging.getLogger(__name__)

DAYS = 3  # so that noise with a memory of hours shows: nine blocks of eight hours
_BLOCKS_A_DAY = 48


class PodHistory(Protocol):
    """Reads the past of pods from a log. `PredictionStore` and `RecordedLog` implement it."""

    def read_halves(self, dataset: Dataset, scope: Scope, blocks: Sequence[Block]) -> Cells | None:
        """As PredictionStore."""
        ...

    def read_units(self, dataset: Dataset, scope: Scope, window: Block) -> Cells | None:
        """As PredictionStore."""
        ...

    def read_pods(self, dataset: Dataset, scope: Scope, window: Block) -> PodCounts | None:
        """As PredictionStore."""
        ...


def half_hours_before(end: datetime, days: int = DAYS) -> tuple[Block, ...]:
    """The half hours of the last `days` days before `end`, oldest first."""
    step, count = timedelta(seconds=BLOCK_SECONDS), days * _BLOCKS_A_DAY
    start = end - count * step
    return tuple(Block(start + i * step, start + (i + 1) * step) for i in range(count))


def spread_in(
    log: PodHistory,
    dataset: Dataset,
    scope: Scope,
    metrics: Sequence[str],
    blocks: Sequence[Block],
    tiers: Sequence[str] = (),
) -> Spread | None:
    """The spread of a dataset's metrics; None where its log names neither pods nor units (columns.pod, columns.unit).

    `tiers` are the tiers of the model: how much pods differ is learned within each and pooled. Without them, or where
    the log has none, all pods of the scope are one group.

    If even the last day of the pods is more than the store's limits allow, a warning is logged, and all is as if the
    log named no pods. The same holds for the units.

    Raises:
        StoreError: the store cannot be read.
    """
    spread = _spread_of_pods(log, dataset, scope, metrics, blocks, tiers)
    if dataset.spec.columns.unit is None:
        return spread
    try:
        units = log.read_units(dataset, scope, _last_day(blocks))
    except StoreError as error:
        if error.reason is not Reason.QUERY_OVER_LIMITS:
            raise
        logger.warning("dataset %s: its units cannot be read, their φ is taken as 1: %s", dataset.name, error)
        return spread
    return spread if units is None else with_units(spread, dataset, units, metrics)


def _last_day(blocks: Sequence[Block]) -> Block:
    return Block(max(blocks[0].start, blocks[-1].end - timedelta(days=1)), blocks[-1].end)


def _spread_of_pods(
    log: PodHistory,
    dataset: Dataset,
    scope: Scope,
    metrics: Sequence[str],
    blocks: Sequence[Block],
    tiers: Sequence[str],
) -> Spread | None:
    if dataset.spec.columns.pod is None:
        return None
    try:
        halves = _halves(log, dataset, scope, blocks)
        # One day: over several, what moves from day to day would look like pods that differ.
        window = _last_day(blocks)
        pods = {each.tiers: _pods_at(log, dataset, each, metrics, window) for each in by_tier(scope, dataset, tiers)}
    except StoreError as error:
        if error.reason is not Reason.QUERY_OVER_LIMITS:
            raise
        logger.warning("dataset %s: its pods' past cannot be read, φ is taken as 1: %s", dataset.name, error)
        return None
    if halves is None:
        return None
    own = [found for names, found in pods.items() if not scope.tiers or set(names) <= set(scope.tiers)]
    served = sum(max((len(counts.pods) for counts in found.values()), default=0) for found in own)
    return spread_of(dataset, halves, list(pods.values()), metrics, served)


def _halves(log: PodHistory, dataset: Dataset, scope: Scope, blocks: Sequence[Block]) -> Cells | None:
    """The half hours, or the last day of them where all are more than the store's limits allow."""
    try:
        return log.read_halves(dataset, scope, blocks)
    except StoreError as error:
        if error.reason is not Reason.QUERY_OVER_LIMITS or len(blocks) <= _BLOCKS_A_DAY:
            raise
        return log.read_halves(dataset, scope, blocks[-_BLOCKS_A_DAY:])


def _pods_at(
    log: PodHistory, dataset: Dataset, scope: Scope, metrics: Sequence[str], window: Block
) -> dict[float, PodCounts]:
    """The pods' rows with their answers at each threshold of a metric; empty if the log does not have them."""
    found = {
        threshold: log.read_pods(
            replace(dataset, spec=dataset.spec.model_copy(update={"threshold": threshold})), scope, window
        )
        for threshold in thresholds_of(dataset.spec, metrics)
    }
    return {threshold: pods for threshold, pods in found.items() if pods is not None}


def by_tier(scope: Scope, dataset: Dataset, others: Sequence[str]) -> tuple[Scope, ...]:
    """One scope for each tier of `scope` and each of `others`; only `scope` itself where the log has no tiers."""
    names = dict.fromkeys((*scope.tiers, *others))
    if dataset.spec.columns.tier is None or not names:
        return (scope,)
    return tuple(replace(scope, tiers=(name,)) for name in names)


def read_spread(
    sources: Mapping[str, BoundSource], metrics: Mapping[str, tuple[str, ...]], end: datetime, tiers: Sequence[str] = ()
) -> dict[str, Spread]:
    """Read the spread before `end`, by dataset. A dataset whose spread is not known is left out (see `spread_in`).

    `tiers` are all tiers of the model: what a tier with few pods cannot tell is learned from the others.

    Raises:
        StoreError: the store cannot be read. The tier's plan then waits for it.
    """
    blocks = half_hours_before(end)
    found = {
        name: spread_in(source.store, source.dataset, source.scope, metrics[name], blocks, tiers)
        for name, source in sources.items()
    }
    return {name: spread for name, spread in found.items() if spread is not None}


def pods_behind(log: PodHistory, datasets: Iterable[Dataset], scope: Scope, window: Block) -> tuple[int, int] | None:
    """How many pods served the baseline's and the candidate's rows; None where no dataset's log names pods.

    Pods with unequal numbers of rows n count as fewer pods, (Σn)²/Σn². Of several datasets, the result is that of the
    one with the fewest pods in one of its arms.

    Raises:
        StoreError: the log cannot be read.
    """
    found = [
        (
            _effective(log.read_pods(dataset, scope, window)),
            _effective(log.read_pods(dataset, replace(scope, baseline=scope.candidate), window)),
        )
        for dataset in datasets
        if dataset.spec.columns.pod is not None
    ]
    return min(found, key=min, default=None)


def _effective(pods: PodCounts | None) -> int:
    rows = np.zeros(0) if pods is None else pods.counts.sum(axis=(1, 2)).astype(np.float64)
    return round(float(rows.sum() ** 2 / np.square(rows).sum())) if rows.any() else 0
