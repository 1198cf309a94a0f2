"""The benchmarks run, and what they compare gives the same counts. Their figures are for `make bench`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bench import bench_evalues, bench_look_query
from tests.bench.prediction_log import BenchLog, filled_log

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def log() -> Iterator[BenchLog]:
    with filled_log(20_000) as filled:
        yield filled


@pytest.mark.parametrize("bench", [bench_look_query, bench_evalues], ids=lambda bench: bench.__name__)
def test_a_benchmark_runs_and_its_contestants_agree(log: BenchLog, bench):
    lines = bench.run(log, quick=True)
    assert lines
    assert all(line.figure is not None and line.figure > 0 for line in lines)


def test_the_peers_of_the_benchmarks_are_not_what_developers_and_ci_install():
    locked = (ROOT / "requirements" / "all.txt").read_text()
    for peer in ("polars", "duckdb", "fairlearn"):
        assert f"\n{peer}==" not in locked
        assert f"\n{peer}==" in (ROOT / "requirements" / "bench.txt").read_text()
