"""The operator's process: builds its parts, connects them, and ends when it must."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from dataclasses import dataclass
from datetime import UTC, datetime

from tierwise import handlers
from tierwise.adapters.http.telemetry import Telemetry
from tierwise.adapters.kubernetes.caches.mirror import Mirror
from tierwise.adapters.kubernetes.client import Client
from tierwise.adapters.kubernetes.datasets import KubernetesDatasets
from tierwise.adapters.kubernetes.fleet import KubernetesFleet
from tierwise.adapters.prediction_logs.stores import Stores
from tierwise.api.reasons import Reason
from tierwise.errors import ClusterError, ReasonedError
from tierwise.process.cluster import check_cluster, connected
from tierwise.process.leading import leadership
from tierwise.process.probes import probes
from tierwise.process.state import ProcessState
from tierwise.runtime.control_loop.keeper import VerdictKeeper
from tierwise.runtime.control_loop.loop import Loop
from tierwise.runtime.control_loop.reconcile import Ticking
from tierwise.runtime.control_loop.settings import OperatorSettings
from tierwise.runtime.control_loop.workqueue import WorkQueue
from tierwise.runtime.datasets.status import DatasetStatuses
from tierwise.runtime.judging.look import Judging

logger = logging.getLogger(__name__)

_DATASET_WORKERS = 2  # so that datasets of other stores need not wait for one store that hangs


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The present time, UTC-aware."""
        return datetime.now(UTC)


class _Unobserved:
    """Ignores the ticks of datasets, because the metrics count only ticks of rollouts."""

    def tick_ended(self, outcome: str, seconds: float) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of an operator. Each part uses only parts before it."""

    settings: OperatorSettings
    client: Client
    state: ProcessState
    telemetry: Telemetry
    rollouts: Loop
    datasets: Loop
    mirror: Mirror
    fleet: KubernetesFleet
    judge: Judging
    statuses: DatasetStatuses
    stores: Stores
    keeper: VerdictKeeper


def run_operator(settings: OperatorSettings) -> None:
    """Serve until SIGTERM or SIGINT. Call it in the main thread.

    Raises:
        ReasonedError: no cluster, missing CRDs or rights, an invalid DSN, a port that is taken.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())  # while kopf watches, it handles the signals
    client = connected(settings, settings.request_timeout_seconds)
    with contextlib.closing(Stores(settings.store)) as stores:
        parts = _build(settings, client, stores)
        with probes(settings, parts.rollouts, parts.telemetry, parts.state):
            check_cluster(client, settings)
            with leadership(settings, client, stop, parts.state) as leads:
                if leads:
                    _serve(parts)


def _build(settings: OperatorSettings, client: Client, stores: Stores) -> _Parts:
    clock, telemetry = SystemClock(), Telemetry()
    rollouts = Loop(telemetry, workers=settings.workers, queue=WorkQueue(resync_seconds=settings.resync_seconds))
    datasets = Loop(_Unobserved(), workers=_DATASET_WORKERS)
    mirror = Mirror(client, settings.namespaces, rollouts.wake)
    fleet = KubernetesFleet(client, mirror, clock)
    judge = Judging(safety_seconds=settings.safety_seconds)
    statuses = DatasetStatuses(
        KubernetesDatasets(client, mirror, fleet), stores, clock, datasets.wake, mirror.wake_users_of_dataset
    )
    keeper = VerdictKeeper(stores, fleet, clock, rollouts.wake)
    telemetry.gauges = {
        "tierwise_objects": ("ModelDeployments known.", lambda: len(rollouts)),
        "tierwise_datasets": ("MonitoringDatasets known.", lambda: len(datasets)),
        "tierwise_overdue_seconds": ("How late the latest tick is.", rollouts.overdue_seconds),
        "tierwise_watch_silent_seconds": ("Since the quietest watch heard of the server.", mirror.silent_seconds),
    }
    return _Parts(
        settings, client, ProcessState(), telemetry, rollouts, datasets, mirror, fleet, judge, statuses, stores, keeper
    )


def _serve(parts: _Parts) -> None:
    """Work as the leader: fill the caches, then tick and watch until a signal."""

    def announce() -> None:
        parts.state.watching = True
        logger.info("serving %s", ", ".join(parts.settings.namespaces) or "all namespaces")

    def forget(namespace: str, name: str) -> None:
        parts.rollouts.forget(namespace, name)
        parts.judge.forget(namespace, name)
        parts.keeper.forget(namespace, name)

    try:
        parts.mirror.start()
    except ClusterError as error:
        raise ReasonedError(str(error), reason=Reason.CLUSTER_UNREACHABLE) from error
    parts.rollouts.start(Ticking(parts.fleet, parts.stores, SystemClock(), parts.judge, parts.keeper).tick)
    parts.datasets.start(parts.statuses.tick)
    watched = _Watched(parts.mirror, parts.datasets, parts.statuses)
    listener = handlers.Listener(parts.rollouts.wake, forget, watched.seen, parts.telemetry.rollout_seen)
    try:
        handlers.run(listener, parts.client.connection, parts.settings.namespaces, announce)
    finally:
        parts.rollouts.stop()
        parts.keeper.close()
        parts.datasets.stop(timeout_seconds=1.0)  # a check that hangs must not delay the end; it writes nothing
        parts.mirror.stop()


class _Watched:
    """The MonitoringDatasets of the watch. Only a changed spec is passed on, not the status that Tierwise writes."""

    def __init__(self, mirror: Mirror, datasets: Loop, statuses: DatasetStatuses) -> None:
        self._datasets = datasets
        self._mirror = mirror
        self._statuses = statuses
        self._states: dict[tuple[str, str], str] = {}  # only used by the watch's thread

    def seen(self, namespace: str, name: str, state: str | None) -> None:
        """Note a dataset with this uid and generation; None means that it no longer exists."""
        key = (namespace, name)
        if state is not None and self._states.get(key) == state:
            return
        if state is None:
            self._states.pop(key, None)
            self._datasets.forget(namespace, name)
            self._statuses.forget(namespace, name)
        else:
            self._states[key] = state
            self._datasets.wake(namespace, name)
        self._mirror.wake_users_of_dataset(namespace, name)
