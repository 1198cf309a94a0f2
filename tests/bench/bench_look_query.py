"""The look query against the floor (decoding the same columns) and against one query per slice, as templates do it.

10 million predictions, 8 dimensions, 743 values. Counts of all contestants are compared before anything is timed.
"""

# ruff: noqa: E501  # SQL of constants, and lines of a table

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.bench.measure import Line, compare, peak_above, resident_bytes, show
from tierwise.adapters.clickhouse import ClickHouseStore, open_store
from tierwise.api.monitoringdataset import Columns, Dimension, MonitoringDatasetSpec
from tierwise.api.slices import parse_slice_key
from tierwise.monitoring.cells import Block, Dataset, Scope

VALUES = (3, 10, 30, 100, 200, 200, 100, 100)  # 743 values of 8 dimensions
START = datetime(2024, 1, 1, tzinfo=UTC)
WINDOW = Block(START, START + timedelta(hours=4))
SCOPE = Scope("m", "v1", "v2", ("tier-1", "tier-2", "tier-3"))
NAMES = tuple(f"d{i}" for i in range(len(VALUES)))
SAMPLE = 12  # slices that are really queried one by one; the others are extrapolated
MEBIBYTE = 1 << 20


def a_dataset() -> Dataset:
    """Each dimension alone, labels within five minutes."""
    spec = MonitoringDatasetSpec(
        table="predictions",
        columns=Columns(labelled_at="labelled_at"),
        maturity="5m",
        dimensions=[Dimension(name=name, expression=name, max_values=300) for name in NAMES],
    )
    return Dataset("bench", spec, tuple((name,) for name in NAMES))


def fill(store: ClickHouseStore, rows: int) -> None:
    """Predictions of four hours, three tiers and two versions, hashed from their number: the same in every run."""
    store.init(list(NAMES))
    dimensions = ", ".join(
        f"concat('v', toString(cityHash64(number, {i} + 10) % {size}))" for i, size in enumerate(VALUES)
    )
    columns = f"ts, tier, model, model_version, score, label, labelled_at, {', '.join(NAMES)}"
    store.execute(
        f"INSERT INTO predictions ({columns}) "
        f"SELECT toDateTime64('2024-01-01 00:00:00', 3, 'UTC') + toIntervalMillisecond(intDiv(number * 14400000, {rows})) AS t, "
        "concat('tier-', toString(1 + cityHash64(number, 1) % 3)), 'm', if(cityHash64(number, 2) % 2 = 0, 'v1', 'v2'), "
        "toFloat32(cityHash64(number, 3) % 1000003 / 1000003.), if(cityHash64(number, 4) % 10 < 3, NULL, cityHash64(number, 5) % 2), "
        f"t + toIntervalSecond(cityHash64(number, 6) % 400), {dimensions} FROM numbers({rows})"
    )


class PerSlice:
    """One query per slice and arm: what a template with a query per metric does (its wrong answers of a slice)."""

    SQL = (
        "SELECT countIf(label = 1 AND score < 0.5 OR label = 0 AND score >= 0.5) AS bad, count(label) AS n FROM predictions "
        "WHERE model = 'm' AND tier IN ('tier-1', 'tier-2', 'tier-3') AND model_version = {version:String} "
        "AND ts >= {t0:DateTime64(3, 'UTC')} AND ts < {t1:DateTime64(3, 'UTC')} AND labelled_at <= ts + toIntervalSecond(300)"
    )

    def __init__(self, store: ClickHouseStore) -> None:
        self._store = store

    def __call__(self, key: str, version: str) -> tuple[int, int]:
        """Wrong answers and labels of a slice."""
        where = "".join(f" AND {name} = {{{name}:String}}" for name in parse_slice_key(key))
        bounds = {"t0": WINDOW.start, "t1": WINDOW.end, "version": version}
        row = self._store.query(self.SQL + where, {**bounds, **parse_slice_key(key)}).to_pylist()[0]
        return row["bad"], row["n"]


