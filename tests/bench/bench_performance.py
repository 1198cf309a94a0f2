"""Writing the rows of one look to `ml_performance`."""

from __future__ import annotations

from itertools import count

from tests.bench.measure import Line, compare
from tests.bench.prediction_log import SCOPE, BenchLog, a_dataset
from tierwise.monitoring.query.stored.performance_table import Origin

TITLE = "Keeping what was looked at"


def run(log: BenchLog, *, quick: bool = False) -> list[Line]:
    """CPU time of one block's rows; every write is a block of its own, as in a rollout."""
    with log.opened() as store:
        dataset = a_dataset()
        found = store.read_distributions(dataset, SCOPE, log.window())
        rows, blocks = int(found.counts.any(axis=-1).sum()), count()

        def write() -> None:
            store.write_performance(Origin("m-1", "tier-3", next(blocks)), dataset, SCOPE, found)

        timing = compare({"write": write}, rounds=3 if quick else 20)["write"]
        kept = store.query("SELECT count() AS n FROM ml_performance WHERE rollout = 'm-1' AND block = 0").to_pylist()
        assert kept == [{"n": rows}]
        store.execute("TRUNCATE TABLE ml_performance")
    return [
        Line(
            f"rows of one look written to ml_performance: {rows:,} of 100 bins",
            "none (CPU time)",
            f"{1000 * timing.cpu_seconds:.0f} ms, {1000 * timing.wall_seconds:.0f} ms of wall time",
            1000 * timing.cpu_seconds,
            at_most=100,
            goal=6,
            unit="ms",
        )
    ]
