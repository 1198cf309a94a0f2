"""A store, an operator and scenes: what the end-to-end scenarios of one file share, so that they run side by side."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.support.cluster import Kubectl
from tests.support.model import TIERS, Manifest, model_deployment, workload
from tests.support.operator import OperatorProcess, running_operator
from tests.support.polling import eventually
from tests.support.store import ServedStore, served_store
from tests.support.traffic import Switch, playing_models
from tierwise.local.cluster import Cluster
from tierwise.serving.log import PredictionLog
from tierwise.simulation.traffic.rows import TrafficSource

SAFETY = "500ms"  # one machine, one clock: rows are in the log soon
TAIL = 6_000


class Scene:
    """A model in tiers, in a namespace of the world."""

    def __init__(self, world: World, kubectl: Kubectl, model: str) -> None:
        self.world = world
        self.kubectl = kubectl
        self.model = model
        self.traffic: Switch | None = None
        self._log: PredictionLog | None = None

    def serve(self, version: str, *, tiers: Sequence[str] = TIERS, replicas: int = 2) -> None:
        """The model's workloads, one per tier."""
        self.kubectl.apply(*(workload(tier, model=self.model, version=version, replicas=replicas) for tier in tiers))

    def plays(self, traffic: Switch, log: PredictionLog) -> None:
        """Traffic flows to the model's pods."""
        self.traffic, self._log = traffic, log

    def falls_silent(self) -> None:
        """No more predictions: what is still asked of this scene needs none, and other scenes need the machine."""
        assert self.traffic is not None
        self.traffic.stop()

    def has_logged(self, rows: int, within: float = 120) -> None:
        """Wait until so many predictions are in the log."""
        log = self._log
        assert log is not None
        eventually(lambda: log.written >= rows, within=within, what=f"{rows} predictions of {self.model}")

    def deploy(self, version: str, **changes: Any) -> Manifest:
        """Apply the ModelDeployment; what was applied."""
        manifest = model_deployment(version, model=self.model, **changes)
        self.kubectl.apply(manifest)
        return manifest

    def get(self) -> Any:
        """The ModelDeployment."""
        return self.kubectl.get("mdep", self.model)

    def status(self) -> dict[str, Any]:
        """The ModelDeployment's status; empty as long as there is none."""
        status: dict[str, Any] = self.get().get("status", {})
        return status

    def condition(self, kind: str) -> dict[str, Any]:
        """A condition of the ModelDeployment; empty when it is not there."""
        found = [c for c in self.status().get("conditions", []) if c["type"] == kind]
        return found[0] if found else {}

    def becomes_ready(self, within: float = 90) -> None:
        """Wait for the condition Ready."""
        eventually(
            lambda: self.condition("Ready").get("status") == "True",
            within=within,
            every=0.5,
            what=f"{self.model} is Ready; {self.condition('Stalled')}",
        )

    def stalls(self, reason: str, within: float = 90) -> str:
        """Wait for the condition Stalled with this reason; its message."""

        def stalled() -> str | None:
            found = self.condition("Stalled")
            is_so = found.get("status") == "True" and found["reason"] == reason
            assert is_so, found
            return str(found["message"])

        message = eventually(stalled, within=within, every=0.5, what=f"{self.model} is Stalled, {reason}")
        assert message is not None
        return message

    def rollouts(self) -> dict[str, Any]:
        """The model's ModelRollouts by name."""
        items = self.kubectl.get("modelrollouts")["items"]
        return {i["metadata"]["name"]: i for i in items if i["spec"]["modelDeployment"] == self.model}

    def rollout(self, revision: int = 1) -> dict[str, Any]:
        """The status of an attempt; empty as long as there is none."""
        status: dict[str, Any] = self.rollouts().get(f"{self.model}-{revision}", {}).get("status", {})
        return status

    def tier(self, name: str, revision: int = 1) -> dict[str, Any]:
        """The status of a tier of an attempt; empty as long as there is none."""
        found = [tier for tier in self.rollout(revision).get("tiers", []) if tier["name"] == name]
        return found[0] if found else {}

    def phases(self, revision: int = 1) -> list[str]:
        """The phases of the attempt's tiers, in rollout order."""
        return [tier["phase"] for tier in self.rollout(revision).get("tiers", [])]

    def ends(self, *results: str, revision: int = 1, within: float) -> dict[str, Any]:
        """Wait until the attempt ended, with one of these results if any are given, for its model too; its status."""
        over = ("Completed", "RolledBack", "Superseded")

        def ended() -> dict[str, Any] | None:
            found = self.rollout(revision)
            is_in_flight = self.status().get("rollout") == f"{self.model}-{revision}"
            return found if found.get("result", "") in over and not is_in_flight else None

        what = f"{self.model}-{revision} is {' or '.join(results or over)}"
        status = eventually(ended, within=within, every=0.5, what=what)
        assert status is not None
        assert status["result"] in (results or over), status["message"]
        return status

    def holds(self, tier: str, reason: str, *, revision: int = 1, within: float = 90) -> dict[str, Any]:
        """Wait until the gate of the tier holds with this reason; the tier's status."""

        def held() -> dict[str, Any] | None:
            found = self.tier(tier, revision)
            gate = found.get("gate") or {}
            assert (gate.get("decision"), gate.get("reason")) == ("Hold", reason), gate
            return found

        found = eventually(held, within=within, every=0.5, what=f"{tier} holds with {reason}")
        assert found is not None
        return found

    def annotate(self, verb: str, value: str) -> None:
        """Ask for rollback, promote or retry."""
        self.kubectl("annotate", "--overwrite", "mdep", self.model, f"tierwise.io/{verb}={value}")

    def workloads(self) -> dict[str, Any]:
        """The model's Deployments by name, twins included."""
        items = self.kubectl.get("deployments")["items"]
        return {i["metadata"]["name"]: i for i in items if i["metadata"]["name"].startswith(f"{self.model}-tier-")}

    def running(self) -> dict[str, tuple[str, bool]]:
        """Per Deployment the version in its template, and whether all of its pods are current and available."""
        found = {}
        for name, item in self.workloads().items():
            image = item["spec"]["template"]["spec"]["containers"][0]["image"]
            status, wanted = item.get("status", {}), item["spec"]["replicas"]
            ready = (
                status.get("observedGeneration") == item["metadata"]["generation"]
                and status.get("updatedReplicas") == status.get("availableReplicas") == status.get("replicas") == wanted
            )
            found[name] = (image.rpartition(":")[2], ready)
        return found

    def runs_everywhere(self, version: str) -> bool:
        """Whether every tier's workload runs the version with all pods available, and no twin is there."""
        return self.running() == {f"{self.model}-{tier}": (version, True) for tier in TIERS}

    def explain(self) -> str:
        """What a person would be told."""
        where = ["--kubeconfig", str(self.kubectl.kubeconfig), "-n", self.kubectl.namespace]
        return tierwise("explain", self.model, *where).stdout

    def dossier(self) -> str:
        """For a failed test: what a person would be told, and how far traffic got."""
        served = "" if self._log is None else f"{self._log.written} rows written, {self._log.waiting} waiting\n"
        return f"--- {self.kubectl.namespace}/{self.model}\n{served}{self.explain()}"


