"""How long a regression of one slice among 200 takes to be found."""

from __future__ import annotations

import math

import numpy as np
from scipy import optimize, stats

from tests.calibration.streams import SLICES, THRESHOLD, BettingTest, first_crossing
from tests.calibration.table import Row, at_least, median_at_most

ALTERNATIVES = [  # name, baseline, candidate, reference
    ("accuracy .95 → .85", 0.05, 0.15, "4"),
    ("FPR 1 → 3 %", 0.01, 0.03, "20"),
    ("error 2 → 7 %", 0.02, 0.07, "8"),
    ("error 5 → 7 %", 0.05, 0.07, "55–60"),
]
_CAPITALISED = {name: name[0].upper() + name[1:] for name, *_ in ALTERNATIVES}


def growth_rate(candidate: tuple[float, float], baseline: tuple[float, float]) -> float:
    """Best possible growth of ln E per look against μa ≤ μb: (labels per look, rate) of both arms."""
    (na, pa), (nb, pb) = candidate, baseline

    def divergence(c: float) -> float:
        return na * stats.entropy([pa, 1 - pa], [c, 1 - c]) + nb * stats.entropy([pb, 1 - pb], [c, 1 - c])

    return float(optimize.minimize_scalar(divergence, bounds=(pb, pa), method="bounded").fun)


def without_tolerance(replicates: int) -> list[Row]:
    """Minutes until rollback against 1.5 times the information-theoretic minimum."""
    return [*_delays(replicates, late_over=0), *_delays(replicates, late_over=540)]


def _delays(replicates: int, *, late_over: int) -> list[Row]:
    rows = []
    note = ", late onset" if late_over else ""
    for name, p0, p1, reference in ALTERNATIVES:
        least = THRESHOLD / growth_rate((100, p1), (100, p0))
        test = BettingTest("regression", np.full(replicates, p0), late_over=late_over)
        found = first_crossing(np.random.default_rng(5), test, (100, p1), (100, p0), log_threshold=THRESHOLD)
        bound = math.ceil(1.5 * least)  # looks are whole minutes
        about = (
            f"Δ = 0; no test can be faster than {least:.1f} minutes on average; the goal is 1.5 times that, "
            "rounded up to whole minutes."
        )
        rows.append(
            median_at_most(
                _CAPITALISED[name] + note,
                float(np.median(found)),
                bound,
                "min",
                reference if not late_over else "",
                about=about,
            )
        )
    return rows


def as_shipped(replicates: int) -> list[Row]:
    """With a tolerance, a tier's share of α or unequal arms. Bounds leave a tenth over the reference figures."""
    cases = [
        ("FPR 1 → 3 %, R = 1.125", (100, 0.03), (100, 0.01), 1.125, 0.0, 0.05, 23.5),
        ("Error 5 → 7 %, Δ = .005", (100, 0.07), (100, 0.05), 1.0, 0.005, 0.05, 93.0),
        ("Error 5 → 7 %, Δ = .01", (100, 0.07), (100, 0.05), 1.0, 0.01, 0.05, 239.5),
        ("FPR 1 → 3 %, α = .015", (100, 0.03), (100, 0.01), 1.0, 0.0, 0.015, 22.5),
        ("Error 5 → 7 %, α = .015", (100, 0.07), (100, 0.05), 1.0, 0.0, 0.015, 68.0),
        ("FPR 1 → 3 %, arms 10 and 190", (10, 0.03), (190, 0.01), 1.0, 0.0, 0.05, 78.0),
    ]
    rows = []
    for name, candidate, baseline, ratio, delta, alpha, reference in cases:
        test = BettingTest("regression", np.full(replicates, baseline[1]), ratio, delta)
        threshold = math.log(SLICES / alpha)
        found = first_crossing(np.random.default_rng(6), test, candidate, baseline, log_threshold=threshold)
        about = (
            f"{candidate[0]} candidate and {baseline[0]} baseline labels a minute, R = {ratio:g}, Δ = {delta:g}, "
            f"α = {100 * alpha:.1f} %; the bound is a tenth over the reference."
        )
        rows.append(
            median_at_most(name, float(np.median(found)), 1.1 * reference, "min", f"{reference:g}", about=about)
        )
    return rows


def far_beyond(replicates: int) -> list[Row]:
    """Rare errors that become frequent: far beyond every odds ratio, so the bets must follow the candidate."""
    least = THRESHOLD / growth_rate((20, 0.1), (20, 0.001))
    test = BettingTest("regression", np.full(replicates, 0.001))
    found = first_crossing(np.random.default_rng(35), test, (20, 0.1), (20, 0.001), log_threshold=THRESHOLD)
    about = (
        f"Error .1 → 10 %, 20 labels a minute and arm, Δ = 0; no test can be faster than {least:.1f} minutes on "
        "average; the goal is twice that, because the bets have to see the candidate first."
    )
    bound = math.ceil(2 * least)
    return [median_at_most("Rare errors become frequent", float(np.median(found)), bound, "min", "142", about=about)]


def with_flipped_labels(replicates: int) -> list[Row]:
    """Two labels of a hundred are wrong: slower, not blind."""
    p0, p1 = (0.98 * p + 0.02 * (1 - p) for p in (0.05, 0.15))
    least = THRESHOLD / growth_rate((100, p1), (100, p0))
    test = BettingTest("regression", np.full(replicates, p0))
    found = first_crossing(np.random.default_rng(31), test, (100, p1), (100, p0), log_threshold=THRESHOLD)
    bound = math.ceil(1.5 * least)
    about = (
        "Accuracy .95 → .85 with 2 % of the labels wrong in both arms; the bound is 1.5 times the best that flips "
        "leave, rounded up to whole minutes."
    )
    return [median_at_most("Label flips", float(np.median(found)), bound, "min", about=about)]


def few_labels(replicates: int) -> list[Row]:
    """Three labels a minute: blocks are below five observations, so they wait for each other."""
    test = BettingTest("regression", np.full(replicates, 0.01))
    found = first_crossing(np.random.default_rng(7), test, (3, 0.05), (3, 0.01), log_threshold=THRESHOLD, looks=1440)
    hits = int(np.isfinite(found).sum())
    about = "Rate 1 → 5 %, so that most blocks are too small and wait for the next: found within a day."
    rows = [at_least("3 labels a minute", hits, replicates, 0.99, "found", about=about)]
    about = "The same: median. Dropping small blocks instead would never find it."
    median = float(np.median(found))
    return [*rows, median_at_most("3 labels a minute, time", median, 1.1 * 284, "min", "284", about=about)]


SCENARIOS = [
    (without_tolerance, 2000, 600),
    (as_shipped, 1000, 400),
    (with_flipped_labels, 2000, 0),
    (far_beyond, 1000, 300),
    (few_labels, 2000, 600),
]
