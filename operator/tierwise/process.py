"""The operator's process: puts client, caches, leadership, ticks and watches together, and ends when it must."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from tierwise import handlers
from tierwise.adapters.http.health import HealthServer, Page
from tierwise.adapters.http.telemetry import Telemetry
from tierwise.adapters.kubernetes.caches.mirror import Mirror
from tierwise.adapters.kubernetes.client import Client, connect
from tierwise.adapters.kubernetes.datasets import KubernetesDatasets
from tierwise.adapters.kubernetes.fleet import KubernetesFleet
from tierwise.adapters.kubernetes.lease import KubernetesLease
from tierwise.adapters.kubernetes.paths import path_of
from tierwise.adapters.prediction_logs.stores import Stores
from tierwise.api.names import API_VERSION
from tierwise.api.reasons import Reason
from tierwise.errors import ApiError, ClusterError, ForbiddenError, ReasonedError
from tierwise.runtime.control_loop.leadership import Elector
from tierwise.runtime.control_loop.loop import Loop
from tierwise.runtime.control_loop.reconcile import reconcile
from tierwise.runtime.control_loop.settings import OperatorSettings
from tierwise.runtime.control_loop.workqueue import WorkQueue
from tierwise.runtime.datasets.status import DatasetStatuses
from tierwise.runtime.judging.look import Judging

logger = logging.getLogger(__name__)

_DATASET_WORKERS = 2  # so that one store that hangs does not keep the others' datasets waiting


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """UTC-aware."""
        return datetime.now(UTC)


@dataclass
class _State:
    """What the probes tell; written by the main thread."""

    waiting_for_lease: bool = False
    watching: bool = False


class _Unobserved:
    """Checks of datasets are not ticks of rollouts, which the metrics count."""

    def tick_ended(self, outcome: str, seconds: float) -> None:
        """Nothing."""


class _Watched:
    """MonitoringDatasets as the watch tells of them: only another spec is news, not the status that Tierwise writes."""

    def __init__(self, mirror: Mirror, datasets: Loop, statuses: DatasetStatuses) -> None:
        self.datasets = datasets
        self._mirror = mirror
        self._statuses = statuses
        self._states: dict[tuple[str, str], str] = {}  # only used by the watch's thread

    def seen(self, namespace: str, name: str, state: str | None) -> None:
        """A dataset is there with this uid and generation; None: gone."""
        key = (namespace, name)
        if state is not None and self._states.get(key) == state:
            return
        if state is None:
            self._states.pop(key, None)
            self.datasets.forget(namespace, name)
            self._statuses.forget(namespace, name)
        else:
            self._states[key] = state
            self.datasets.wake(namespace, name)
        self._mirror.wake_users_of_dataset(namespace, name)


def run_operator(settings: OperatorSettings) -> None:
    """Serve until SIGTERM or SIGINT. Call it in the main thread.

    Raises:
        ReasonedError: no cluster, CRDs or rights missing, a DSN that is none, a port that is taken.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())  # kopf takes the signals over while it watches
    client = _connect(settings, settings.request_timeout_seconds)
    telemetry, state = Telemetry(), _State()
    mirror = Mirror(client, settings.namespaces, lambda namespace, name: loop.wake(namespace, name))
    clock = SystemClock()
    fleet = KubernetesFleet(client, mirror, clock)

    def wake_dataset(namespace: str, name: str) -> None:
        datasets.wake(namespace, name)

    with contextlib.closing(Stores(settings.store)) as stores:
        judge = Judging(safety_seconds=settings.safety_seconds)
        tick = partial(reconcile, fleet=fleet, store=stores, clock=clock, judge=judge)
        loop = Loop(tick, telemetry, workers=settings.workers, queue=WorkQueue(resync_seconds=settings.resync_seconds))
        statuses = DatasetStatuses(
            KubernetesDatasets(client, mirror, fleet), stores, clock, wake_dataset, mirror.wake_users_of_dataset
        )
        datasets = Loop(statuses.tick, _Unobserved(), workers=_DATASET_WORKERS)
        telemetry.gauges = {
            "tierwise_objects": ("ModelDeployments known.", lambda: len(loop)),
            "tierwise_datasets": ("MonitoringDatasets known.", lambda: len(datasets)),
            "tierwise_overdue_seconds": ("How late the latest tick is.", loop.overdue_seconds),
            "tierwise_watch_silent_seconds": ("Since the quietest watch heard of the server.", mirror.silent_seconds),
        }
        with _probes(settings, loop, telemetry, state):
            _check_cluster(client, settings)
            with _leadership(settings, client, stop, state) as leads:
                if leads:
                    _serve(
                        settings, client, mirror, loop, judge, telemetry, state, _Watched(mirror, datasets, statuses)
                    )