class World:
    """One store and one operator for the scenes of a test file."""

    def __init__(self, cluster: Cluster, store: ServedStore, operator: OperatorProcess, admin: Kubectl) -> None:
        self.cluster = cluster
        self.store = store
        self.operator = operator
        self.scenes: list[Scene] = []
        self.stack = ExitStack()
        self._admin = admin
        self._namespaces: dict[str, str] = {}

    def name_namespaces(self, names: dict[str, str]) -> None:
        """Namespaces by the name a test knows them by."""
        self._namespaces = names

    def scene(self, place: str, model: str = "") -> Scene:
        """A model in one of the file's namespaces, by default of the place's name: the log is shared by all."""
        scene = Scene(self, self._admin.inside(self._namespaces[place]), model or place)
        self.scenes.append(scene)
        return scene

    def play(
        self,
        *scenes: Scene,
        source: TrafficSource | Mapping[str, TrafficSource],
        interval_seconds: float = 0.25,
        dsn: str = "",
    ) -> None:
        """Traffic to the ready pods of scenes of one namespace; every model gets the source, or the one of its name."""
        switches = {
            scene.model: Switch(source[scene.model] if isinstance(source, Mapping) else source) for scene in scenes
        }
        logs = self.stack.enter_context(
            playing_models(
                self.cluster.kubeconfig,
                scenes[0].kubectl.namespace,
                dsn or self.store.dsn,
                switches,
                interval_seconds=interval_seconds,
            )
        )
        for scene in scenes:
            scene.plays(switches[scene.model], logs[scene.model])

    def kill_operator(self) -> None:
        """Kill it and free its Lease, so that the next one begins at once."""
        self.operator.kill()
        first = next(iter(self._namespaces.values()))
        self._admin("delete", "lease", "tierwise-operator", "-n", first)

    def dossier(self, scenes: Sequence[Scene]) -> str:
        """For a failed test: the operator's last lines, and what it did with these scenes."""
        log = self.operator.log.read_text()[-TAIL:]
        return "\n".join([f"--- {self.operator.log.name}\n{log}", *(scene.dossier() for scene in scenes)])


@contextmanager
def running_world(cluster: Cluster, admin: Kubectl, names: Sequence[str], folder: Path) -> Iterator[World]:
    """Namespaces by these names, a store and an operator that serves them; all ended afterwards."""
    namespaces = {name: f"{folder.name.replace('_', '-')}-{name}"[:60] for name in names}
    for namespace in namespaces.values():
        admin("create", "namespace", namespace)
    first, *others = namespaces.values()
    more = [argument for namespace in others for argument in ("-n", namespace)]
    try:
        with (
            served_store(folder / "store") as store,
            running_operator(
                cluster.kubeconfig,
                first,
                folder / "operator.log",
                "--store",
                store.dsn,
                "--safety",
                SAFETY,
                *more,
                quiet=True,
            ) as operator,
        ):
            world = World(cluster, store, operator, admin)
            world.name_namespaces(namespaces)
            with world.stack:
                yield world
    finally:
        admin("delete", "namespace", *namespaces.values(), "--wait=false")


def tierwise(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command line as a process; its exit status is for the caller to judge."""
    command = [sys.executable, "-m", "tierwise.cli.main", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
