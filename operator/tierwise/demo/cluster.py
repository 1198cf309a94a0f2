"""The demo's world on a real control plane: store, operator and traffic as processes of their own, and kubectl."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path

from tierwise.adapters.clickhouse.store import open_store
from tierwise.adapters.kubernetes.reader import Reader, open_reader
from tierwise.api.schema.crd import crd_files
from tierwise.demo.guard import Guard
from tierwise.demo.story import DEPLOYMENT, Seen
from tierwise.errors import SpecError
from tierwise.local.cluster import Cluster, down, up
from tierwise.local.processes import Process

NAMESPACE = "flights"
DIMENSIONS = ("carrier", "origin", "dest", "hour")
POLL_SECONDS = 0.5
READY_SECONDS = 60.0
SAFETY = "2s"  # one machine, one clock: rows are in the log within a second
TAIL_LINES = 8

Say = Callable[[str], None]


class DemoProcessError(Exception):
    """A process of the demo ended, or kubectl refused; the message has the last lines of its output."""


class Kubectl:
    """The control plane's own kubectl, in the demo's namespace; commands are shown as a person would type them."""

    def __init__(self, cluster: Cluster, say: Say) -> None:
        self._command = [str(cluster.kubectl), "--kubeconfig", str(cluster.kubeconfig)]
        self._say = say

    def run(self, *arguments: str, show: bool = True, text: str | None = None) -> str:
        """Standard output. Raises DemoProcessError when it fails."""
        if show:
            self._say(f"$ kubectl {' '.join(arguments)}")
        done = subprocess.run(
            [*self._command, *arguments], input=text, capture_output=True, text=True, check=False, timeout=READY_SECONDS
        )
        if done.returncode != 0:
            raise DemoProcessError(f"kubectl {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout


class ClusterWorld:
    """Implements World."""

    def __init__(
        self,
        reader: Reader,
        cluster: Cluster,
        kubectl: Kubectl,
        manifests: Path,
        processes: Sequence[Process],
        folder: Path,
    ) -> None:
        self.kubeconfig = cluster.kubeconfig
        self._reader = reader
        self._manifests = manifests
        self._processes = processes
        self._folder = folder
        self.kubectl = kubectl

    def now(self) -> datetime:
        """The machine's time."""
        return datetime.now(UTC)

    def apply(self, version: str) -> None:
        """`kubectl apply` of the version's manifest."""
        self.kubectl.run("apply", "-n", NAMESPACE, "-f", str(self._manifests / f"model-{version}.yaml"))

    def step(self) -> Seen | None:
        """Half a second. Raises DemoProcessError when one of the demo's processes ended."""
        time.sleep(POLL_SECONDS)
        for process in self._processes:
            if not process.is_alive():
                raise _ended(process.name, self._folder)
        try:
            deployment, rollouts, tiers = self._reader.read(DEPLOYMENT)
        except SpecError:
            return None
        return Seen(deployment, rollouts, tiers, self.now())


@contextmanager
def cluster_world(
    folder: Path, say: Say, *, name: str, owner_pid: int, rate: float | None = None
) -> Iterator[ClusterWorld]:
    """Everything running; logs below `folder`. When the block is left, every process that was started is ended."""
    with ExitStack() as stack:
        stack.callback(down, name)
        cluster = up(name, progress=say, provider="components", owner_pid=owner_pid)
        kubectl = Kubectl(cluster, say)
        say(f"control plane ready: {cluster.server} ({cluster.source})")
        kubectl.run("apply", "--server-side", "-f", "-", show=False, text="\n---\n".join(crd_files().values()))
        kubectl.run("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s", show=False)
        guard = stack.enter_context(Guard())
        store = guard.start("store", _tierwise("store", "serve", "--path", str(folder / "store")), folder=folder)
        manifests = stack.enter_context(as_file(files("tierwise.demo").joinpath("manifests")))
        kubectl.run("create", "namespace", NAMESPACE)
        kubectl.run(
            "apply", "-n", NAMESPACE, "-f", str(manifests / "workloads.yaml"), "-f", str(manifests / "dataset.yaml")
        )
        dsn = _printed_dsn(store, folder)
        opened = open_store(dsn)
        opened.init(DIMENSIONS)
        opened.close()
        say(f"store ready: {dsn}")
        where = ["--kubeconfig", str(cluster.kubeconfig), "--namespace", NAMESPACE, "--store", dsn]
        operator = guard.start("operator", _tierwise("operator", *where, "--safety", SAFETY), folder=folder)
        rates = ["--rate", str(rate)] if rate is not None else []
        command = [sys.executable, "-m", "tierwise.demo.traffic", *where, *rates]
        traffic = guard.start("traffic", command, folder=folder)
        say(f"operator (process {operator.pid}) and traffic (process {traffic.pid}) started; logs in {folder}")
        reader = stack.enter_context(open_reader(str(cluster.kubeconfig), None, NAMESPACE))
        yield ClusterWorld(reader, cluster, kubectl, manifests, (store, operator, traffic), folder)


def _tierwise(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tierwise.cli.main", *arguments]


def _printed_dsn(store: Process, folder: Path) -> str:
    """What `store serve` prints last, when it is ready."""
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline:
        lines = (folder / "store.log").read_text(encoding="utf-8").splitlines()
        found = [line for line in lines if line.startswith("clickhouse://")]
        if found:
            return found[-1]
        if not store.is_alive():
            break
        time.sleep(0.1)
    raise _ended("store", folder)


def _ended(name: str, folder: Path) -> DemoProcessError:
    path = folder / f"{name}.log"
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
    return DemoProcessError(f"the process '{name}' ended or is not ready; end of {path}:\n  " + "\n  ".join(lines))
