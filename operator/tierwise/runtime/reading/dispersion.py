"""Reads how much the baseline's pods differed in the last day. A tier's plan needs this spread before it starts."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

from tierwise.api.reasons import Reason
from tierwise.errors import StoreError
from tierwise.monitoring.counts.model import Block, Cells, Dataset, PodCounts, Scope
from tierwise.monitoring.planning.dispersion import Spread, spread_of, thresholds_of
from tierwise.runtime.reading.datasets import BoundSource
from tierwise.stats.overdispersion import BLOCK_SECONDS

logger = logging.getLogger(__name__)

BLOCKS = 48  # a day of half hours: each hour's mix of traffic once


class PodHistory(Protocol):
    """Reads the past of pods from a log. `PredictionStore` and `RecordedLog` implement it."""

    def read_halves(self, dataset: Dataset, scope: Scope, blocks: Sequence[Block]) -> Cells | None:
        """As PredictionStore."""
        ...

    def read_pods(self, dataset: Dataset, scope: Scope, window: Block) -> PodCounts | None:
        """As PredictionStore."""
        ...


def half_hours_before(end: datetime) -> tuple[Block, ...]:
    """The half hours of the last day before `end`."""
    step = timedelta(seconds=BLOCK_SECONDS)
    start = end - BLOCKS * step
    return tuple(Block(start + i * step, start + (i + 1) * step) for i in range(BLOCKS))


def spread_in(
    log: PodHistory, dataset: Dataset, scope: Scope, metrics: Sequence[str], blocks: Sequence[Block]
) -> Spread | None:
    """The spread of a dataset's metrics; None if its log does not name the pods (spec.columns.pod).

    Also None if the window exceeds the store's limits. A warning then says that φ is taken as 1.

    Raises:
        StoreError: the store cannot be read.
    """
    if dataset.spec.columns.pod is None:
        return None
    try:
        halves = log.read_halves(dataset, scope, blocks)
        pods = _pods_at(log, dataset, scope, metrics, Block(blocks[0].start, blocks[-1].end))
    except StoreError as error:
        if error.reason is not Reason.QUERY_OVER_LIMITS:
            raise
        logger.warning("dataset %s: its pods' past cannot be read, φ is taken as 1: %s", dataset.name, error)
        return None
    return None if halves is None else spread_of(dataset, halves, pods, metrics)


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


def read_spread(
    sources: Mapping[str, BoundSource], metrics: Mapping[str, tuple[str, ...]], end: datetime
) -> dict[str, Spread]:
    """Read the spread from the day before `end`, by dataset; without datasets whose spread is not known (`spread_in`).

    Raises:
        StoreError: the store cannot be read. The tier's plan then waits for it.
    """
    blocks = half_hours_before(end)
    found = {
        name: spread_in(source.store, source.dataset, source.scope, metrics[name], blocks)
        for name, source in sources.items()
    }
    return {name: spread for name, spread in found.items() if spread is not None}
