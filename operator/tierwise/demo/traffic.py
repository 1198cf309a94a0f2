"""The traffic process: plays every ready pod with the model version of the pod's own spec.

On a control plane whose nodes are simulated nothing runs in pods. This process watches them and, for each ready one,
writes the predictions that a server with the version named by its container's environment would have written. A pod
that is terminating, not ready or without that variable serves nothing. `ts` is the time of serving, now; labels come
later (serving/log.py). The flights of the demo and the generated scenarios of the tests are played alike:

    python -m tierwise.demo.traffic --kubeconfig FILE -n flights --store clickhouse://127.0.0.1:8123/default
    python -m tierwise.demo.traffic … --scenario s1 --model bot-score --rate 4000
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from tierwise.adapters.clickhouse.store import open_store
from tierwise.adapters.kubernetes.caches.watch_cache import WatchCache
from tierwise.adapters.kubernetes.client import connect
from tierwise.adapters.kubernetes.paths import path_of
from tierwise.adapters.kubernetes.workloads.pods import PodRecord, pod_record
from tierwise.demo.models import scored_flights
from tierwise.demo.replay import FLIGHTS_PER_SECOND, FlightTraffic
from tierwise.errors import StoreError
from tierwise.local.processes import started_at
from tierwise.runtime.predictions import ServingPod
from tierwise.serving.log import PredictionLog
from tierwise.simulation.traffic import scenarios
from tierwise.simulation.traffic.rows import TrafficSource

INTERVAL_SECONDS = 0.25
REPORT_SECONDS = 5.0
MOST_LATE_SECONDS = 1.0
SCENARIOS: dict[str, Callable[[float, int], TrafficSource]] = {
    "flights": lambda rate, seed: FlightTraffic(scored_flights(_say), per_second=rate, seed=seed),
    "s1": lambda rate, seed: scenarios.http3(rate, seed=seed),
    "s2": lambda rate, seed: scenarios.residential(rate, seed=seed),
    "s2-place": lambda rate, seed: scenarios.residential(rate, variant="place", seed=seed),
    "s2-external": lambda rate, seed: scenarios.residential(rate, variant="external", seed=seed),
    "s3": lambda rate, seed: scenarios.identical(rate, seed=seed),
    "no-labels": lambda rate, seed: scenarios.unlabelled(rate, seed=seed),
}


def serving_pods(pods: Sequence[PodRecord], *, tier_label: str, version_variable: str) -> frozenset[ServingPod]:
    """Pods that serve: ready, not terminating, in a tier, with a version in a container's environment."""
    serving = set()
    for pod in pods:
        version = next(
            (r.environment[version_variable] for r in pod.running.values() if version_variable in r.environment), None
        )
        if pod.ready and not pod.terminating and not pod.finished and version and tier_label in pod.labels:
            serving.add(ServingPod(name=pod.name, tier=pod.labels[tier_label], version=version))
    return frozenset(serving)


def play(
    source: TrafficSource,
    log: PredictionLog,
    pods: Callable[[], frozenset[ServingPod]],
    stopped: threading.Event,
    *,
    interval_seconds: float = INTERVAL_SECONDS,
) -> None:
    """Serve interval after interval until `stopped`; then write what is due.

    On a machine too slow for the rate, requests wait and are served later, with the time at which they are: the log
    stays as fresh as a server's would, with fewer predictions a second.
    """
    began = datetime.now(UTC)
    interval, reported = 0, time.monotonic()
    before = pods()
    while not stopped.is_set():
        start = began + timedelta(seconds=interval * interval_seconds)
        end = start + timedelta(seconds=interval_seconds)
        late = datetime.now(UTC) - end
        if late > timedelta(seconds=MOST_LATE_SECONDS):
            began, start, end = began + late, start + late, end + late
        stopped.wait(max(0.0, (end - datetime.now(UTC)).total_seconds()))
        after = pods()
        # a pod that became ready or left within the interval served none of it: no row before its readiness
        serving = sorted(before & after, key=lambda pod: pod.name)
        log.add(source.serve(interval, serving, interval_seconds), start)
        before = after
        interval += 1
        try:
            log.flush(datetime.now(UTC))
        except StoreError as error:
            _say(f"store: {error}; {log.waiting} rows wait")
            stopped.wait(1.0)
        if time.monotonic() - reported >= REPORT_SECONDS:
            reported = time.monotonic()
            arms = ", ".join(
                f"{t} {v}: {sum(p.tier == t and p.version == v for p in serving)}"
                for t, v in sorted({(p.tier, p.version) for p in serving})
            )
            _say(f"{log.written} predictions written; ready pods: {arms or 'none'}")


