"""Writes the prediction log in an inference pod: a row per prediction, once its label is known or the wait is over.

ClickHouse rows are not updated. So a row waits in the pod until its label comes. Then it is written, with `ts` in the
past and `labelled_at` after it. A prediction without a label is written when the wait is over. The counts are right
because the reader only uses predictions older than the dataset's `maturity`. The maturity must be at least
`wait_seconds` plus the time between two flushes, so that each of these rows has been written by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np
import pyarrow as pa

from tierwise.runtime.predictions import Predictions


class PredictionSink(Protocol):
    """The target of rows."""

    def insert_predictions(self, rows: pa.Table) -> int:
        """Append rows; returns their number. Raises StoreError."""
        ...


def to_table(predictions: Predictions, *, start: datetime, model: str, dimensions: Sequence[str] = ()) -> pa.Table:
    """The rows in the columns of the table `predictions`; `start` is when the interval began."""
    micros = 1_000_000
    begin = np.datetime64(start.astimezone(UTC).replace(tzinfo=None), "us")
    offset = (predictions.offset_seconds * micros).astype("timedelta64[us]")
    # whole milliseconds, as in the column
    ts = (begin + offset).astype("datetime64[ms]")
    delay = np.maximum((predictions.label_delay_seconds * 1000).astype("timedelta64[ms]"), np.timedelta64(1, "ms"))
    unknown = predictions.label < 0
    pods = predictions.pods or ()
    stamp = pa.timestamp("ms", tz="UTC")

    def of_pods(values: list[str]) -> pa.Array:
        return pa.array(np.array(values or [""], dtype=object)[predictions.pod], type=pa.string())

    columns: dict[str, pa.Array] = {
        "ts": pa.array(ts).cast(stamp),
        "tier": of_pods([p.tier for p in pods]),
        "pod": of_pods([p.name for p in pods]),
        "model": pa.array([model] * len(predictions), type=pa.string()),
        "model_version": of_pods([p.version for p in pods]),
        "score": pa.array(predictions.score, type=pa.float32()),
        "label": pa.array(np.where(unknown, 0, predictions.label).astype(np.uint8), mask=unknown),
        "labelled_at": pa.array(ts + delay, mask=unknown).cast(stamp),
    }
    for name in dimensions or predictions.dimensions:
        columns[name] = pa.array(predictions.dimensions[name].astype(object), type=pa.string())
    return pa.table(columns)


class PredictionLog:
    """Buffers rows until their label is known and writes those that are due; one per process, not thread-safe."""

    def __init__(self, sink: PredictionSink, *, model: str, wait_seconds: float) -> None:
        self._sink = sink
        self._model = model
        self._wait = timedelta(seconds=wait_seconds)
        self._pending: list[tuple[pa.Table, np.ndarray[tuple[int], np.dtype[np.datetime64]]]] = []
        self.written = 0

    @property
    def waiting(self) -> int:
        """The number of rows that are not written yet."""
        return sum(table.num_rows for table, _ in self._pending)

    def add(self, predictions: Predictions, start: datetime) -> None:
        """Add an interval's predictions. Nothing is written yet."""
        if not len(predictions):
            return
        table = to_table(predictions, start=start, model=self._model)
        ts = table["ts"].to_numpy().astype("datetime64[ms]")
        labelled = table["labelled_at"].to_numpy(zero_copy_only=False).astype("datetime64[ms]")
        late = np.isnat(labelled) | (labelled > ts + np.timedelta64(self._wait))
        self._pending.append((table, np.where(late, ts + np.timedelta64(self._wait), labelled)))

    def flush(self, now: datetime) -> int:
        """Write every row that is due; returns their number. After a StoreError no row is lost: the rows stay due."""
        moment = np.datetime64(now.astimezone(UTC).replace(tzinfo=None), "ms")
        due = [
            (table.filter(pa.array(at <= moment)), table.filter(pa.array(at > moment)), at[at > moment])
            for table, at in self._pending
        ]
        ready = pa.concat_tables([table for table, _, _ in due]) if due else None
        if ready is not None and ready.num_rows:
            self._sink.insert_predictions(ready)
        self._pending = [(rest, at) for _, rest, at in due if rest.num_rows]
        count = ready.num_rows if ready is not None else 0
        self.written += count
        return int(count)
