"""How fast a regression is undone: from its block being mature to twins deleted and delivered workloads patched.

A real control plane, the operator and the store as processes of their own. Each rollout is delivered to its first tier
and turns bad in its second one, exactly at the start of a block. The floor is what any implementation has to do: one
look's query, one delete and one apply, by the same clients, one after the other, in the same run.
"""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tests.bench.measure import Line, show
from tests.support.cluster import Kubectl
from tests.support.model import model_deployment, monitoring_dataset, workload
from tests.support.operator import running_operator
from tests.support.polling import eventually
from tests.support.store import served_store
from tierwise.adapters.clickhouse import ClickHouseStore, open_store
from tierwise.adapters.kubernetes.cache import WatchCache
from tierwise.adapters.kubernetes.client import Client, connect
from tierwise.adapters.kubernetes.paths import path_of
from tierwise.adapters.kubernetes.pods import PodRecord, pod_record
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.demo.traffic import serving_pods
from tierwise.local import cluster
from tierwise.monitoring.cells import Block, Dataset, Scope
from tierwise.runtime.errors import StoreError
from tierwise.runtime.predictions import Predictions, ServingPod
from tierwise.serving.log import to_table

TIERS = ("first", "second")
ROWS_PER_POD_AND_SECOND = 60
MATURITY, SAFETY = timedelta(seconds=1), timedelta(milliseconds=300)
BLOCK = timedelta(seconds=1)
AT_ONCE = 4
CRDS = Path(__file__).parents[2] / "crds"


@dataclass(frozen=True, slots=True)
class Seen:
    """A Deployment as the clock-keeper sees it."""

    namespace: str
    name: str
    image: str
    deleting: bool


@dataclass
class Latency:
    """Seconds from maturity: until all writes were seen, and until the twin and its pods were gone."""

    written: float
    gone: float


@dataclass
class Bench:
    """What a rollout of the benchmark is driven with."""

    kubectl: Kubectl
    client: Client
    store: ClickHouseStore
    namespace: str
    bad_from: dict[str, datetime] = field(default_factory=dict)
    seen: dict[str, list[tuple[datetime, Seen | None]]] = field(default_factory=dict)

    def note(self, old: Seen | None, new: Seen | None) -> None:
        """A Deployment changed."""
        one = new or old
        assert one is not None
        self.seen.setdefault(one.name, []).append((datetime.now(UTC), new))

    def first(self, name: str, holds: Callable[[Seen | None], bool], after: datetime) -> datetime | None:
        """When a Deployment first was so."""
        return next((at for at, seen in list(self.seen.get(name, [])) if at >= after and holds(seen)), None)

    def rollout(self, model: str) -> dict[str, Any]:
        """The newest ModelRollout of a model."""
        items = [i for i in self.kubectl.get("modelrollouts")["items"] if i["spec"]["modelDeployment"] == model]
        return dict(items[-1]) if items else {}

    def measure(self, model: str) -> Latency:
        """Adopt v1, deploy v2, let it turn bad in the second tier, and see how long the way back takes."""
        self.kubectl.apply(*(workload(tier, model=model) for tier in TIERS), self._deployment(model, "v1"))
        self.kubectl("wait", "--for=condition=Ready", f"mdep/{model}", "--timeout=120s", timeout=150)
        self.kubectl.apply(self._deployment(model, "v2"))

        def judging_since() -> str:
            tiers = self.rollout(model).get("status", {}).get("tiers", [])
            judged = [t for t in tiers if t["name"] == TIERS[1] and t["phase"] == "Judging" and t.get("look", 0) >= 2]
            return str(judged[0]["judgingSince"]) if judged else ""

        since = datetime.fromisoformat(eventually(judging_since, within=180, every=0.5, what="judging"))
        blocks = (datetime.now(UTC) - since) // BLOCK + 2
        bad = since + blocks * BLOCK  # exactly where a block starts
        self.bad_from[model] = bad
        mature = bad + BLOCK + MATURITY + SAFETY

        def times() -> tuple[datetime, datetime] | None:
            twin = f"{model}-{TIERS[1]}-candidate"
            deleted = self.first(twin, lambda seen: seen is None or seen.deleting, bad)
            patched = self.first(
                f"{model}-{TIERS[0]}", lambda seen: seen is not None and seen.image.endswith(":v1"), bad
            )
            gone = self.first(twin, lambda seen: seen is None, bad)
            return (max(deleted, patched), gone) if deleted and patched and gone else None

        written, gone = eventually(times, within=120, every=0.2, what=f"{model} is rolled back") or (mature, mature)
        return Latency((written - mature).total_seconds(), (gone - mature).total_seconds())

    def _deployment(self, model: str, version: str) -> dict[str, Any]:
        manifest = model_deployment(
            version,
            model=model,
            tiers=TIERS,
            metrics=[{"name": "accuracy", "margin": {"absolute": 0.05}}],
            min_duration="3s",
        )
        manifest["spec"]["tiers"][1]["minDuration"] = "2m"  # it must not be promoted before it turns bad
        return manifest


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


def run(rollouts: int) -> list[Line]:
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
        cache = WatchCache(client, path_of("deployments", namespace), _seen, bench.note)
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


def _seen(item: Mapping[str, Any]) -> Seen:
    metadata = item["metadata"]
    image = item["spec"]["template"]["spec"]["containers"][0]["image"]
    return Seen(metadata["namespace"], metadata["name"], image, "deletionTimestamp" in metadata)


def _lines(latencies: Sequence[Latency], floor: Sequence[float]) -> list[Line]:
    written, gone = np.array([x.written for x in latencies]), np.array([x.gone for x in latencies])
    least = float(np.median(floor))

    def line(what: str, seconds: float) -> Line:
        return Line(what, f"{seconds:.2f} s", seconds / least)

    return [
        Line("floor: one query, one apply, one delete (p50)", f"{least:.3f} s"),
        line(f"block mature → twins deleted, workloads patched: p50 of {len(latencies)}", float(np.median(written))),
        line("  p99", float(np.percentile(written, 99))),
        line("block mature → the twin and its pods gone: p50", float(np.median(gone))),
        line("  p99", float(np.percentile(gone, 99))),
    ]


def main(rows: int = 0, quick: bool = False) -> bool:
    """Print the table; the ratios are to the floor, and none is required. `rows` does not matter here."""
    del rows
    rollouts = 2 if quick else 20
    lines = run(rollouts)
    show(f"the way back ({rollouts} rollouts, {min(AT_ONCE, rollouts)} at a time, blocks of 1 s)", lines)
    return len(lines) > 0


if __name__ == "__main__":
    main(quick="--quick" in sys.argv)
