"""The prediction log in ClickHouse, over HTTP or embedded (chDB)."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import numpy as np
import pyarrow as pa

from tierwise.adapters.clickhouse_connection import Connection
from tierwise.adapters.clickhouse_received import check_labels, read_received, read_sources
from tierwise.adapters.clickhouse_schema import migrate
from tierwise.api.names import Reason
from tierwise.api.slices import WHOLE, parse_slice_key
from tierwise.monitoring.cells import Block, Cells, Dataset, Distributions, Invalid, PodCounts, Scope
from tierwise.monitoring.decode import (
    decode_cells,
    decode_distributions,
    decode_pods,
    decode_values,
    kept_values,
    merge_cells,
    texts,
    wide_dimensions,
)
from tierwise.monitoring.lookups import invalid_query, values_query, watermark_query
from tierwise.monitoring.performance import performance_rows
from tierwise.monitoring.query import (
    ANSWERS,
    ARMS,
    CELLS,
    LABELS,
    Arms,
    Kept,
    Log,
    Query,
    Source,
    cells_query,
    config_hash,
    distributions_query,
    halves_of,
    pods_query,
    source_sql,
    versions_of,
)
from tierwise.monitoring.received import Received, Sources
from tierwise.monitoring.refusal import Refused
from tierwise.runtime.errors import SpecError, StoreError

# A grouping set's state has 8 bytes per cell: more blocks at once would cost more memory than a second query.
STATE_BYTES = 32 << 20
MOST_PODS = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

T = TypeVar("T")
Sliced = TypeVar("Sliced", Cells, Distributions)


class ClickHouseStore:
    """A PredictionStore; every method may be called from any thread."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._sources: dict[tuple[str, ...], Source] = {}
        self._wide: dict[int, frozenset[str]] = {}  # by config hash: dimensions with more values than their maxValues
        self._checked_user = False

    def check(self, dataset: Dataset) -> None:
        """Raise when the dataset cannot be read."""
        self._check_user()
        log = self._log(dataset, fresh=True)
        nothing = Block(_EPOCH, _EPOCH)
        scope = Scope(None, "baseline", "candidate")
        # Nothing is read, but every name and type is resolved by the store.
        for query in (
            _build(dataset, lambda: cells_query(log, scope, [nothing])),
            _build(dataset, lambda: distributions_query(log, scope, nothing)),
            _build(dataset, lambda: invalid_query(log, scope, nothing, _EPOCH)),
        ):
            self._connection.query(query.sql, query.parameters)
        if log.spec.columns.tier is not None:
            _build(dataset, lambda: log.column("tier"))
        if log.spec.columns.model is not None:
            _build(dataset, lambda: log.column("model"))
        _build(dataset, lambda: check_labels(self._connection, log))

    def watermark(self, dataset: Dataset, scope: Scope, now: datetime) -> datetime | None:
        """The newest prediction time not after `now`."""
        log = self._log(dataset)
        # Nearly always there is a row of the last hour, and then only the last hour is read.
        for since in (now - timedelta(hours=1), None):
            query = _build(dataset, partial(watermark_query, log, scope, since, now))
            micros = self._connection.query(query.sql, query.parameters).column("t")[0].as_py()
            if micros is not None:
                return _EPOCH + timedelta(microseconds=micros)
        return None

    def read_cells(self, dataset: Dataset, scope: Scope, blocks: Sequence[Block]) -> Cells:
        """Counts by block, slice, arm, label, answer."""
        return self._cells(dataset, scope, blocks, versions_of)

    def read_halves(self, dataset: Dataset, scope: Scope, blocks: Sequence[Block]) -> Cells | None:
        """The baseline's rows, by halves of its pods in place of arms; None where the dataset names no pods."""
        if dataset.spec.columns.pod is None:
            return None
        return self._cells(dataset, replace(scope, candidate=scope.baseline), blocks, halves_of)

    def read_pods(self, dataset: Dataset, scope: Scope, window: Block) -> PodCounts | None:
        """The baseline's rows by pod; None where the dataset names no pods."""
        if dataset.spec.columns.pod is None:
            return None
        log = self._log(dataset)
        query = _build(dataset, lambda: pods_query(log, scope, window, MOST_PODS))
        return decode_pods(self._connection.query(query.sql, query.parameters))

    def _cells(self, dataset: Dataset, scope: Scope, blocks: Sequence[Block], arms: Callable[[Log], Arms]) -> Cells:
        if not blocks:
            return NO_CELLS
        log = self._log(dataset)

        def read(kept: Kept) -> Cells:
            size = max(1, STATE_BYTES // (_block_bytes(dataset) * _expected_slices(dataset)))
            parts = []
            for start in range(0, len(blocks), size):
                run = blocks[start : start + size]
                query = _build(dataset, partial(_cells_query, log, scope, run, kept, arms))
                parts.append(decode_cells(self._connection.query(query.sql, query.parameters), query, run))
            return merge_cells(parts)

        return self._capped(log, scope, Block(blocks[0].start, blocks[-1].end), read)

    def read_distributions(self, dataset: Dataset, scope: Scope, block: Block) -> Distributions:
        """Counts by bin."""
        log = self._log(dataset)

        def read(kept: Kept) -> Distributions:
            query = _build(dataset, lambda: distributions_query(log, scope, block, kept))
            table = self._connection.query(query.sql, query.parameters)
            return decode_distributions(table, query, block)

        return self._capped(log, scope, block, read)

    def count_invalid(self, dataset: Dataset, scope: Scope, window: Block, now: datetime) -> Invalid:
        """Rows that no count holds."""
        log = self._log(dataset)
        query = _build(dataset, lambda: invalid_query(log, scope, window, now))
        row = self._connection.query(query.sql, query.parameters).to_pylist()[0]
        return Invalid(**row)

    def read_received(self, dataset: Dataset, scope: Scope, window: Block) -> Received:
        """Rows, labels, and rows logged twice."""
        return _build(dataset, partial(read_received, self._connection, self._log(dataset), scope, window))

    def read_sources(self, dataset: Dataset, scope: Scope, window: Block) -> Sources | None:
        """What the sources of labels say of each other."""
        return _build(dataset, partial(read_sources, self._connection, self._log(dataset), scope, window))

    def write_performance(
        self, rollout: str, tier: str, index: int, dataset: Dataset, scope: Scope, distributions: Distributions
    ) -> None:
        """Store a block's distributions; writing one twice changes nothing."""
        rows = performance_rows(rollout, tier, index, dataset, scope, distributions)
        if rows.num_rows:
            self._connection.insert("ml_performance", rows)

    def init(self, dimensions: Sequence[str] = ()) -> int:
        """Create or migrate the tables, with a column per dimension; the version reached."""
        return migrate(self._connection, dimensions)

    def insert_predictions(self, rows: pa.Table | Mapping[str, Sequence[object]]) -> int:
        """Append predictions (Arrow columns, or columns by name); how many."""
        table = rows if isinstance(rows, pa.Table) else pa.table(dict(rows))
        if table.num_rows:
            self._connection.insert("predictions", table)
        return int(table.num_rows)

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """Any SQL's answer as Arrow columns: for traffic, demo and reports, never with text of users."""
        return self._connection.query(sql, parameters)

    def execute(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        """A statement without an answer, for the same callers."""
        self._connection.command(sql, parameters)

    def close(self) -> None:
        """Close all clients."""
        self._connection.close()

    def _check_user(self) -> None:
        """Refuse a reading user with readonly=2: it could read files of the server."""
        if self._checked_user:
            return
        answer = self._connection.query("SELECT toUInt8(getSetting('readonly')) AS readonly")
        if answer.column("readonly")[0].as_py() == 2:
            raise StoreError(
                f"store {self._connection.address}: the user has readonly=2, which lets queries read its files",
                "give the user a profile with readonly=1 (docs/reference/store.md)",
                reason=Reason.STORE_ACCESS_DENIED,
            )
        self._checked_user = True

    def _log(self, dataset: Dataset, *, fresh: bool = False) -> Log:
        sql = _build(dataset, lambda: source_sql(dataset.spec))
        key = (sql,)
        with self._lock:
            source = None if fresh else self._sources.get(key)
        if source is None:
            table = self._connection.query(f"DESCRIBE TABLE {sql}")
            source = Source(sql, dict(zip(texts(table.column("name")), texts(table.column("type")), strict=True)))
            with self._lock:
                self._sources[key] = source
        return Log(dataset, source)

    def _capped(self, log: Log, scope: Scope, window: Block, read: Callable[[Kept], Sliced]) -> Sliced:
        """Read with no more values per dimension than its maxValues; the rest is counted as `other`.

        Which dimensions have more is remembered, so that a look of ordinary ones is one query.
        """
        dataset, key = log.dataset, config_hash(log.dataset)
        used = frozenset(name for grouping in dataset.groupings for name in grouping)
        with self._lock:
            wide = self._wide.get(key, used)  # a dataset seen for the first time is asked about all of them
        for _ in range(3):  # rows that arrive meanwhile can add values
            kept = self._kept(log, scope, window, wide)
            if (found := frozenset(kept.values)) or wide:
                with self._lock:
                    self._wide[key] = wide = found | (self._wide.get(key) or frozenset())
            answer = read(kept)
            more = wide_dimensions(dataset, answer.slices, kept)
            if not more:
                return answer
            wide = wide | more
        raise StoreError(
            f"dataset {dataset.name!r}: the values of {', '.join(sorted(more))} change while they are read",
            "raise maxValues, or slice by an expression with few values",
            reason=Reason.QUERY_OVER_LIMITS,
        )

    def _kept(self, log: Log, scope: Scope, window: Block, wide: frozenset[str]) -> Kept:
        """The values that are counted by name, of the dimensions that may have more than their maxValues."""
        if not wide:
            return Kept()
        query = _build(log.dataset, lambda: values_query(log, scope, window.start, window.end, sorted(wide)))
        values = decode_values(self._connection.query(query.sql, query.parameters), query)
        known: dict[str, dict[str, None]] = {}
        for key in log.dataset.known:  # of combinations, too: a dimension may have no slices of its own
            for name, value in parse_slice_key(key).items():
                known.setdefault(name, {})[value] = None
        return kept_values(log.dataset, values, {name: tuple(found) for name, found in known.items()})


NO_CELLS = Cells((), (WHOLE,), np.zeros((0, 1, ARMS, LABELS, ANSWERS), dtype=np.int64))


def _build(dataset: Dataset, make: Callable[[], T]) -> T:
    """Build a query; a refusal of the pure core becomes the error of the ports, which names the dataset."""
    try:
        return make()
    except Refused as refusal:
        named = f"dataset {dataset.name!r}"
        message = refusal.message if refusal.message.startswith(named) else f"{named}: {refusal.message}"
        raise SpecError(message, refusal.remedy, reason=refusal.reason) from None


def _block_bytes(dataset: Dataset) -> int:
    """Bytes of one slice's state in one block."""
    cells, spec = CELLS, dataset.spec
    if dataset.reads.bins:
        size = len(spec.classes) + 1
        cells += ARMS * (size * size if spec.scale.kind == "Classes" else LABELS * (spec.scale.bins + 18))
    if dataset.reads.weights:
        cells += 2 * CELLS
    return 8 * (cells + ARMS * len(dataset.reads.sums))


def _expected_slices(dataset: Dataset) -> int:
    """An upper estimate of the slices that one block can have; of a combination most never occur."""
    limits = {d.name: d.max_values + 1 for d in dataset.spec.dimensions}
    return 1 + sum(min(math.prod(limits.get(name, 1) for name in grouping), 1000) for grouping in dataset.groupings)


def open_store(dsn: str, *, read_only: bool = False) -> ClickHouseStore:
    """The store of a DSN: `clickhouse://`, `clickhouses://`, `http://`, `https://` or `chdb:///PATH`.

    It connects when it is first used. `read_only` makes an embedded engine refuse every write.
    """
    return ClickHouseStore(Connection(dsn, read_only=read_only))


def _cells_query(log: Log, scope: Scope, run: Sequence[Block], kept: Kept, arms: Callable[[Log], Arms]) -> Query:
    return cells_query(log, scope, run, kept, arms(log))
