"""The benchmarks run, and what they compare gives the same counts. Their figures are for `make bench`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import (
    bench_culprits,
    bench_evalues,
    bench_look_query,
    bench_looks,
    bench_memory,
    bench_metrics,
    bench_performance,
)
from tests.bench.prediction_log import BenchLog, filled_log

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def log() -> Iterator[BenchLog]:
    with filled_log(200_000) as filled:  # fewer, and the first block of `looks` has no label
        yield filled


# Those of pulled rows need peers that only `make bench` installs, that of the operator takes minutes.
BENCHES = (
    bench_memory,
    bench_look_query,
    bench_looks,
    bench_performance,
    bench_culprits,
    bench_evalues,
    bench_metrics,
)


@pytest.mark.parametrize("bench", BENCHES, ids=lambda bench: bench.__name__.rpartition(".")[2])
def test_a_benchmark_runs_and_its_contestants_agree(log: BenchLog, bench):
    lines = bench.run(log, quick=True)
    assert lines
    assert all(line.figure is not None and line.figure > 0 for line in lines)


def test_the_peers_of_the_benchmarks_are_not_what_developers_and_ci_install():
    locked = (ROOT / "requirements" / "all.txt").read_text()
    for peer in ("polars", "duckdb", "fairlearn"):
        assert f"\n{peer}==" not in locked
        assert f"\n{peer}==" in (ROOT / "requirements" / "bench.txt").read_text()
