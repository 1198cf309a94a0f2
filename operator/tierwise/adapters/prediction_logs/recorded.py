"""A recorded log as an analysis reads it: a store's counts, and what is in the log at all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from tierwise.adapters.clickhouse.connection import Connection
from tierwise.adapters.clickhouse.store import ClickHouseStore, open_store
from tierwise.adapters.clickhouse.values import built
from tierwise.adapters.files.problems import packed_as, what_is_wrong
from tierwise.adapters.files.recorded_file import LabelFile, load_file, load_labels
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.reasons import Reason
from tierwise.errors import RefusedError, SpecError, StoreError
from tierwise.monitoring.counts.model import Block, Cells, Dataset, Invalid, PodCounts, Scope
from tierwise.monitoring.evidence.recorded import runs_of
from tierwise.monitoring.query.log.config import config_hash
from tierwise.monitoring.query.log.window import time_of
from tierwise.monitoring.query.look.counts import Log, Query, Source, cells_query, source_sql
from tierwise.monitoring.query.look.decode import texts
from tierwise.monitoring.query.look.explain import Asked, Asking, asked
from tierwise.monitoring.query.look.row_patterns import Entries, joined
from tierwise.monitoring.query.look.versions import survey_query
from tierwise.monitoring.query.quality.arrivals import Received, Sources
from tierwise.runtime.reading.runs import BLOCKS_AT_ONCE, in_runs
from tierwise.runtime.recorded_log import VersionRows

_FORMATS = {".parquet": "Parquet", ".csv": "CSVWithNames", ".tsv": "TabSeparatedWithNames"}


@contextmanager
def open_recorded_store(dsn: str) -> Iterator[RecordedStore]:
    """The log behind a DSN, for reading only."""
    store = open_store(dsn, read_only=True)
    try:
        yield RecordedStore(store)
    finally:
        store.close()


@contextmanager
def open_recorded_file(
    path: str,
    spec: MonitoringDatasetSpec,
    row_time: str | None,
    labels: Sequence[LabelFile] = (),
    *,
    described: bool = False,
) -> Iterator[RecordedStore]:
    """A Parquet, CSV or TSV file, loaded once into an embedded engine as `spec.table`; beside it files of labels.

    `row_time` adds a column of that name which counts the rows in file order, one second each from the epoch on.
    `described`: the spec is a manifest's.

    Raises:
        SpecError: no such file, a format that is not known, contents that cannot be read, or a column that is missing.
    """
    kinds = {each: _format_of(each) for each in (path, *(label.path for label in labels))}
    connection = Connection("chdb://memory")
    try:
        with _told(path, kinds[path]):
            load_file(connection, path, kinds[path], spec, row_time, described=described)
        for label in labels:
            with _told(label.path, kinds[label.path]):
                load_labels(connection, label, kinds[label.path], spec)
        yield RecordedStore(ClickHouseStore(connection))
    finally:
        connection.close()


_BAD_FILE = Reason.DATASET_INVALID


def _format_of(path: str) -> str:
    kind = _FORMATS.get(Path(path).suffix.lower())
    if kind is None:
        raise SpecError(
            f"{path}: is neither Parquet nor CSV nor TSV", f"name it {', '.join(_FORMATS)}", reason=_BAD_FILE
        )
    if not Path(path).is_file():
        wrong = "is a directory" if Path(path).is_dir() else "no such file"
        raise SpecError(f"{path}: {wrong}", "give the path of a Parquet or CSV file", reason=_BAD_FILE)
    try:
        with Path(path).open("rb") as file:
            packed = packed_as(file.read(8))
    except OSError as error:
        wrong = (error.strerror or "it cannot be opened").lower()
        raise SpecError(f"{path}: {wrong}", "check the file and its permissions", reason=_BAD_FILE) from error
    if packed is not None:
        raise SpecError(f"{path}: it is compressed with {packed}", "unpack it first", reason=_BAD_FILE)
    return kind


@contextmanager
def _told(path: str, kind: str) -> Iterator[None]:
    """What is wrong with a file, said of the file."""
    try:
        yield
    except StoreError as error:
        fact, remedy = what_is_wrong(kind, error.message)
        raise SpecError(f"{path}: {fact}", remedy, reason=_BAD_FILE) from error


class RecordedStore:
    """Implements `runtime.recorded_log.RecordedLog` on a ClickHouse store, a server or embedded."""

    def __init__(self, store: ClickHouseStore) -> None:
        self._store = store
        self._known: dict[tuple[int, Scope], tuple[str, ...]] = {}

    def check(self, dataset: Dataset) -> None:
        """Raises when the dataset cannot be read."""
        self._store.check(dataset)

    def survey(
        self, dataset: Dataset, scope: Scope, window: tuple[datetime | None, datetime]
    ) -> Mapping[str, VersionRows]:
        """Every version with its rows and times; one scan of two columns."""
        try:
            query = survey_query(self._log(dataset), scope, *window)
        except RefusedError as refusal:
            raise SpecError(refusal.message, refusal.remedy, reason=refusal.reason) from refusal
        found = self._store.query(query.sql, query.parameters)
        counts = (found.column(name).to_pylist() for name in ("n", "first", "last"))
        return {
            version: VersionRows(n, time_of(first), time_of(last))
            for version, n, first, last in zip(texts(found.column("v")), *counts, strict=True)
        }

    def read_cells(self, dataset: Dataset, scope: Scope, blocks: Sequence[Block]) -> Cells:
        """As PredictionStore. The first read of a dataset and scope decides which values are counted by name.

        Otherwise a dimension with more than its maxValues would have other values by name in every run of blocks, and
        a slice's counts would miss the runs in which it was among the others.
        """
        key = (config_hash(dataset), scope)
        cells = self._store.read_cells(replace(dataset, known=self._known.get(key, dataset.known)), scope, blocks)
        self._known.setdefault(key, cells.slices)
        return cells

    def read_entries(self, dataset: Dataset, scope: Scope, blocks: Sequence[Block], most: int) -> Entries:
        """Rows by all their numbers.

        Raises:
            SpecError: there are more than `most` combinations.
        """
        kept = self._store.kept(dataset, scope, Block(blocks[0].start, blocks[-1].end))
        parts: list[Entries] = []
        done = found = 0

        def read(run: Sequence[Block]) -> tuple[Entries, int]:
            return self._store.read_entries(dataset, scope, run, done, kept, most + 1 - found), len(run)

        for regular in runs_of(blocks, BLOCKS_AT_ONCE):
            for part, length in in_runs(regular, BLOCKS_AT_ONCE, read):
                parts.append(part)
                done += length
                found += len(part.rows)
                if found > most:
                    raise SpecError(
                        f"dataset {dataset.name!r}: the window has more than {most:,} rows that differ, and metrics of "
                        "scores or sums need each of them",
                        "give a shorter window with --since, or leave these metrics away",
                        reason=Reason.QUERY_OVER_LIMITS,
                    )
        return joined(parts)

    def read_halves(self, dataset: Dataset, scope: Scope, blocks: Sequence[Block]) -> Cells | None:
        """As PredictionStore."""
        return self._store.read_halves(dataset, scope, blocks)

    def read_units(self, dataset: Dataset, scope: Scope, window: Block) -> Cells | None:
        """As PredictionStore."""
        return self._store.read_units(dataset, scope, window)

    def read_pods(self, dataset: Dataset, scope: Scope, window: Block) -> PodCounts | None:
        """As PredictionStore."""
        return self._store.read_pods(dataset, scope, window)

    def count_invalid(self, dataset: Dataset, scope: Scope, window: Block, now: datetime) -> Invalid:
        """As PredictionStore."""
        return self._store.count_invalid(dataset, scope, window, now)

    def read_untimed(self, dataset: Dataset, scope: Scope, now: datetime) -> tuple[int, int]:
        """As PredictionStore."""
        return self._store.read_untimed(dataset, scope, now)

    def read_received(self, dataset: Dataset, scope: Scope, window: Block) -> Received:
        """As PredictionStore."""
        return self._store.read_received(dataset, scope, window)

    def read_sources(self, dataset: Dataset, scope: Scope, window: Block) -> Sources | None:
        """As PredictionStore."""
        return self._store.read_sources(dataset, scope, window)

    def query_of(self, dataset: Dataset, scope: Scope, blocks: Sequence[Block]) -> Query:
        """The query of a look at these blocks."""
        return cells_query(self._log(dataset), scope, blocks)

    def asked(
        self, dataset: Dataset, scope: Scope, blocks: Sequence[Block], kinds: Sequence[str], now: datetime
    ) -> tuple[Asked, ...]:
        """Queries at these blocks by kind, as they are sent, also with the values that dimensions keep."""
        kept = self._store.kept(dataset, scope, Block(blocks[0].start, blocks[-1].end))
        at = Asking(self._log(dataset), scope, blocks, now, kept)
        return built(dataset, lambda: asked(at, kinds))

    def hash_of(self, dataset: Dataset) -> str:
        """As `ml_performance.config_hash`, in hex."""
        return f"{config_hash(dataset):016x}"

    def _log(self, dataset: Dataset) -> Log:
        sql = source_sql(dataset.spec)
        described = self._store.query(f"DESCRIBE TABLE {sql}").to_pylist()
        return Log(dataset, Source(sql, {_text(row["name"]): _text(row["type"]) for row in described}))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value
