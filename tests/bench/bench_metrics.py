"""All metrics of yes/no answers for 10,000 overlapping slices, against the same formulas in a plain Python loop."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tests.bench.measure import Line, compare, faster
from tests.bench.prediction_log import BenchLog
from tierwise.metrics import registry
from tierwise.metrics.family import Family
from tierwise.metrics.metric import Metric, Proportion, Shift
from tierwise.metrics.tally import Tally

TITLE = "Metrics"
SLICES, ARMS, BINS = 10_000, 2, 100
OF_SCORES = ("auc", "average-precision", "ks")

Table = list[list[int]]  # counts of one slice and arm by label (negative, positive, unknown) and answer


def _balanced_accuracy(c: Table) -> tuple[float, float]:
    n, p = c[0][0] + c[0][1], c[1][0] + c[1][1]
    specificity, recall = c[0][0] / n, c[1][1] / p
    variance = (specificity * (1 - specificity) / n + recall * (1 - recall) / p) / 4
    return (specificity + recall) / 2, variance


def _mcc(c: Table) -> tuple[float, float]:
    (tn, fp), (fn, tp) = c[0][:2], c[1][:2]
    a, b, x, y = tp + fp, tp + fn, tn + fp, tn + fn
    root = math.sqrt(a * b * x * y)
    value = (tp * tn - fp * fn) / root
    half = value / 2
    return value, (
        tn * (tp / root - half * (1 / x + 1 / y)) ** 2
        + fp * (-fn / root - half * (1 / a + 1 / x)) ** 2
        + fn * (-fp / root - half * (1 / b + 1 / y)) ** 2
        + tp * (tn / root - half * (1 / a + 1 / b)) ** 2
    )


# What a loop computes of the same counts: n and bad of a proportion, value and variance of an estimate.
LOOP: dict[str, Callable[[Table], tuple[float, float]]] = {
    "accuracy": lambda c: (c[0][0] + c[0][1] + c[1][0] + c[1][1], c[0][1] + c[1][0]),
    "error-rate": lambda c: (c[0][0] + c[0][1] + c[1][0] + c[1][1], c[0][1] + c[1][0]),
    "recall": lambda c: (c[1][0] + c[1][1], c[1][0]),
    "false-negative-rate": lambda c: (c[1][0] + c[1][1], c[1][0]),
    "specificity": lambda c: (c[0][0] + c[0][1], c[0][1]),
    "false-positive-rate": lambda c: (c[0][0] + c[0][1], c[0][1]),
    "precision": lambda c: (c[0][1] + c[1][1], c[0][1]),
    "npv": lambda c: (c[0][0] + c[1][0], c[1][0]),
    "positive-rate": lambda c: (sum(row[0] + row[1] for row in c), sum(row[1] for row in c)),
    "f1": lambda c: (c[1][1] + c[0][1] + c[1][0], c[0][1] + c[1][0]),
    "out-of-domain": lambda c: (sum(map(sum, c)), sum(row[2] for row in c)),
    "balanced-accuracy": _balanced_accuracy,
    "mcc": _mcc,
}


def numbers_of(metric: Metric, tally: Tally) -> tuple[np.ndarray, np.ndarray]:
    """What the tests of a look take of a metric: n and bad of a proportion, value and variance of an estimate."""
    if isinstance(metric.measure, Proportion):
        return metric.n_bad_of(tally)
    assert not isinstance(metric.measure, Shift)
    found = metric.measure.estimate(tally)
    return found.value, found.variance


def _of_answers(entry: Metric | Family) -> bool:
    """Whether it is a metric of yes/no answers that needs their counts alone."""
    alone = isinstance(entry, Metric) and not (entry.needs.bins or entry.needs.sums)
    return alone and "Binary" in entry.kinds


def run(log: BenchLog, *, quick: bool = False) -> list[Line]:
    """CPU time for all slices and both arms, values compared with the loop's."""
    del log
    rng = np.random.default_rng(0)
    counts = rng.integers(20, 5000, (SLICES, ARMS, 3, 3))
    tally = Tally(counts)
    binary = [registry.get(name) for name in LOOP]
    assert set(LOOP) == {entry.name for entry in registry.installed().entries if _of_answers(entry)}
    sample = 200 if quick else 1000
    tables = counts[:sample].tolist()

    def loop() -> list[list[list[tuple[float, float]]]]:
        return [[[of(table) for table in arms] for arms in tables] for of in LOOP.values()]

    ours_now = [np.stack(numbers_of(metric, tally), axis=-1)[:sample] for metric in binary]
    np.testing.assert_allclose(ours_now, loop(), rtol=1e-9)  # the peer computes the same
    bins = rng.integers(0, 60, (SLICES, ARMS, 3, BINS + 1))
    scored = Tally(counts, bins=bins, edges=np.linspace(0, 1, BINS + 1))
    timings = compare(
        {
            "ours": lambda: [numbers_of(metric, tally) for metric in binary],
            "loop": loop,
            "scores": lambda: [numbers_of(registry.get(name), scored) for name in OF_SCORES],
        },
        rounds=3 if quick else 10,
    )
    ours = timings["ours"].cpu_seconds
    what = f"{len(binary)} metrics of yes/no answers, {SLICES:,} slices, both arms"
    return [
        Line(what, "none (CPU time)", f"{1000 * ours:.1f} ms", 1000 * ours, at_most=50, goal=6, unit="ms"),
        faster(
            what,
            ours,
            f"the same formulas in a Python loop (extrapolated from {sample:,} slices)",
            timings["loop"].cpu_seconds * SLICES / sample,
            at_least=10,
            goal=6,
        ),
        Line(
            f"{', '.join(OF_SCORES)} of {SLICES:,} slices and both arms, from 100 bins",
            "none (CPU time)",
            f"{1000 * timings['scores'].cpu_seconds:.0f} ms",
            1000 * timings["scores"].cpu_seconds,
            goal=6,
            unit="ms",
        ),
    ]
