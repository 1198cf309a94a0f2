"""Chooses the values of a dimension that are counted by name: at most its maxValues, the same ones in every look."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from tierwise.adapters.clickhouse.connection import Connection
from tierwise.api.reasons import Reason
from tierwise.api.slices import parse_slice_key
from tierwise.errors import RefusedError, SpecError, StoreError
from tierwise.monitoring.counts.model import Block, Cells, Dataset, Distributions, Scope
from tierwise.monitoring.query.log.config import config_hash
from tierwise.monitoring.query.look.counts import Kept, Log
from tierwise.monitoring.query.look.decode import decode_values, kept_values, wide_dimensions
from tierwise.monitoring.query.look.lookups import values_query

T = TypeVar("T")
Sliced = TypeVar("Sliced", Cells, Distributions)


def built(dataset: Dataset, make: Callable[[], T]) -> T:
    """Build a query. If it is refused (RefusedError), raise a SpecError that names the dataset instead."""
    try:
        return make()
    except RefusedError as refusal:
        named = f"dataset {dataset.name!r}"
        message = refusal.message if refusal.message.startswith(named) else f"{named}: {refusal.message}"
        raise SpecError(message, refusal.remedy, reason=refusal.reason) from None


class CountedValues:
    """Remembers which dimensions have too many values, so that a look without such dimensions is one query."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._wide: dict[int, frozenset[str]] = {}  # by config hash

    def read(self, log: Log, scope: Scope, window: Block, read: Callable[[Kept], Sliced]) -> Sliced:
        """Read with no more values per dimension than its maxValues; the rest is counted as `other`.

        Dimensions with more values are remembered, so that a look without such dimensions is one query.
        """
        dataset, key = log.dataset, config_hash(log.dataset)
        used = frozenset(name for grouping in dataset.groupings for name in grouping)
        with self._lock:
            wide = self._wide.get(key, used)  # for a new dataset all dimensions are checked
        for _ in range(3):  # rows that arrive meanwhile can add values
            kept = self._kept(log, scope, window, wide)
            if (found := frozenset(kept.values)) or wide:
                with self._lock:
                    self._wide[key] = wide = found | (self._wide.get(key) or frozenset())
            result = read(kept)
            more = wide_dimensions(dataset, result.slices, kept)
            if not more:
                return result
            wide = wide | more
        raise StoreError(
            f"dataset {dataset.name!r}: the values of {', '.join(sorted(more))} change while they are read",
            "raise maxValues, or slice by an expression with few values",
            reason=Reason.QUERY_OVER_LIMITS,
        )

    def kept(self, log: Log, scope: Scope, window: Block) -> Kept:
        """The values that are counted by name. Of a dimension with few values all are counted; it is not listed."""
        return self._kept(log, scope, window, frozenset(name for g in log.dataset.groupings for name in g))

    def _kept(self, log: Log, scope: Scope, window: Block, wide: frozenset[str]) -> Kept:
        """The values that are counted by name, of the dimensions that may have more than their maxValues."""
        if not wide:
            return Kept()
        query = built(log.dataset, lambda: values_query(log, scope, window.start, window.end, sorted(wide)))
        values = decode_values(self._connection.query(query.sql, query.parameters), query)
        known: dict[str, dict[str, None]] = {}
        for key in log.dataset.known:  # combinations, too, because a dimension may have no slices of its own
            for name, value in parse_slice_key(key).items():
                known.setdefault(name, {})[value] = None
        return kept_values(log.dataset, values, {name: tuple(found) for name, found in known.items()})
