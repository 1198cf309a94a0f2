"""The prediction log of a pod: labels come later than predictions, and no row is lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from tierwise.api.reasons import Reason
from tierwise.errors import StoreError
from tierwise.runtime.predictions import Predictions, ServingPod
from tierwise.serving.log import PredictionLog

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Sink:
    def __init__(self) -> None:
        self.tables: list[pa.Table] = []
        self.is_down = False

    def insert_predictions(self, rows: pa.Table) -> int:
        if self.is_down:
            raise StoreError("store: connection refused", reason=Reason.STORE_UNREACHABLE)
        self.tables.append(rows)
        return rows.num_rows

    def rows(self) -> list[dict]:
        return [row for table in self.tables for row in table.to_pylist()]


def predictions(*, labels: list[int], delays: list[float]) -> Predictions:
    n = len(labels)
    return Predictions(
        pods=(ServingPod("pod-a", "tier-3", "v1"), ServingPod("pod-b", "tier-3", "v2")),
        pod=np.arange(n) % 2,
        offset_seconds=np.zeros(n),
        score=np.full(n, 0.25, dtype=np.float32),
        label=np.array(labels, dtype=np.int8),
        label_delay_seconds=np.array(delays),
        dimensions={"carrier": np.array(["VX"] * n)},
    )


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_a_row_is_written_when_its_label_is_known_with_the_time_of_serving_before_it():
    sink = Sink()
    log = PredictionLog(sink, model="m", wait_seconds=2.0)
    log.add(predictions(labels=[1, 0], delays=[0.5, 1.5]), START)
    assert log.flush(at(0.4)) == 0
    assert log.flush(at(0.6)) == 1
    assert log.flush(at(1.6)) == 1
    first, second = sink.rows()
    assert (first["ts"], first["labelled_at"], first["label"]) == (START, at(0.5), 1)
    assert (second["ts"], second["labelled_at"], second["label"]) == (START, at(1.5), 0)
    assert (second["model"], second["model_version"], second["tier"], second["pod"]) == ("m", "v2", "tier-3", "pod-b")
    assert second["carrier"] == "VX"


def test_a_prediction_whose_label_never_comes_is_written_without_one_when_the_wait_is_over():
    sink = Sink()
    log = PredictionLog(sink, model="m", wait_seconds=2.0)
    log.add(predictions(labels=[-1], delays=[0.1]), START)
    assert log.flush(at(1.9)) == 0
    assert log.flush(at(2.0)) == 1
    assert sink.rows()[0]["label"] is None
    assert sink.rows()[0]["labelled_at"] is None


def test_every_row_that_is_old_enough_for_the_maturity_has_been_written():
    sink = Sink()
    log = PredictionLog(sink, model="m", wait_seconds=0.9)
    delays = np.linspace(0.0, 3.0, 50)
    log.add(predictions(labels=[1] * 50, delays=delays.tolist()), START)
    log.flush(at(0.9))
    assert len(sink.rows()) == 50


def test_rows_wait_while_the_store_is_down_and_none_is_written_twice():
    sink = Sink()
    log = PredictionLog(sink, model="m", wait_seconds=1.0)
    log.add(predictions(labels=[1, 1, 0], delays=[0.1, 0.2, 0.3]), START)
    sink.is_down = True
    with pytest.raises(StoreError):
        log.flush(at(1.0))
    assert log.waiting == 3
    sink.is_down = False
    assert log.flush(at(1.1)) == 3
    assert log.flush(at(1.2)) == 0
    assert (log.written, log.waiting) == (3, 0)
