"""The look query against the floor, one query per dimension, one per slice (as templates ask) and a re-scan.

The counts of all contestants are compared before anything is timed.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.bench.measure import Line, compare, dearer, faster
from tests.bench.prediction_log import COLUMNS, MATURITY_SECONDS, NAMES, SCOPE, BenchLog, a_dataset, minutes
from tierwise.adapters.clickhouse.store import ClickHouseStore
from tierwise.api.slices import parse_slice_key
from tierwise.monitoring.counts.model import Block, Distributions

TITLE = "The look query"
FLOOR = f"SELECT count() FROM predictions WHERE NOT ignore({', '.join(COLUMNS)})"
IN_SCOPE = (
    "model = 'm' AND tier IN ('tier-1', 'tier-2', 'tier-3') "
    "AND ts >= {t0:DateTime64(3, 'UTC')} AND ts < {t1:DateTime64(3, 'UTC')}"
)
IN_TIME = f"labelled_at <= ts + toIntervalSecond({MATURITY_SECONDS})"
# What a template per metric asks: (bad, n) of one slice and version.
TEMPLATES = {
    "accuracy": ("label = 1 AND score < 0.5 OR label = 0 AND score >= 0.5", "label IN (0, 1)"),
    "error-rate": ("label = 1 AND score < 0.5 OR label = 0 AND score >= 0.5", "label IN (0, 1)"),
    "recall": ("label = 1 AND score < 0.5", "label = 1"),
    "false-negative-rate": ("label = 1 AND score < 0.5", "label = 1"),
    "specificity": ("label = 0 AND score >= 0.5", "label = 0"),
    "false-positive-rate": ("label = 0 AND score >= 0.5", "label = 0"),
    "precision": ("label = 0 AND score >= 0.5", "label IN (0, 1) AND score >= 0.5"),
    "npv": ("label = 1 AND score < 0.5", "label IN (0, 1) AND score < 0.5"),
}


class Contestants:
    """The peers' queries on one log and window."""

    def __init__(self, store: ClickHouseStore, window: Block) -> None:
        self.store = store
        self.window = window
        self.bounds: dict[str, object] = {
            "t0": window.start.replace(tzinfo=None).isoformat(" "),
            "t1": window.end.replace(tzinfo=None).isoformat(" "),
        }

    def per_metric(self, key: str, version: str, metric: str) -> tuple[int, int]:
        """(bad, n) of one slice, version and metric: one query."""
        bad, n = TEMPLATES[metric]
        return self._ask(f"countIf({bad}) AS bad, countIf({n}) AS n", key, version)

    def per_slice(self, key: str, version: str) -> tuple[int, ...]:
        """(bad, n) of all metrics of one slice and version: one query."""
        columns = [f"countIf({c})" for pair in TEMPLATES.values() for c in pair]
        return self._ask(", ".join(f"{c} AS c{i}" for i, c in enumerate(columns)), key, version)

    def _ask(self, columns: str, key: str, version: str) -> tuple[int, ...]:
        values = parse_slice_key(key)
        where = "".join(f" AND {name} = {{{name}:String}}" for name in values)
        sql = (
            f"SELECT {columns} FROM predictions WHERE {IN_SCOPE} AND {IN_TIME} AND model_version = {{v:String}}{where}"
        )
        return tuple(self.store.query(sql, {**self.bounds, "v": version, **values}).to_pylist()[0].values())

    def per_dimension(self) -> int:
        """Counts by value, version, label and bin, one GROUP BY per dimension; the rows counted in all."""
        label = f"if(labelled_at > ts + toIntervalSecond({MATURITY_SECONDS}) OR label IS NULL, 2, label)"
        rows = 0
        for name in NAMES:
            sql = (
                f"SELECT {name}, model_version, {label} AS lab, toUInt8(least(99, floor(score * 100 + 1e-4))) AS bin, "
                f"count() AS n FROM predictions WHERE {IN_SCOPE} AND model_version IN ('v1', 'v2') GROUP BY ALL"
            )
            rows += int(np.sum(self.store.query(sql, self.bounds).column("n").to_numpy()))
        return rows


