"""Reads the baseline's last day, pod against pod: what a tier's plan must know of scatter before it starts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta

from tierwise.api.names import Reason
from tierwise.monitoring.cells import Block, Scope
from tierwise.monitoring.spread import Spread, spread_of
from tierwise.runtime.datasets import Source
from tierwise.runtime.errors import StoreError
from tierwise.stats.overdispersion import BLOCK_SECONDS

logger = logging.getLogger(__name__)

BLOCKS = 48  # a day of half hours: every hour's mix once


def read_spread(
    sources: Mapping[str, Source], scopes: Mapping[str, Scope], metrics: Mapping[str, tuple[str, ...]], end: datetime
) -> dict[str, Spread]:
    """By dataset; datasets whose log does not name the pods (spec.columns.pod) are left out, and verdicts say so.

    So is one whose day is more than the store's limits allow: a plan without φ is said to be one.

    Raises:
        StoreError: the store cannot be read; the tier's plan waits for it.
    """
    step = timedelta(seconds=BLOCK_SECONDS)
    start = end - BLOCKS * step
    blocks = tuple(Block(start + i * step, start + (i + 1) * step) for i in range(BLOCKS))
    found: dict[str, Spread] = {}
    for name, source in sources.items():
        if source.dataset.spec.columns.pod is None:
            continue
        try:
            halves = source.store.read_halves(source.dataset, scopes[name], blocks)
            pods = source.store.read_pods(source.dataset, scopes[name], Block(start, end))
        except StoreError as error:
            if error.reason is not Reason.QUERY_OVER_LIMITS:
                raise
            logger.warning("dataset %s: its pods' past cannot be read, φ is taken as 1: %s", name, error)
            continue
        if halves is not None:
            found[name] = spread_of(halves, pods, metrics[name])
    return found
