"""A log whose labels come from several sources, in a store or in PostgreSQL; with a count in plain Python."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np

from tests.support.predictions import T0
from tierwise.adapters.clickhouse.store import ClickHouseStore
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.monitoring.counts.model import Block, Dataset, Scope

SCOPE = Scope(None, "v1", "v2")
WINDOW = Block(T0, T0 + timedelta(minutes=30))
MATURITY = timedelta(minutes=5)


@dataclass(frozen=True)
class Request:
    """A logged prediction; `own` is the label in the log itself."""

    id: str
    ts: datetime
    version: str
    score: float
    own: int | None


@dataclass(frozen=True)
class Label:
    """A row of a label table."""

    id: str
    value: int | None
    at: datetime
    kind: str


def requests(count: int = 400, seed: int = 1) -> list[Request]:
    rng = np.random.default_rng(seed)
    return [
        Request(
            f"r{i}",
            T0 + timedelta(milliseconds=int(rng.integers(0, 40 * 60_000))),
            ("v1", "v2")[rng.integers(0, 2)],
            round(float(rng.random()), 2),
            (0, 1, None)[rng.integers(0, 3)],
        )
        for i in range(count)
    ]


def labels(rows: Sequence[Request], seed: int) -> list[Label]:
    """Up to three labels of a request, some late, some without a value, some of the wrong kind, some of nobody."""
    rng = np.random.default_rng(seed)
    found = []
    for row in rows:
        for _ in range(rng.integers(0, 4)):
            delay = (timedelta(seconds=-2), timedelta(minutes=1), MATURITY, MATURITY + timedelta(seconds=1))
            at = row.ts + delay[rng.integers(0, 4)]
            found.append(Label(row.id, (0, 1, None)[rng.integers(0, 3)], at, ("manual", "bulk")[rng.integers(0, 2)]))
    return [*found, Label("nobody", 1, T0, "manual")]


def label_by(row: Request, table: Sequence[Label], kind: str | None = None) -> int | None:
    """The request's first label with a value (of the kind), if it came by maturity."""
    ours = [x for x in table if x.id == row.id and x.value is not None and kind in (None, x.kind)]
    first = min(ours, key=lambda x: (x.at, x.value), default=None)
    return first.value if first is not None and first.at <= row.ts + MATURITY else None


def write_log(store: ClickHouseStore, rows: Sequence[Request]) -> str:
    """A table of its own with the rows; its name."""
    name = f"log_{uuid.uuid4().hex[:8]}"
    store.execute(
        f"CREATE TABLE {name} (id String, ts DateTime64(3, 'UTC'), model_version String, score Float64, "
        "own Nullable(UInt8)) ENGINE = MergeTree ORDER BY ts"
    )
    values = ", ".join(
        f"('{r.id}', '{_time(r.ts)}', '{r.version}', {r.score}, {'NULL' if r.own is None else r.own})" for r in rows
    )
    store.execute(f"INSERT INTO {name} VALUES {values}")
    return name


def write_labels(store: ClickHouseStore, rows: Sequence[Label]) -> str:
    """A table of its own with the labels; its name."""
    name = f"labels_{uuid.uuid4().hex[:8]}"
    store.execute(
        f"CREATE TABLE {name} (request String, is_bot Nullable(UInt8), came DateTime64(3, 'UTC'), kind String) "
        "ENGINE = MergeTree ORDER BY came"
    )
    store.execute(f"INSERT INTO {name} VALUES {label_values(rows)}")
    return name


def label_values(rows: Sequence[Label]) -> str:
    """The rows as SQL values."""
    return ", ".join(f"('{x.id}', {'NULL' if x.value is None else x.value}, '{_time(x.at)}', '{x.kind}')" for x in rows)


def a_dataset(table: str, *sources: dict[str, object], **spec: object) -> Dataset:
    """A dataset over the log's table with these sources of labels."""
    columns = {"requestId": "id", "model": "", "tier": "", "label": "own"}
    fields = {"table": table, "columns": columns, "maturity": "5m", **spec}
    if sources:
        fields["labels"] = {"sources": list(sources), **dict(spec.pop("labels", {}))}  # type: ignore[call-overload]
    return Dataset("humans", MonitoringDatasetSpec.model_validate(fields), ())


def counted(rows: Sequence[Request], label_of: object) -> np.ndarray:
    """(2 arms, 3 labels, 3 answers) in plain Python; `label_of` takes a row."""
    counts = np.zeros((2, 3, 3), dtype=np.int64)
    for row in rows:
        if WINDOW.start <= row.ts < WINDOW.end:
            known = label_of(row)  # type: ignore[operator]
            counts[int(row.version == "v2"), 2 if known is None else known, int(row.score >= 0.5)] += 1
    return counts


def _time(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