def agree(store: ClickHouseStore, ask: Contestants, found: Distributions, keys: tuple[str, ...]) -> None:
    """The distributions give the same counts as one query per slice, and as the look's small form."""
    cells = store.read_cells(a_dataset(), SCOPE, [ask.window])
    assert cells.slices == found.slices
    assert (cells.counts[0, ..., 0] == found.counts[..., :50].sum(-1)).all()
    assert (cells.counts[0, ..., 1] == found.counts[..., 50:-1].sum(-1)).all()
    for key in keys:
        counts = cells.counts[0, cells.slices.index(key)]
        for arm, version in enumerate((SCOPE.baseline, SCOPE.candidate)):
            wrong, n = int(counts[arm, 1, 0] + counts[arm, 0, 1]), int(counts[arm, :2].sum())
            assert ask.per_metric(key, version, "accuracy") == (wrong, n), key
            assert ask.per_slice(key, version)[:2] == (wrong, n), key
    assert ask.per_dimension() == int(found.counts[1:].sum())


def bytes_read(store: ClickHouseStore, call: Callable[[], object]) -> int:
    """Bytes of columns that the engine decoded meanwhile."""

    def so_far() -> int:
        found = store.query("SELECT value FROM system.events WHERE event = 'SelectedBytes'").column("value")
        return int(found[0].as_py())

    before = so_far()
    call()
    return so_far() - before


def run(log: BenchLog, *, quick: bool = False) -> list[Line]:
    """Compare, then time all contestants in turn."""
    with log.opened() as store:
        return _measure(store, log, rounds=2 if quick else 5, sample=2 if quick else 6)


def _measure(store: ClickHouseStore, log: BenchLog, *, rounds: int, sample: int) -> list[Line]:
    dataset, window = a_dataset(), log.window()
    ask = Contestants(store, window)
    found = store.read_distributions(dataset, SCOPE, window)
    keys = tuple(key for key in found.slices if key)
    chosen = keys[:: max(1, len(keys) // sample)][:sample]
    agree(store, ask, found, chosen[:2])
    versions = (SCOPE.baseline, SCOPE.candidate)
    minute = minutes()[120]
    timings = compare(
        {
            "floor": lambda: store.query(FLOOR),
            "look": lambda: store.read_distributions(dataset, SCOPE, window),
            "counts": lambda: store.read_cells(dataset, SCOPE, [window]),
            "minute": lambda: store.read_distributions(dataset, SCOPE, minute),
        },
        rounds=rounds,
    )
    timings |= compare(
        {
            "catch-up": lambda: store.read_cells(dataset, SCOPE, minutes()),
            "dimensions": ask.per_dimension,
            "slices": lambda: [ask.per_slice(key, version) for key in chosen for version in versions],
        },
        rounds=2,
    )
    few = chosen[:: max(1, len(chosen) // 2)][:2]  # a query per metric: fewer slices, for there are eight times as many
    timings |= compare(
        {
            "metrics": lambda: [
                ask.per_metric(key, version, metric) for key in few for version in versions for metric in TEMPLATES
            ],
        },
        rounds=2,
    )
    floor_bytes = bytes_read(store, lambda: store.query(FLOOR))
    look_bytes = bytes_read(store, lambda: store.read_distributions(dataset, SCOPE, window))
    cpu = {name: timing.cpu_seconds for name, timing in timings.items()}
    look, floor = cpu["look"], cpu["floor"]
    every_slice = cpu["slices"] * len(keys) / len(chosen)
    every_metric = cpu["metrics"] * len(keys) / len(few)
    decoding = "decoding the same columns, nothing else"
    return [
        dearer(f"look: {len(keys)} slices, 606 cells each", look, decoding, floor, at_most=4, goal=1),
        Line(
            "look: bytes read",
            decoding,
            f"{look_bytes / 1e6:,.0f} MB against {floor_bytes / 1e6:,.0f} MB",
            look_bytes / floor_bytes,
            at_most=1.05,
            goal=1,
        ),
        dearer("counts only, 18 cells a slice", cpu["counts"], decoding, floor, goal=1),
        faster("look", look, f"one GROUP BY per dimension ({len(NAMES)})", cpu["dimensions"], at_least=4, goal=2),
        faster(
            "look",
            look,
            f"one query per slice and version (extrapolated from {len(chosen)} of {len(keys)} slices)",
            every_slice,
            at_least=300,
            goal=4,
        ),
        faster(
            "look",
            look,
            f"the same per metric, {len(TEMPLATES)} of them (extrapolated from {len(few)} of {len(keys)} slices)",
            every_metric,
            at_least=2500,
            goal=4,
        ),
        faster("look at one new minute", cpu["minute"], "the 240 minutes read again", look, at_least=25, goal=5),
        faster("catch-up: 240 minutes as blocks", cpu["catch-up"], "240 looks", 240 * cpu["minute"], goal=5),
    ]
