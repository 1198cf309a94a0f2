"""The benchmarks run, and what they compare gives the same counts. Their figures are for `make bench`."""

from __future__ import annotations

from tests.bench import bench_look_query


def test_the_look_query_bench_runs_and_its_contestants_agree():
    lines = bench_look_query.run(20_000, rounds=1, sample=2)
    assert [line.ratio is not None for line in lines] == [False, *[True] * 6]