def _say(line: str) -> None:
    print(f"{datetime.now(UTC):%H:%M:%S} {line}", flush=True)  # this process writes its log to stdout


@dataclass(frozen=True, slots=True)
class TrafficOptions:
    """The options as they were given."""

    kubeconfig: str | None
    context: str | None
    namespace: str
    dsn: str
    model: str
    scenario: str
    rate: float
    seed: int
    tier_label: str
    version_variable: str
    wait_seconds: float
    owner_pid: int | None


@click.command()
@click.option("--kubeconfig", help="Default: KUBECONFIG, then ~/.kube/config.")
@click.option("--context")
@click.option("-n", "--namespace", required=True, help="Where the pods are.")
@click.option("--store", "dsn", required=True, help="DSN of the prediction log.")
@click.option("--model", default="delay-predictor", show_default=True, help="The model's name in the log.")
@click.option("--scenario", type=click.Choice(sorted(SCENARIOS)), default="flights", show_default=True)
@click.option(
    "--rate", type=float, default=FLIGHTS_PER_SECOND, show_default=True, help="Predictions per second, all tiers."
)
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--tier-label", default="tier", show_default=True, help="The pods' label that names their tier.")
@click.option(
    "--version-variable", default="MODEL_VERSION", show_default=True, help="The variable that names a pod's version."
)
@click.option(
    "--wait",
    "wait_seconds",
    type=float,
    default=0.9,
    show_default=True,
    help="How long a prediction waits for its label; at most the dataset's maturity.",
)
@click.option("--owner-pid", type=int, help="End when this process has ended.")
def main(**options: Any) -> None:  # noqa: ANN401  # each of its own type
    """Play every ready pod of a namespace with the model version of its own spec."""
    given = TrafficOptions(**options)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    if given.owner_pid is not None:
        threading.Thread(target=_end_with, args=(given.owner_pid, stopped), daemon=True).start()
    source = SCENARIOS[given.scenario](given.rate, given.seed)
    cache = WatchCache(
        connect(given.kubeconfig, given.context), path_of("pods", given.namespace), pod_record, lambda _old, _new: None
    )
    cache.start()
    if not cache.wait_synced(60.0):
        _say("the API server does not respond")
        sys.exit(1)
    store = open_store(given.dsn)
    log = PredictionLog(store, model=given.model, wait_seconds=given.wait_seconds)
    _say(f"serving scenario {given.scenario} at {given.rate:g} predictions per second, process {os.getpid()}")
    try:
        play(
            source,
            log,
            lambda: serving_pods(
                cache.all(given.namespace), tier_label=given.tier_label, version_variable=given.version_variable
            ),
            stopped,
        )
    finally:
        cache.stop()
        store.close()


def _end_with(owner_pid: int, stopped: threading.Event) -> None:
    """Wait for the end of another process, then stop; when a write hangs, end all the same."""
    since = started_at(owner_pid)
    while since is not None and started_at(owner_pid) == since:
        time.sleep(0.25)
    stopped.set()
    time.sleep(5.0)
    os._exit(1)


if __name__ == "__main__":
    main()
