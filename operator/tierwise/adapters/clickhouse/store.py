"""The prediction log in ClickHouse, over HTTP or embedded (chDB)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar

import numpy as np
import pyarrow as pa

from tierwise.adapters.clickhouse.arrivals import check_labels, read_received, read_sources
from tierwise.adapters.clickhouse.connection import Connection
from tierwise.adapters.clickhouse.fallbacks import read_hashed, within_memory
from tierwise.adapters.clickhouse.label_keys import check_keys
from tierwise.adapters.clickhouse.limits import read_cells_in_pieces, read_distributions_in_pieces
from tierwise.adapters.clickhouse.numbers import check_numbers
from tierwise.adapters.clickhouse.refusals import Refusals
from tierwise.adapters.clickhouse.schema import migrate
from tierwise.adapters.clickhouse.values import CountedValues, built
from tierwise.adapters.clickhouse.verdict_table import verdict_rows
from tierwise.api.common import EPOCH
from tierwise.api.reasons import Reason
from tierwise.api.slices import WHOLE
from tierwise.errors import StoreError
from tierwise.metrics.counts import ANSWERS, LABELS
from tierwise.monitoring.counts.model import ARMS, Block, Cells, Dataset, Distributions, Invalid, PodCounts, Scope
from tierwise.monitoring.query.log.arms import UNIT_BUCKETS
from tierwise.monitoring.query.log.config import config_hash
from tierwise.monitoring.query.log.window import time_of
from tierwise.monitoring.query.look.counts import (
    MOST_PODS,
    Arms,
    Kept,
    Log,
    Source,
    cells_query,
    distributions_query,
    halves_of,
    pods_query,
    source_sql,
    units_of,
    versions_of,
)
from tierwise.monitoring.query.look.decode import decode_cells, decode_distributions, decode_pods, merge_cells, texts
from tierwise.monitoring.query.look.lookups import invalid_query, watermark_query
from tierwise.monitoring.query.look.memory_limits import blocks_per_query
from tierwise.monitoring.query.look.row_patterns import Entries, decode_entries, entries_query
from tierwise.monitoring.query.quality.arrivals import Received, Sources
from tierwise.monitoring.query.quality.missing_times import untimed_of, untimed_query
from tierwise.monitoring.query.quality.score_range import Answers, answers_of, answers_query
from tierwise.monitoring.query.stored.performance_table import Origin, config_row, performance_rows
from tierwise.rollout.record.verdicts import VerdictRecord

_FAR = datetime(2200, 1, 1, tzinfo=UTC)  # so late that no row is in the future

T = TypeVar("T")


class ClickHouseStore:
    """A PredictionStore; every method may be called from any thread."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()
        self._sources: dict[tuple[str, ...], Source] = {}
        self._values = CountedValues(connection)
        self._refusals = Refusals()
        self._stored_configs: set[int] = set()
        self._checked_user = False

    def check(self, dataset: Dataset) -> None:
        """Raise when the dataset cannot be read."""
        self._check_user()
        log = self._log(dataset, fresh=True)
        built(dataset, lambda: check_labels(self._connection, log))
        built(dataset, lambda: check_keys(self._connection, log))
        built(dataset, lambda: check_numbers(self._connection, log))
        # No rows are read, but the store resolves every name and type. An empty window would be replaced by "false",
        # which makes shards of a Distributed table fail.
        nothing = Block(EPOCH, EPOCH + timedelta(seconds=1))
        scope = Scope(None, "baseline", "candidate")
        for query in (
            built(dataset, lambda: cells_query(log, scope, [nothing])),
            built(dataset, lambda: distributions_query(log, scope, nothing)),
            built(dataset, lambda: invalid_query(log, scope, nothing, _FAR)),
        ):
            self._connection.query(query.sql, query.parameters)
        if log.spec.columns.tier is not None:
            built(dataset, lambda: log.column("tier"))
        if log.spec.columns.model is not None:
            built(dataset, lambda: log.column("model"))

    def watermark(self, dataset: Dataset, scope: Scope, now: datetime) -> datetime | None:
        """The newest prediction time not after `now`."""
        log = self._log(dataset)
        # There is nearly always a row of the last hour. Then only the last hour is read.
        for since in (now - timedelta(hours=1), None):
            query = built(dataset, partial(watermark_query, log, scope, since, now))
            micros = self._connection.query(query.sql, query.parameters).column("t")[0].as_py()
            if micros is not None:
                return time_of(micros)
        return None

    def read_cells(self, dataset: Dataset, scope: Scope, blocks: Sequence[Block]) -> Cells:
        """Counts by block, slice, arm, label, answer."""
        return self._cells(dataset, scope, blocks, versions_of)

    def read_halves(self, dataset: Dataset, scope: Scope, blocks: Sequence[Block]) -> Cells | None:
        """The baseline's rows by halves of its pods instead of arms; None if the dataset names no pods."""
        if dataset.spec.columns.pod is None:
            return None
        return self._cells(dataset, replace(scope, candidate=scope.baseline), blocks, halves_of)

    def read_units(self, dataset: Dataset, scope: Scope, window: Block) -> Cells | None:
        """The baseline's counts by 64 buckets of units in place of blocks; None where the dataset names no units."""
        if dataset.spec.columns.unit is None:
            return None
        counts_only = Dataset(dataset.name, dataset.spec, dataset.groupings, dataset.known)
        return self._cells(counts_only, replace(scope, candidate=scope.baseline), (window,) * UNIT_BUCKETS, units_of)

    def read_pods(self, dataset: Dataset, scope: Scope, window: Block) -> PodCounts | None:
        """The baseline's rows by pod; None if the dataset names no pods."""
        if dataset.spec.columns.pod is None:
            return None
        log = self._log(dataset)
        query = built(dataset, lambda: pods_query(log, scope, window, MOST_PODS))
        return decode_pods(self._connection.query(query.sql, query.parameters))

    def _cells(self, dataset: Dataset, scope: Scope, blocks: Sequence[Block], arms: Callable[[Log], Arms]) -> Cells:
        if not blocks:
            return NO_CELLS
        log = self._log(dataset)

        def read(kept: Kept) -> Cells:
            def ask(part: Dataset, run: Sequence[Block]) -> Cells:
                of_part = replace(log, dataset=part)

                def read(*, as_texts: bool = False) -> Cells:
                    query = built(
                        part, lambda: cells_query(of_part, scope, run, kept, arms(of_part), as_texts=as_texts)
                    )
                    return decode_cells(self._connection.query(query.sql, query.parameters), query, run)

                return read_hashed(read)

            if arms is units_of:  # a bucket has its number in one query only
                return ask(dataset, blocks)
            size = blocks_per_query(dataset)
            runs = [blocks[start : start + size] for start in range(0, len(blocks), size)]
            return merge_cells([read_cells_in_pieces(dataset, run, ask, self._refusals) for run in runs])

        window = Block(blocks[0].start, blocks[-1].end)
        return within_memory(dataset, lambda: self._values.read(log, scope, window, read))

    def read_entries(
        self, dataset: Dataset, scope: Scope, blocks: Sequence[Block], first_block: int, kept: Kept, most: int
    ) -> Entries:
        """Every combination of numbers that occurs in the blocks, at most `most`."""
        log = self._log(dataset)
        query = built(dataset, lambda: entries_query(log, scope, blocks, kept, most))
        return decode_entries(self._connection.query(query.sql, query.parameters), query, first_block)

    def kept(self, dataset: Dataset, scope: Scope, window: Block) -> Kept:
        """For dimensions with too many values, the values that a read of this window counts by name."""
        return self._values.kept(self._log(dataset), scope, window)

    def read_distributions(self, dataset: Dataset, scope: Scope, block: Block) -> Distributions:
        """Counts by bin."""
        log = self._log(dataset)

        def read(kept: Kept) -> Distributions:
            def ask(part: Dataset, piece: Block) -> Distributions:
                of_part = replace(log, dataset=part)

                def read(*, as_texts: bool = False) -> Distributions:
                    query = built(part, lambda: distributions_query(of_part, scope, piece, kept, as_texts=as_texts))
                    return decode_distributions(self._connection.query(query.sql, query.parameters), query, piece)

                return read_hashed(read)

            return read_distributions_in_pieces(dataset, block, ask, self._refusals)

        return within_memory(dataset, lambda: self._values.read(log, scope, block, read))

    def count_invalid(self, dataset: Dataset, scope: Scope, window: Block, now: datetime) -> Invalid:
        """Count the rows that are in none of the other counts."""
        log = self._log(dataset)
        query = built(dataset, lambda: invalid_query(log, scope, window, now))
        row = self._connection.query(query.sql, query.parameters).to_pylist()[0]
        return Invalid(**row)

    def read_untimed(self, dataset: Dataset, scope: Scope, now: datetime) -> tuple[int, int]:
        """Rows without a usable time, baseline and candidate."""
        log = self._log(dataset)
        query = built(dataset, lambda: untimed_query(log, scope, now))
        return untimed_of(self._connection.query(query.sql, query.parameters).to_pylist()[0])

    def read_answers(self, dataset: Dataset, scope: Scope, window: Block) -> Answers:
        """How many answers of the window are valid, and the range of its scores."""
        log = self._log(dataset)
        query = built(dataset, lambda: answers_query(log, scope, window))
        return answers_of(self._connection.query(query.sql, query.parameters).to_pylist()[0])

    def read_received(self, dataset: Dataset, scope: Scope, window: Block) -> Received:
        """Rows, labels, and rows logged twice."""
        return built(dataset, partial(read_received, self._connection, self._log(dataset), scope, window))

    def read_sources(self, dataset: Dataset, scope: Scope, window: Block) -> Sources | None:
        """How many labels each source has and how often two sources differ."""
        return built(dataset, partial(read_sources, self._connection, self._log(dataset), scope, window))

    def write_performance(self, origin: Origin, dataset: Dataset, scope: Scope, distributions: Distributions) -> None:
        """Store a block's distributions. Writing a block twice changes nothing."""
        rows = performance_rows(origin, dataset, scope, distributions)
        if rows.num_rows:
            self._connection.insert("ml_performance", rows)
            hashed = config_hash(dataset)
            if hashed not in self._stored_configs:
                self._connection.insert("tierwise_config", config_row(dataset, distributions.edges))
                self._stored_configs.add(hashed)

    def write_verdicts(self, record: VerdictRecord) -> None:
        """Store a decision with its verdicts; of one that is written twice the fuller stays, else the later."""
        self._connection.insert("ml_verdicts", verdict_rows(record))

    def init(self, dimensions: Sequence[str] = (), ttl_days: int | None = None) -> int:
        """Create or migrate the tables, with a column per dimension. Returns the new version.

        `ttl_days` is how long rows of `ml_performance` are kept; 0 means for ever. None means 400 for new tables, and
        no change for existing ones.
        """
        return migrate(self._connection, dimensions, ttl_days)

    def insert_predictions(self, rows: pa.Table | Mapping[str, Sequence[object]]) -> int:
        """Append predictions (Arrow columns, or columns by name). Returns their number."""
        table = rows if isinstance(rows, pa.Table) else pa.table(dict(rows))
        if table.num_rows:
            self._connection.insert("predictions", table)
        return int(table.num_rows)

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """Run SQL; returns its result as Arrow columns. For traffic, demo and reports, never with text of users."""
        return self._connection.query(sql, parameters)

    def execute(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        """Run a statement without a result, for the same callers."""
        self._connection.command(sql, parameters)

    def close(self) -> None:
        """Close all clients."""
        self._connection.close()

    def _check_user(self) -> None:
        """Refuse a reading user with readonly=2: it could read files of the server."""
        if self._checked_user:
            return
        result = self._connection.query("SELECT toUInt8(getSetting('readonly')) AS readonly")
        if result.column("readonly")[0].as_py() == 2:
            raise StoreError(
                f"store {self._connection.address}: the user has readonly=2, which lets queries read its files",
                "give the user a profile with readonly=1 (docs/reference/store.md)",
                reason=Reason.STORE_ACCESS_DENIED,
            )
        self._checked_user = True

    def _log(self, dataset: Dataset, *, fresh: bool = False) -> Log:
        sql = built(dataset, lambda: source_sql(dataset.spec))
        key = (sql,)
        with self._lock:
            source = None if fresh else self._sources.get(key)
        if source is None:
            table = self._connection.query(f"DESCRIBE TABLE {sql}")
            source = Source(sql, dict(zip(texts(table.column("name")), texts(table.column("type")), strict=True)))
            with self._lock:
                self._sources[key] = source
        return Log(dataset, source)


NO_CELLS = Cells((), (WHOLE,), np.zeros((0, 1, ARMS, LABELS, ANSWERS), dtype=np.int64))


def open_store(dsn: str, *, read_only: bool = False) -> ClickHouseStore:
    """The store of a DSN: `clickhouse://`, `clickhouses://`, `http://`, `https://` or `chdb:///PATH`.

    It connects when it is first used. `read_only` makes an embedded engine refuse every write.
    """
    return ClickHouseStore(Connection(dsn, read_only=read_only))