def agree(store: ClickHouseStore, dataset: Dataset, slices: tuple[str, ...]) -> None:
    """The look's counts equal those of one query per slice, and those of the distributions."""
    cells = store.read_cells(dataset, SCOPE, [WINDOW])
    distributions = store.read_distributions(dataset, SCOPE, WINDOW)
    assert cells.slices == distributions.slices
    assert (cells.counts[0, ..., 0] == distributions.counts[..., :50].sum(-1)).all()
    assert (cells.counts[0, ..., 1] == distributions.counts[..., 50:-1].sum(-1)).all()
    ask = PerSlice(store)
    for key in slices:
        counts = cells.counts[0, cells.slices.index(key)]
        for arm, version in enumerate(("v1", "v2")):
            bad = int(counts[arm, 1, 0] + counts[arm, 0, 1])
            assert ask(key, version) == (bad, int(counts[arm, :2].sum())), key


def run(rows: int, *, rounds: int = 3, sample: int = SAMPLE) -> list[Line]:
    """Fill a store in a temporary directory, compare, measure."""
    with tempfile.TemporaryDirectory(prefix="tierwise-bench-") as directory:
        store = open_store(f"chdb://{Path(directory) / 'data'}")
        try:
            fill(store, rows)
            return _measure(store, rows, rounds, sample)
        finally:
            store.close()


def _measure(store: ClickHouseStore, rows: int, rounds: int, sample: int) -> list[Line]:
    dataset = a_dataset()
    slices = store.read_cells(dataset, SCOPE, [WINDOW]).slices
    chosen = slices[:: max(1, len(slices) // sample)][:sample]
    agree(store, dataset, chosen)
    minutes = [
        Block(WINDOW.start + i * timedelta(minutes=1), WINDOW.start + (i + 1) * timedelta(minutes=1))
        for i in range(240)
    ]
    columns = f"ts, tier, model, model_version, score, label, labelled_at, {', '.join(NAMES)}"
    ask = PerSlice(store)

    def look() -> None:
        store.read_distributions(dataset, SCOPE, WINDOW)

    timings = compare(
        {
            "floor": lambda: store.query(f"SELECT count() FROM predictions WHERE NOT ignore({columns})"),
            "look": look,
            "cells": lambda: store.read_cells(dataset, SCOPE, [WINDOW]),
            "catch-up": lambda: store.read_cells(dataset, SCOPE, minutes),
            "one minute": lambda: store.read_cells(dataset, SCOPE, minutes[120:121]),
            "slices": lambda: [ask(key, version) for key in chosen for version in ("v1", "v2")],
        },
        rounds=rounds,
    )
    every_slice = timings["slices"].cpu_seconds * len(slices) / len(chosen)
    floor, one = timings["floor"].cpu_seconds, timings["look"].cpu_seconds
    store.execute("SYSTEM JEMALLOC PURGE")
    baseline = resident_bytes()
    memory = peak_above(baseline, look) / MEBIBYTE
    return [
        Line(f"floor: decode the same columns of {rows:,} rows", f"{floor:.3f} s CPU"),
        Line(f"look: {len(slices)} slices x 606 cells, against the floor", f"{one:.3f} s CPU", one / floor, at_most=4),
        Line("counts only (18 cells a slice), against the floor", f"{timings['cells'].cpu_seconds:.3f} s CPU", timings["cells"].cpu_seconds / floor),
        Line("catch-up: 240 blocks of a minute, against the floor", f"{timings['catch-up'].cpu_seconds:.3f} s CPU", timings["catch-up"].cpu_seconds / floor),
        Line("240 minutes read again, against one new minute", f"{timings['one minute'].cpu_seconds:.4f} s CPU", timings["catch-up"].cpu_seconds / timings["one minute"].cpu_seconds, at_least=25),
        Line(f"one query per slice and arm ({len(chosen)} slices timed, x{len(slices) / len(chosen):.0f}), against the look", f"{every_slice:.0f} s CPU", every_slice / one, at_least=300),
        Line("peak memory of a look above the baseline", f"{memory:.0f} MiB", memory, at_most=150),
    ]  # fmt: skip


def main(*, rows: int, quick: bool) -> bool:
    """Print the table; whether every goal was met."""
    lines = run(rows, rounds=1 if quick else 3, sample=3 if quick else SAMPLE)
    show("look query (chDB, CPU time; ratios within this run)", lines)
    return not any("MISSED" in line.verdict for line in lines)
