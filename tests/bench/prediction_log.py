"""The prediction log that all benchmarks read: four hours, 8 dimensions with 743 values, hashed from row numbers.

Two versions of equal quality, half of the rows each; three tiers; half of the labels missing or late. It is made by
the engine itself, so that 10 million rows take seconds, and it is the same in every run.
"""

# ruff: noqa: E501  # SQL of constants

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tierwise.adapters.clickhouse.store import ClickHouseStore, open_store
from tierwise.api.monitoringdataset import Columns, Dimension, MonitoringDatasetSpec
from tierwise.monitoring.counts.model import Block, Dataset, Scope

VALUES = (3, 10, 30, 100, 200, 200, 100, 100)  # 743 values of 8 dimensions
NAMES = tuple(f"d{i}" for i in range(len(VALUES)))
MODEL, VERSIONS, TIERS = "m", ("v1", "v2"), ("tier-1", "tier-2", "tier-3")
START = datetime(2026, 3, 1, 11, 0, tzinfo=UTC)
MINUTES = 240
MATURITY_SECONDS = 300
SCOPE = Scope(MODEL, *VERSIONS, TIERS)
COLUMNS = ("ts", "tier", "model", "model_version", "score", "label", "labelled_at", *NAMES)  # what a look reads


@dataclass(frozen=True)
class BenchLog:
    """A filled log on disk. One process at a time may open it."""

    directory: Path
    rows: int

    @property
    def dsn(self) -> str:
        """Where it is."""
        return f"chdb://{self.directory}"

    def window(self, rows: int | None = None) -> Block:
        """The first part of the log with about so many rows; all of it by default."""
        share = 1.0 if rows is None else min(rows / self.rows, 1.0)
        return Block(START, START + timedelta(minutes=MINUTES) * share)

    @contextmanager
    def opened(self) -> Iterator[ClickHouseStore]:
        """Its store, closed afterwards."""
        store = open_store(self.dsn)
        try:
            yield store
        finally:
            store.close()


def minutes() -> tuple[Block, ...]:
    """The log's minutes, one block each."""
    step = timedelta(minutes=1)
    return tuple(Block(START + i * step, START + (i + 1) * step) for i in range(MINUTES))


def dataset_spec() -> MonitoringDatasetSpec:
    """Each dimension alone, labels within five minutes."""
    return MonitoringDatasetSpec(
        table="predictions",
        columns=Columns(labelled_at="labelled_at"),
        maturity=f"{MATURITY_SECONDS}s",
        dimensions=[Dimension(name=name, expression=name, max_values=300) for name in NAMES],
    )


def a_dataset() -> Dataset:
    """The dataset as a look uses it."""
    return Dataset("bench", dataset_spec(), tuple((name,) for name in NAMES))


@contextmanager
def filled_log(rows: int) -> Iterator[BenchLog]:
    """A log of so many rows in a temporary directory."""
    with tempfile.TemporaryDirectory(prefix="tierwise-bench-") as directory:
        log = BenchLog(Path(directory) / "data", rows)
        with log.opened() as store:
            fill(store, rows)
        yield log


def fill(store: ClickHouseStore, rows: int) -> None:
    """Insert the rows, evenly over the four hours, and merge the parts, so that no merge runs while something is timed."""
    store.init(list(NAMES))
    step = MINUTES * 60_000 / rows
    dimensions = ", ".join(
        f"concat('v', toString(cityHash64(number, {i} + 10) % {size}))" for i, size in enumerate(VALUES)
    )
    start = START.strftime("%Y-%m-%d %H:%M:%S")
    store.execute(
        f"INSERT INTO predictions ({', '.join(COLUMNS)}) "
        f"SELECT toDateTime64('{start}', 3, 'UTC') + toIntervalMillisecond(toInt64(number * {step})) AS t, "
        "concat('tier-', toString(1 + cityHash64(number, 1) % 3)), 'm', if(cityHash64(number, 2) % 2 = 0, 'v1', 'v2'), "
        "toFloat32(cityHash64(number, 3) % 1000003 / 1000003.), if(cityHash64(number, 4) % 10 < 3, NULL, cityHash64(number, 5) % 2), "
        f"t + toIntervalSecond(cityHash64(number, 6) % 400), {dimensions} FROM numbers({rows})"
    )
    store.execute("OPTIMIZE TABLE predictions FINAL")
