"""Traffic for tests: plays ready pods of a namespace, in threads, with the version of each pod's own spec."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from tierwise.adapters.clickhouse.store import open_store
from tierwise.adapters.kubernetes.caches.watch_cache import WatchCache
from tierwise.adapters.kubernetes.client import connect
from tierwise.adapters.kubernetes.paths import path_of
from tierwise.adapters.kubernetes.workloads.pods import PodRecord, pod_record
from tierwise.demo.traffic import INTERVAL_SECONDS, play, serving_pods
from tierwise.runtime.predictions import Predictions, ServingPod
from tierwise.serving.log import PredictionLog
from tierwise.simulation.traffic.rows import TrafficSource
from tierwise.simulation.traffic.scenarios import BernoulliTraffic

LABEL_WAIT_SECONDS = 0.6  # labels of the scenarios come half a second after the prediction


class Switch:
    """A traffic source that a test replaces while it plays: labels stop, versions change, nothing is served."""

    def __init__(self, source: TrafficSource) -> None:
        self.source = source

    @property
    def dimensions(self) -> tuple[str, ...]:
        """Names of the log's dimension columns."""
        return self.source.dimensions

    def stop(self) -> None:
        """Nothing is served from now on; the source must be a scenario."""
        assert isinstance(self.source, BernoulliTraffic)
        self.source = replace(self.source, stops_at_interval=0)

    def serve(self, interval: int, pods: Sequence[ServingPod], seconds: float) -> Predictions:
        """As the present source does."""
        return self.source.serve(interval, pods, seconds)


@contextmanager
def playing(
    kubeconfig: Path, namespace: str, dsn: str, source: TrafficSource, *, model: str
) -> Iterator[PredictionLog]:
    """Predictions of all pods of the namespace flow while the block runs."""
    with playing_models(kubeconfig, namespace, dsn, {model: source}) as logs:
        yield logs[model]


@contextmanager
def playing_models(
    kubeconfig: Path,
    namespace: str,
    dsn: str,
    sources: Mapping[str, TrafficSource],
    *,
    interval_seconds: float = INTERVAL_SECONDS,
) -> Iterator[dict[str, PredictionLog]]:
    """Predictions flow to each model's pods (label `app`) while the block runs; each in a thread of its own."""
    cache = WatchCache(connect(str(kubeconfig)), path_of("pods", namespace), pod_record, lambda _old, _new: None)
    stopped, threads, logs = threading.Event(), [], {}
    with ExitStack() as stack:
        cache.start()
        stack.callback(cache.stop)
        assert cache.wait_synced(30)
        for model, source in sources.items():
            store = open_store(dsn)
            stack.callback(store.close)
            store.init(source.dimensions)
            logs[model] = PredictionLog(store, model=model, wait_seconds=LABEL_WAIT_SECONDS)
            run = partial(play, source, logs[model], _pods_of(cache, namespace, model), stopped)
            threads.append(
                threading.Thread(
                    target=run, kwargs={"interval_seconds": interval_seconds}, name=f"traffic-{model}", daemon=True
                )
            )
        for thread in threads:
            thread.start()
        try:
            yield logs
        finally:
            stopped.set()
            for thread in threads:
                thread.join(30)


def _pods_of(cache: WatchCache[PodRecord], namespace: str, model: str) -> Callable[[], frozenset[ServingPod]]:
    def pods() -> frozenset[ServingPod]:
        records = [pod for pod in cache.all(namespace) if pod.labels.get("app") == model]
        return serving_pods(records, tier_label="tier", version_variable="MODEL_VERSION")

    return pods
