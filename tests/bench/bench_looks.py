"""Look 500 against look 1, through the operator's own judging code: a real store, a fleet in memory."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tests.bench.measure import Line, cpu_seconds, dearer
from tests.bench.prediction_log import MATURITY_SECONDS, MODEL, BenchLog, dataset_spec, minutes
from tests.unit.rollout.world import NAME, World
from tierwise.adapters.clickhouse.store import ClickHouseStore
from tierwise.monitoring.counts.model import Dataset, Scope
from tierwise.monitoring.verdicts.judgement import Judgement
from tierwise.runtime.control_loop.reconcile import reconcile
from tierwise.runtime.judging.look import Judging, Look, LookRequest
from tierwise.simulation.cluster.fleet import NAMESPACE

TITLE = "Looks of a rollout"
LOOKS, QUICK_LOOKS = 500, 12
INTERVAL_SECONDS = 20
METRICS = (
    {"name": "accuracy", "margin": {"absolute": 0.2}},
    {"name": "recall", "margin": {"absolute": 0.2}},
    {"name": "false-positive-rate", "margin": {"relative": 0.5}},
)


class TimedJudging(Judging):
    """The operator's, with the CPU time of every look that folded a new block."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []
        self.last: Judgement | None = None

    def look(self, request: LookRequest) -> Look:
        before = cpu_seconds()
        look = super().look(request)
        took = cpu_seconds() - before
        if isinstance(look.judgement, Judgement):
            if look.judgement.blocks == len(self.seconds) + 1:
                self.seconds.append(took)
            self.last = look.judgement
        return look


class WrittenTillNow:
    """The store, where the log's later rows are no rows of the future: they only are not written yet."""

    def __init__(self, store: ClickHouseStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def read_untimed(self, dataset: Dataset, scope: Scope, now: datetime) -> tuple[int, int]:
        return self._store.read_untimed(dataset, scope, max(now, minutes()[-1].end))


class BenchWorld(World):
    """Tiers that stay judged for hours on the benchmark's log."""

    def __init__(self, store: ClickHouseStore) -> None:
        super().__init__(ready_seconds=0)
        self.store = WrittenTillNow(store)
        self.timed = TimedJudging()
        self.fleet.datasets["bench"] = dataset_spec()

    def tick(self) -> float | None:
        return reconcile(NAMESPACE, NAME, self.fleet, self.store, self.clock, self.timed)  # type: ignore[arg-type]


def run(log: BenchLog, *, quick: bool = False) -> list[Line]:
    """The least CPU time of the last looks against that of the first ones."""
    wanted = QUICK_LOOKS if quick else LOOKS
    with log.opened() as store:
        world = BenchWorld(store)
        world.adopted(**_spec()).apply("v2", **_spec())
        world.run_until(lambda w: bool(w.fleet.rollouts) and w.tier(3).phase == "Judging", 60)
        world.run(MATURITY_SECONDS)
        while len(world.timed.seconds) < wanted:
            done = len(world.timed.seconds)
            world.run(2 * INTERVAL_SECONDS)  # twice: a block is complete some seconds after its end
            if len(world.timed.seconds) == done:
                raise AssertionError(f"no look after {done}: {world.condition('Reconciling').message}")
        store.execute("TRUNCATE TABLE ml_performance")
    seconds, last = world.timed.seconds, world.timed.last
    assert last is not None
    # After a decision to roll back nothing is folded: that would be no benchmark.
    assert last.stopped_at is None
    assert last.blocks == len(seconds)
    few = max(2, wanted // 25)
    first, end = min(seconds[:few]), min(seconds[-few:])
    what = f"look {len(seconds)}: {last.hypotheses:,} hypotheses, 743 slices"
    return [dearer(what, end, f"look 1 (each the least of {few})", first, at_most=1.2, goal=5)]


def _spec() -> dict[str, object]:
    tiers = [
        {
            "name": f"tier-{tier}",
            "workloads": {"kind": "Deployment", "selector": {"matchLabels": {"app": NAME, "tier": str(tier)}}},
            "exposure": "50%",
            "minDuration": "5h",
            "maxDuration": "6h",
        }
        for tier in (3, 2, 1)
    ]
    analysis = {
        "interval": f"{INTERVAL_SECONDS}s",
        "warmUp": "0s",
        "datasets": [{"name": "bench", "metrics": list(METRICS)}],
    }
    return {"model": MODEL, "tiers": tiers, "analysis": analysis, "progressDeadline": "10m"}
