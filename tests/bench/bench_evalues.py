"""E-values: 100,000 hypotheses per look, vectorised, against the same formulas in a plain Python loop."""

from __future__ import annotations

import math
import time

import numpy as np

from tests.bench.measure import Line, faster
from tests.bench.prediction_log import BenchLog
from tests.unit.stats import scalar
from tierwise.stats import betting

TITLE = "E-values"
REPEATS = 5


def _look(rng: np.random.Generator, hypotheses: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One block, the past and the prior rates, as after ten earlier blocks."""
    prior = np.exp(rng.uniform(np.log(1e-3), np.log(0.3), hypotheses))

    def counts(scale: int) -> np.ndarray:
        n = rng.integers(5 * scale, 200 * scale, (2, hypotheses))
        return np.stack([n[0], rng.binomial(n[0], prior), n[1], rng.binomial(n[1], prior)]).astype(np.float64)

    return counts(1), counts(10), prior


def measure(hypotheses: int = 100_000, sample: int = 2_000) -> dict[str, float]:
    """CPU seconds per look (all on one core) and their ratio.

    The loop computes the regression e-value alone on `sample` of the hypotheses and is scaled up; it is compared with
    the vectorised regression e-value. `look_seconds` is all three tests, with late onset.
    """
    block, past, prior = _look(np.random.default_rng(0), hypotheses)
    ratio, delta = np.ones(hypotheses), np.full(hypotheses, 0.005)
    regression_seconds, look_seconds = math.inf, math.inf
    for _ in range(REPEATS):
        started = time.process_time()
        logs = np.zeros((betting.REGRESSION_ALTERNATIVES, hypotheses))
        betting.add_regression(logs, block, past, betting.Boundary(ratio, delta), prior)
        log_e = betting.log_mean(logs, betting.REGRESSION_LOG_WEIGHTS)
        regression_seconds = min(regression_seconds, time.process_time() - started)
        other, improved = np.zeros((3, hypotheses)), np.zeros((3, hypotheses))
        betting.add_non_inferior(other, block, past, betting.Boundary(ratio, 2 * delta), prior)
        betting.add_improved(improved, block, past, betting.Boundary(ratio, 0 * delta), prior)
        betting.log_mean(other, betting.NON_INFERIOR_LOG_WEIGHTS)
        betting.log_mean(improved, betting.IMPROVED_LOG_WEIGHTS)
        betting.log_e_of(betting.begin_more(logs, 0.01), betting.REGRESSION_LOG_WEIGHTS, 0.1)
        look_seconds = min(look_seconds, time.process_time() - started)
    rows = [tuple(column) for column in np.concatenate([block, past])[:, :sample].T.tolist()]
    rates = prior[:sample].tolist()
    started = time.process_time()
    by_loop = []
    for row, p0 in zip(rows, rates, strict=True):
        now, before = row[:4], row[4:]
        bets = [
            scalar.increment(now, before, 1.0, 0.005, eta, p0) for eta in scalar.regression_etas(before, 1.0, 0.005, p0)
        ]
        top = max(bets)
        by_loop.append(top + math.log(sum(math.exp(x - top) for x in bets) / len(bets)))
    loop_seconds = (time.process_time() - started) * hypotheses / sample
    np.testing.assert_allclose(log_e[:sample], by_loop, rtol=1e-8, atol=1e-10)  # the peer computes the same thing
    return {
        "hypotheses": float(hypotheses),
        "look_seconds": look_seconds,
        "regression_seconds": regression_seconds,
        "loop_seconds": loop_seconds,
        "ratio": loop_seconds / regression_seconds,
    }


def run(log: BenchLog, *, quick: bool = False) -> list[Line]:
    """The time of a look's tests, and the ratio to the loop."""
    del log
    seen = measure(sample=200 if quick else 2_000)
    look = 1000 * seen["look_seconds"]
    vectorised, loop = seen["regression_seconds"], seen["loop_seconds"]
    return [
        Line(
            f"e-values of {seen['hypotheses']:,.0f} hypotheses: three tests, four late-onset copies",
            "none (CPU time, one core)",
            f"{look:.0f} ms",
            look,
            at_most=350,
            goal=6,
            unit="ms",
        ),
        faster("the regression e-values alone", vectorised, "the same in a Python loop (extrapolated)", loop, goal=6),
    ]
