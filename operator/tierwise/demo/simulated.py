"""The demo's world in memory: the same decisions, statistics and queries, but no cluster and a clock of its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from typing import Any

import yaml

from tierwise.adapters.clickhouse.store import open_store
from tierwise.api.modeldeployment import ModelDeploymentSpec
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.demo.models import ScoredFlights
from tierwise.demo.replay import FlightTraffic
from tierwise.demo.story import DEPLOYMENT, Seen
from tierwise.runtime.control_loop.reconcile import reconcile
from tierwise.runtime.judging.look import Judging
from tierwise.runtime.predictions import ServingPod
from tierwise.serving.log import PredictionLog
from tierwise.simulation.cluster.clock import SimulatedClock
from tierwise.simulation.cluster.fleet import NAMESPACE, SimulatedFleet

STEP_SECONDS = 1.0
SAFETY_SECONDS = 0.0  # rows are in the log when the clock moves on: none is on its way
READY_SECONDS = 2.0
LABEL_WAIT_SECONDS = 0.9
TICKS_AT_ONCE = 20


def manifests(name: str) -> list[dict[str, Any]]:
    """The objects of one of the demo's manifests."""
    return list(yaml.safe_load_all(files("tierwise.demo").joinpath("manifests", name).read_text(encoding="utf-8")))


class SimulatedWorld:
    """Implements World. `dsn` is where the prediction log is kept, embedded."""

    def __init__(self, flights: ScoredFlights, dsn: str, *, seed: int = 0) -> None:
        self._clock = SimulatedClock(datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1))
        self._fleet = SimulatedFleet(self._clock, ready_seconds=READY_SECONDS)
        self._traffic = FlightTraffic(flights, seed=seed)
        self._store = open_store(dsn)
        self._store.init(self._traffic.dimensions)
        self._log = PredictionLog(self._store, model=DEPLOYMENT, wait_seconds=LABEL_WAIT_SECONDS)
        self._judge = Judging(safety_seconds=SAFETY_SECONDS)
        self._interval = 0
        self._before: frozenset[ServingPod] = frozenset()
        for workload in manifests("workloads.yaml"):
            self._add(workload)
        for dataset in manifests("dataset.yaml"):
            self._fleet.datasets[dataset["metadata"]["name"]] = MonitoringDatasetSpec.model_validate(dataset["spec"])

    def close(self) -> None:
        """Close the log."""
        self._store.close()

    def now(self) -> datetime:
        """The simulated time."""
        return self._clock.now()

    def apply(self, version: str) -> None:
        """Create or update the ModelDeployment."""
        (manifest,) = manifests(f"model-{version}.yaml")
        self._fleet.apply_deployment(DEPLOYMENT, ModelDeploymentSpec.model_validate(manifest["spec"]))

    def step(self) -> Seen | None:
        """A second of traffic, then as many ticks as the operator would make."""
        start = self._clock.now()
        self._clock.advance(STEP_SECONDS)
        after = self._serving()
        pods = sorted(self._before & after, key=lambda pod: pod.name)
        self._log.add(self._traffic.serve(self._interval, pods, STEP_SECONDS), start)
        self._before, self._interval = after, self._interval + 1
        self._log.flush(self._clock.now())
        for _ in range(TICKS_AT_ONCE):
            if reconcile(NAMESPACE, DEPLOYMENT, self._fleet, self._store, self._clock, self._judge) != 0:
                break
        return self._seen()

    def _seen(self) -> Seen | None:
        deployment = self._fleet.get_deployment(NAMESPACE, DEPLOYMENT)
        if deployment is None:
            return None
        return Seen(deployment, self._fleet.list_rollouts(deployment), self._fleet.list_tiers(deployment), self.now())

    def _serving(self) -> frozenset[ServingPod]:
        return frozenset(
            ServingPod(pod.name, pod.labels["tier"], pod.environment["MODEL_VERSION"])
            for pod in self._fleet.ready_pods()
        )

    def _add(self, manifest: Mapping[str, Any]) -> None:
        spec = manifest["spec"]
        (container,) = spec["template"]["spec"]["containers"]
        self._fleet.add_workload(
            manifest["metadata"]["name"],
            labels=spec["template"]["metadata"]["labels"],
            image=container["image"],
            environment={entry["name"]: entry["value"] for entry in container["env"]},
            replicas=spec["replicas"],
            container=container["name"],
        )