def _serve(
    settings: OperatorSettings,
    client: Client,
    mirror: Mirror,
    loop: Loop,
    judge: Judging,
    telemetry: Telemetry,
    state: _State,
    watched: _Watched,
) -> None:
    """Leading: fill the caches, then tick and watch until a signal."""

    def announce() -> None:
        state.watching = True
        logger.info("serving %s", ", ".join(settings.namespaces) or "all namespaces")

    def forget(namespace: str, name: str) -> None:
        loop.forget(namespace, name)
        judge.forget(namespace, name)

    try:
        mirror.start()
    except ClusterError as error:
        raise ReasonedError(str(error), reason=Reason.CLUSTER_UNREACHABLE) from error
    loop.start()
    watched.datasets.start()
    listener = handlers.Listener(loop.wake, forget, watched.seen, telemetry.rollout_seen)
    try:
        handlers.run(listener, client.connection, settings.namespaces, announce)
    finally:
        loop.stop()
        watched.datasets.stop(timeout_seconds=1.0)  # a check that hangs must not hold up the end: it writes nothing
        mirror.stop()


def _connect(settings: OperatorSettings, timeout_seconds: float) -> Client:
    try:
        return connect(settings.kubeconfig, settings.context, request_timeout_seconds=timeout_seconds)
    except ClusterError as error:
        raise ReasonedError(str(error), reason=Reason.CLUSTER_UNREACHABLE) from error


def _check_cluster(client: Client, settings: OperatorSettings) -> None:
    """Refuse to start where nothing could work: no answer, no CRDs, no rights to read them."""
    try:
        try:
            served = client.get(f"/apis/{API_VERSION}")
        except ApiError as error:
            if error.status != 404:
                raise
            served = {"resources": []}
        missing = {"modeldeployments", "modelrollouts", "monitoringdatasets"} - {
            resource["name"] for resource in served["resources"]
        }
        if missing:
            raise ReasonedError(
                f"the cluster does not serve {', '.join(sorted(missing))} of {API_VERSION}",
                "install Tierwise's CRDs: kubectl apply --server-side -f crds/",
                reason=Reason.CRDS_MISSING,
            )
        for namespace in settings.namespaces or (None,):
            client.get(path_of("modeldeployments", namespace), limit=1)
    except ForbiddenError as error:
        raise ReasonedError(
            f"the API server refuses the operator: {error.message}",
            "give it the Role of docs/concepts/operator.md, or name the namespaces it may serve (--namespace)",
            reason=Reason.CLUSTER_UNREACHABLE,
        ) from error
    except ClusterError as error:
        raise ReasonedError(
            str(error), "check --kubeconfig and --context, and that the cluster runs", reason=Reason.CLUSTER_UNREACHABLE
        ) from error


@contextlib.contextmanager
def _leadership(settings: OperatorSettings, client: Client, stop: threading.Event, state: _State) -> Iterator[bool]:
    """Hold the Lease inside (False: stopped before it was got). When it is lost the process ends, at once."""
    if not settings.leader_elect:
        yield True
        return
    # A client of its own: a hung request must end within the renew deadline, and renewing is not guarded by itself.
    own = _connect(settings, settings.lease_times.request_timeout)
    identity = f"{socket.gethostname()}_{uuid.uuid4().hex[:8]}"
    lease = KubernetesLease(own, settings.lease_namespace, settings.lease_name)
    elector = Elector(lease, identity, time.monotonic, settings.lease_times)
    state.waiting_for_lease = True
    if not elector.acquire(stop):
        yield False
        return
    state.waiting_for_lease = False
    client.guard = elector.guard
    ended = threading.Event()

    def keep() -> None:
        if not elector.keep(ended):
            logging.shutdown()
            os._exit(1)  # a graceful end would wait for requests that may hang; writes are stopped by the guard already

    keeper = threading.Thread(target=keep, name="lease", daemon=True)
    keeper.start()
    try:
        yield True
    finally:
        ended.set()
        keeper.join(settings.lease_times.renew_deadline)
        elector.release()


@contextlib.contextmanager
def _probes(settings: OperatorSettings, loop: Loop, telemetry: Telemetry, state: _State) -> Iterator[None]:
    """Serve /healthz, /readyz and /metrics inside, on the ports that are set."""

    def alive() -> tuple[int, str]:
        late = loop.overdue_seconds()
        if late > settings.overdue_seconds:
            return 500, f"a tick is overdue by {late:.0f} s (limit {settings.overdue_seconds:.0f} s)\n"
        return 200, "ok\n"

    def ready() -> tuple[int, str]:
        if state.waiting_for_lease:
            return 200, "standing by: another process holds the Lease\n"
        return (200, "ok\n") if state.watching else (503, "starting\n")

    pages: dict[int, dict[str, Page]] = {}
    if settings.health_port is not None:
        pages.setdefault(settings.health_port, {}).update({"/healthz": alive, "/readyz": ready})
    if settings.metrics_port is not None:
        pages.setdefault(settings.metrics_port, {})["/metrics"] = lambda: (200, telemetry.exposition())
    with contextlib.ExitStack() as servers:
        for port, served in pages.items():
            try:
                server = HealthServer(settings.bind_address, port, served)
            except OSError as error:
                raise ReasonedError(
                    f"cannot listen on {settings.bind_address}:{port}: {error.strerror}",
                    "another process has the port; give another one",
                    reason=Reason.INVALID_SPEC,
                ) from error
            server.start()
            servers.callback(server.stop)
            logger.info("%s on http://%s:%d", ", ".join(sorted(served)), settings.bind_address, server.port)
        yield
