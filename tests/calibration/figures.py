"""The figures of docs/statistics.md: drawn by the production code, with fixed seeds. `make calibration` writes them."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.calibration.delay import ALTERNATIVES, growth_rate
from tests.calibration.streams import ALPHA, SLICES, THRESHOLD, BettingTest, draw, first_crossing
from tierwise.report.line_chart import Axis, Line, line_chart
from tierwise.stats import intervals, power

FOLDER = Path("docs/figures")
_RUNS = 200


def evidence() -> str:
    """Evidence over time of one slice that is equal, at its tolerance, and worse."""
    looks = 240
    lines = []
    for number, (name, candidate) in enumerate(
        (("worse, 8 %", 0.08), ("at tolerance, 6 %", 0.06), ("equal, 5 %", 0.05))
    ):
        rng = np.random.default_rng([1, number])
        test = BettingTest("regression", np.full(_RUNS, 0.05), delta=0.01, late_over=looks)
        arms = [np.full(_RUNS, x) for x in (100.0, candidate, 100.0, 0.05)]
        seen = np.stack([test.add(draw(rng, *arms)).copy() for _ in range(looks)]) / math.log(10)
        low, middle, high = np.quantile(seen, (0.05, 0.5, 0.95), axis=1)[:, ::4]
        lines.append(Line(name, range(1, looks + 1, 4), middle, low, high))
    bound = THRESHOLD / math.log(10)
    lines.append(Line(f"rolls back (K = {SLICES})", (1, looks), (bound, bound), is_rule=True))
    title = "Evidence of a regression: median and 90 % of 200 runs, tolerance 1 point"
    return line_chart(title, Axis("minutes, 100 labels in each arm", 0, looks), Axis("log10 E", -4, 12), lines)


def delay() -> str:
    """Minutes until the rollback against the least that any test needs."""
    bounds, medians = [], []
    for number, (_, p0, p1, _) in enumerate(ALTERNATIVES):
        bounds.append(THRESHOLD / growth_rate((100, p1), (100, p0)))
        test = BettingTest("regression", np.full(_RUNS, p0), late_over=540)
        found = first_crossing(np.random.default_rng([2, number]), test, (100, p1), (100, p0), log_threshold=THRESHOLD)
        medians.append(float(np.median(found)))
    order = np.argsort(bounds)
    x = [bounds[i] for i in order]
    ends = (2.0, 100.0)
    lines = [
        Line("Tierwise, median", x, [medians[i] for i in order], has_points=True),
        Line("the least of any test", ends, ends, is_rule=True),
        Line("1.5 times the least", ends, [1.5 * end for end in ends], is_rule=True),
    ]
    axis = Axis("minutes that any test needs on average", *ends, "log")
    return line_chart("Time to a rollback, one slice of 200 regressed", axis, Axis("minutes", 2, 150, "log"), lines)


def promotion() -> str:
    """How often a slice passes, by its number of labels."""
    rate, gap, looks = 0.05, 0.01, 120
    least = float(power.needed_per_arm(np.array([rate]), np.array([gap]))[0])
    factors = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
    lines = []
    for number, (name, worse) in enumerate(
        (("equal", 0.0), ("half its margin worse", gap / 2), ("at its margin", gap))
    ):
        shares = []
        for factor in factors:
            labels = factor * least / looks
            test = BettingTest("non-inferior", np.full(400, rate), delta=gap)
            found = first_crossing(
                np.random.default_rng([3, number, round(10 * factor)]),
                test,
                (labels, rate + worse),
                (labels, rate),
                log_threshold=math.log(power.PASS_AT),
                looks=looks,
            )
            shares.append(100 * float(np.isfinite(found).mean()))
        lines.append(Line(name, factors, shares, has_points=True))
    lines.append(Line("at most 5 %", (0, 10), (5, 5), is_rule=True))
    title = "Slices that pass, by labels: margin 1 point at 5 % errors"
    x = Axis(f"labels in each arm, in units of {least:,.0f} (5 make a slice powered)", 0, 10)
    return line_chart(title, x, Axis("% of slices shown to be within the margin", 0, 100), lines)


def coverage() -> str:
    """How often an interval has been without the true difference, by the number of rows."""
    looks, runs = 240, 400
    lines = []
    for number, rate in enumerate((0.001, 0.05, 0.3)):
        rng = np.random.default_rng([4, number])
        total, kept, last = np.zeros((4, runs)), [], 0
        missed, x, y = np.zeros(runs, dtype=bool), [], []
        for look in range(1, looks + 1):
            total = total + draw(rng, *(np.full(runs, v) for v in (20.0, 1.2 * rate, 20.0, rate)))
            if intervals.is_kept(look, last):
                kept.append(total)
                last = look
            if look in (1, 3, 6, 12, 25, 50, 100, 240):
                parts = np.diff(kept, axis=0, prepend=[0 * total])
                low, high = intervals.difference_interval(parts, np.full(runs, rate), np.ones(runs), ALPHA)
                missed |= (low > 0.2 * rate) | (high < 0.2 * rate)
                x.append(20.0 * look)
                y.append(100 * float(missed.mean()))
        lines.append(Line(f"rate {rate:g}", x, y, has_points=True))
    lines.append(Line("at most 5 %", (20, 20 * looks), (5, 5), is_rule=True))
    title = "Intervals that were ever without the true difference"
    return line_chart(title, Axis("rows in each arm", 20, 20 * looks, "log"), Axis("% of runs", 0, 8), lines)


FIGURES: dict[str, Callable[[], str]] = {
    "evidence.svg": evidence,
    "delay.svg": delay,
    "promotion.svg": promotion,
    "coverage.svg": coverage,
}


def write() -> None:
    """All figures, into docs/figures."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, drawn in FIGURES.items():
        (FOLDER / name).write_text(drawn(), encoding="utf-8")
