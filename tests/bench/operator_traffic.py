"""Traffic of the operator's benchmark: every ready pod serves, and a model turns bad exactly where a block starts."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from tests.bench.operator_rollout import TIERS, Bench
from tierwise.adapters.kubernetes.caches.watch_cache import WatchCache
from tierwise.adapters.kubernetes.paths import path_of
from tierwise.adapters.kubernetes.workloads.pods import PodRecord, pod_record
from tierwise.demo.traffic import serving_pods
from tierwise.errors import StoreError
from tierwise.runtime.predictions import Predictions, ServingPod
from tierwise.serving.log import to_table

ROWS_PER_POD_AND_SECOND = 60


def predictions(
    pods: Sequence[ServingPod], seconds: float, wrong: Mapping[str, float], rng: np.random.Generator
) -> Predictions:
    """Rows of one interval; `wrong` is the chance of an error by pod name."""
    each = round(ROWS_PER_POD_AND_SECOND * seconds)
    count = each * len(pods)
    pod = np.repeat(np.arange(len(pods)), each)
    label = rng.random(count) < 0.5
    answer = label ^ (rng.random(count) < np.array([wrong[p.name] for p in pods])[pod])
    return Predictions(
        pods=tuple(pods),
        pod=pod,
        offset_seconds=np.tile(np.arange(each) * seconds / max(each, 1), len(pods)),
        score=np.where(answer, 0.9, 0.1).astype(np.float32),
        label=label.astype(np.int8),
        label_delay_seconds=np.full(count, 0.001),
        dimensions={},
    )


@contextmanager
def traffic(bench: Bench) -> Iterator[None]:
    """Play every ready pod, 1 % wrong; the candidate of a model that has turned bad 50 %."""
    cache = WatchCache(bench.client, path_of("pods", bench.namespace), pod_record, lambda _old, _new: None)
    cache.start()
    assert cache.wait_synced(30)
    stopped, rng, step = threading.Event(), np.random.default_rng(0), timedelta(milliseconds=250)

    def play() -> None:
        start = datetime.now(UTC)
        while not stopped.is_set():
            stopped.wait(max(0.0, (start + step - datetime.now(UTC)).total_seconds()))
            by_model: dict[str, list[PodRecord]] = {}
            for record in cache.all(bench.namespace):
                by_model.setdefault(record.labels.get("app", ""), []).append(record)
            tables = [table for model, records in sorted(by_model.items()) for table in rows_of(model, records, start)]
            if tables:
                try:
                    bench.store.insert_predictions(pa.concat_tables(tables))  # one insert: it is not what is timed
                except StoreError as error:
                    print(f"traffic: {error}")
            # what a busy machine could not play in time is not played late: rows must not come after their maturity
            start = max(start + step, datetime.now(UTC) - step)

    def rows_of(model: str, records: Sequence[PodRecord], start: datetime) -> Iterator[pa.Table]:
        serving = serving_pods(records, tier_label="tier", version_variable="MODEL_VERSION")
        pods, turns = sorted(serving, key=lambda pod: pod.name), bench.bad_from.get(model)
        # an interval in which it turns is played in two parts: no bad row comes before its block
        cut = min(max(turns - start, timedelta()), step) if turns is not None else step
        for begin, length, bad in ((start, cut, False), (start + cut, step - cut, True)):
            if pods and length > timedelta():
                wrong = {p.name: 0.5 if bad and p.version == "v2" and p.tier == TIERS[1] else 0.01 for p in pods}
                rows = predictions(pods, length.total_seconds(), wrong, rng)
                if len(rows):
                    yield to_table(rows, start=begin, model=model)

    thread = threading.Thread(target=play, name="traffic", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(30)
        cache.stop()
