"""How fast a regression is undone: from its block being mature to twins deleted and delivered workloads patched.

A real control plane, the operator and the store as processes of their own. Each rollout is delivered to its first tier
and turns bad in its second one, exactly at the start of a block. The floor is what any implementation has to do: one
look's query, one delete and one apply, by the same clients, one after the other, in the same run.
"""

from __future__ import annotations

import os
import tempfile
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from tests.bench.measure import Line
from tests.bench.operator_rollout import BLOCK, MATURITY, TIERS, Bench, Latency, seen_of
from tests.bench.operator_traffic import traffic
from tests.bench.prediction_log import BenchLog
from tests.support.cluster import Kubectl
from tests.support.model import monitoring_dataset, workload
from tests.support.operator import running_operator
from tests.support.store import served_store
from tierwise.adapters.clickhouse.store import open_store
from tierwise.adapters.kubernetes.caches.watch_cache import WatchCache
from tierwise.adapters.kubernetes.client import connect
from tierwise.adapters.kubernetes.paths import path_of
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.local import cluster
from tierwise.monitoring.counts.model import Block, Dataset, Scope

TITLE = "The way back, through the operator on a real control plane"
AT_ONCE = 4
CRDS = Path(__file__).parents[2] / "crds"


def floor_seconds(bench: Bench, rounds: int) -> list[float]:
    """Wall seconds of one look's query, one apply and one delete."""
    dataset = Dataset("labelled", MonitoringDatasetSpec.model_validate(monitoring_dataset()["spec"]))
    seconds = []
    for index in range(rounds):
        name = f"floor-{index}"
        bench.kubectl.apply(workload("floor", name=name, replicas=0))
        path = path_of("deployments", bench.namespace, name)
        container = {"name": "server", "image": "example.com/model:v0"}
        body = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {"template": {"spec": {"containers": [container]}}},
        }
        end = datetime.now(UTC) - MATURITY
        began = time.perf_counter()
        bench.store.read_cells(dataset, Scope("bench-0", "v1", "v2", (TIERS[1],)), [Block(end - BLOCK, end)])
        bench.client.apply(path, body, manager="tierwise", force=True)
        bench.client.delete(path, propagation="Foreground")
        seconds.append(time.perf_counter() - began)
    return seconds


def measure(rollouts: int) -> list[Line]:
    """Roll out `rollouts` versions, some at a time; percentiles over all."""
    name = f"bench-{os.getpid()}"
    with tempfile.TemporaryDirectory() as folder:
        plane = cluster.up(name, provider="components", owner_pid=os.getpid())
        try:
            return _run(plane, Path(folder), rollouts)
        finally:
            cluster.down(name)


def _run(plane: cluster.Cluster, folder: Path, rollouts: int) -> list[Line]:
    admin = Kubectl(plane.kubectl, plane.kubeconfig)
    namespace = f"bench-{uuid.uuid4().hex[:6]}"
    admin("apply", "--server-side", "-f", str(CRDS))
    admin("wait", "--for=condition=Established", "--timeout=60s", "-f", str(CRDS))
    admin("create", "namespace", namespace)
    kubectl, client = admin.inside(namespace), connect(str(plane.kubeconfig))
    kubectl.apply(monitoring_dataset())
    with served_store(folder / "store") as served:
        store = open_store(served.dsn)
        store.init(())
        bench = Bench(kubectl, client, store, namespace)
        cache = WatchCache(client, path_of("deployments", namespace), seen_of, bench.note)
        cache.start()
        operator = running_operator(
            plane.kubeconfig, namespace, folder / "operator.log", "--store", served.dsn, "--safety", "300ms", quiet=True
        )
        try:
            with traffic(bench), operator:
                latencies = _in_groups(bench, rollouts)
                floor = floor_seconds(bench, max(5, rollouts // 2))
        finally:
            cache.stop()
            store.close()
    return _lines(latencies, floor)


def _in_groups(bench: Bench, rollouts: int) -> list[Latency]:
    latencies: list[Latency] = []
    for start in range(0, rollouts, AT_ONCE):
        models = [f"bench-{index}" for index in range(start, min(start + AT_ONCE, rollouts))]
        with ThreadPoolExecutor(len(models)) as pool:
            latencies += pool.map(bench.measure, models)
        for model in models:
            bench.kubectl("delete", f"mdep/{model}", *(f"deployment/{model}-{tier}" for tier in TIERS), "--wait=false")
    return latencies


def _lines(latencies: Sequence[Latency], floor: Sequence[float]) -> list[Line]:
    written, gone = np.array([x.written for x in latencies]), np.array([x.gone for x in latencies])
    least = float(np.median(floor))
    peer = "one query, one apply, one delete (p50)"
    rows = (
        (f"block mature → twins deleted, workloads patched: p50 of {len(latencies)}", float(np.median(written))),
        ("the same: p99", float(np.percentile(written, 99))),
        ("block mature → the twin and its pods gone: p50", float(np.median(gone))),
        ("the same: p99", float(np.percentile(gone, 99))),
    )
    return [Line(what, peer, f"{took:.2f} s against {least:.3f} s", took / least) for what, took in rows]


def run(log: BenchLog, *, quick: bool = False) -> list[Line]:
    """Wall time against the floor's; no ratio is required. It makes its own traffic."""
    del log
    return measure(2 if quick else 20)
