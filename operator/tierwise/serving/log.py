"""The prediction log as an inference pod writes it: a row per prediction, written once its label is known or given up.

ClickHouse rows are not updated. So a row waits in the pod until its label came, and is written then, with `ts` in the
past and `labelled_at` after it; a prediction whose label never comes is written when the wait is over, without one.
Counts are right because the reader only uses predictions older than the dataset's `maturity`, which must be at least
`wait_seconds` and the time between two flushes: each of these rows has been written by then.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

import numpy as np
import pyarrow as pa

from tierwise.runtime.predictions import Predictions


class PredictionSink(Protocol):
    """Where rows go."""

    def insert_predictions(self, rows: pa.Table) -> int:
        """Append; how many. Raises StoreError."""
        ...


def to_table(predictions: Predictions, *, start: datetime, model: str, dimensions: Sequence[str] = ()) -> pa.Table:
    """The rows in the columns of the table `predictions`; `start` is when the interval began."""
    micros = 1_000_000
    begin = np.datetime64(start.astimezone(UTC).replace(tzinfo=None), "us")
    offset = (predictions.offset_seconds * micros).astype("timedelta64[us]")
    # whole milliseconds, as the column keeps them
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
        """Rows not yet written."""
        return sum(table.num_rows for table, _ in self._pending)

    def add(self, predictions: Predictions, start: datetime) -> None:
        """Take an interval's predictions; nothing is written yet."""
        if not len(predictions):
            return
        table = to_table(predictions, start=start, model=self._model)
        ts = table["ts"].to_numpy().astype("datetime64[ms]")
        labelled = table["labelled_at"].to_numpy(zero_copy_only=False).astype("datetime64[ms]")
        late = np.isnat(labelled) | (labelled > ts + np.timedelta64(self._wait))
        self._pending.append((table, np.where(late, ts + np.timedelta64(self._wait), labelled)))

    def flush(self, now: datetime) -> int:
        """Write every row that is due; how many. On StoreError nothing is lost: the rows stay due."""
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
