"""Traffic for tests: plays every ready pod of a namespace, in a thread, with the version of the pod's own spec."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tierwise.adapters.clickhouse import open_store
from tierwise.adapters.kubernetes.cache import WatchCache
from tierwise.adapters.kubernetes.client import connect
from tierwise.adapters.kubernetes.paths import path_of
from tierwise.adapters.kubernetes.pods import pod_record
from tierwise.demo.traffic import play, serving_pods
from tierwise.serving.log import PredictionLog
from tierwise.simulation.traffic import TrafficSource


@contextmanager
def playing(
    kubeconfig: Path, namespace: str, dsn: str, source: TrafficSource, *, model: str
) -> Iterator[PredictionLog]:
    """Predictions flow while the block runs; labels are written at most 0.4 s after the prediction."""
    cache = WatchCache(connect(str(kubeconfig)), path_of("pods", namespace), pod_record, lambda _old, _new: None)
    cache.start()
    assert cache.wait_synced(30)
    store = open_store(dsn)
    store.init(source.dimensions)
    log, stopped = PredictionLog(store, model=model, wait_seconds=0.4), threading.Event()

    def pods() -> frozenset[object]:
        return serving_pods(cache.all(namespace), tier_label="tier", version_variable="MODEL_VERSION")

    thread = threading.Thread(target=play, args=(source, log, pods, stopped), name="traffic", daemon=True)
    thread.start()
    try:
        yield log
    finally:
        stopped.set()
        thread.join(30)
        cache.stop()
        store.close()
