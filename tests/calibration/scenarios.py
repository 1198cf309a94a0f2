"""The guarantees, simulated. Every function takes the number of replicates and gives rows of the table."""

from __future__ import annotations

import math

import numpy as np
from scipy import optimize, stats

from tests.calibration.streams import (
    LOOKS,
    SLICES,
    BettingTest,
    base_rates,
    draw,
    first_crossing,
    slice_sizes,
)
from tests.calibration.table import Row, at_least, at_most, median_at_most
from tierwise.stats import intervals, power

ALPHA = 0.05
THRESHOLD = math.log(SLICES / ALPHA)
PASS = math.log(power.PASS_AT)


def false_rollbacks(replicates: int) -> list[Row]:
    """Equal models, 200 slices of mixed sizes and rates: ever rolled back."""
    hits = _ever_rolled_back(np.random.default_rng(1), replicates)
    return [at_most("A/A, 200 slices, Δ = 0, 500 looks: ever rolled back", hits, replicates, ALPHA, "1.8–3.3 %")]


def false_rollbacks_as_shipped(replicates: int) -> list[Row]:
    """The same with late-onset copies every hour."""
    hits = _ever_rolled_back(np.random.default_rng(2), replicates, copies=9)
    return [at_most("the same with late-onset copies", hits, replicates, ALPHA)]


def false_rollbacks_with_drift(replicates: int) -> list[Row]:
    """Base rates that triple and fall over the day while the candidate's share grows from 5 % to 50 %."""
    hits = _ever_rolled_back(np.random.default_rng(3), replicates, drift=True)
    return [at_most("A/A with drifting base rates and a ramped split", hits, replicates, ALPHA, "≤ 5 %")]


def at_tolerance(replicates: int) -> list[Row]:
    """Every one of 200 slices exactly at its tolerance, the worst that the promise covers."""
    hits = _ever_rolled_back(np.random.default_rng(4), replicates, delta=0.005)
    return [at_most("all 200 slices exactly at their tolerance (.005)", hits, replicates, ALPHA, "≤ α")]


def _ever_rolled_back(
    rng: np.random.Generator, replicates: int, *, delta: float = 0.0, copies: int = 1, drift: bool = False
) -> int:
    sizes = np.tile(slice_sizes(), replicates)
    rates = base_rates(rng, (replicates * SLICES,))
    test = BettingTest("regression", rates, delta=delta, copies=copies)
    fallen = np.zeros(replicates, dtype=bool)
    for look in range(LOOKS):
        day = look / LOOKS
        now = rates * (3 ** math.sin(2 * math.pi * day) if drift else 1.0)
        share = 0.05 + 0.45 * day if drift else 0.5
        log_e = test.add(draw(rng, 2 * sizes * share, np.minimum(now + delta, 1), 2 * sizes * (1 - share), now))
        fallen |= (log_e.reshape(replicates, SLICES) >= THRESHOLD).any(axis=1)
    return int(fallen.sum())


ALTERNATIVES = [  # name, baseline, candidate, design's reference
    ("accuracy .95 → .85", 0.05, 0.15, "4"),
    ("FPR 1 → 3 %", 0.01, 0.03, "20"),
    ("error 2 → 7 %", 0.02, 0.07, "8"),
    ("error 5 → 7 %", 0.05, 0.07, "55–60"),
]


def growth_rate(candidate: tuple[float, float], baseline: tuple[float, float]) -> float:
    """Best possible growth of ln E per look against μa ≤ μb: (labels per look, rate) of both arms."""
    (na, pa), (nb, pb) = candidate, baseline

    def divergence(c: float) -> float:
        return na * stats.entropy([pa, 1 - pa], [c, 1 - c]) + nb * stats.entropy([pb, 1 - pb], [c, 1 - c])

    return float(optimize.minimize_scalar(divergence, bounds=(pb, pa), method="bounded").fun)


def delays(replicates: int) -> list[Row]:
    """Minutes until rollback of one bad slice among 200, against 1.5 times the information-theoretic minimum."""
    rows = []
    for copies, note in ((1, ""), (9, ", with late-onset copies")):
        for name, p0, p1, reference in ALTERNATIVES:
            least = THRESHOLD / growth_rate((100, p1), (100, p0))
            test = BettingTest("regression", np.full(replicates, p0), copies=copies)
            found = first_crossing(np.random.default_rng(5), test, (100, p1), (100, p0), log_threshold=THRESHOLD)
            bound = math.ceil(1.5 * least)  # looks are whole minutes
            rows.append(
                median_at_most(name + note, float(np.median(found)), bound, "min", reference if not note else "")
            )
    return rows


def delays_with_tolerance(replicates: int) -> list[Row]:
    """As shipped, with a tolerance, unequal arms, or few labels. Bounds leave a tenth over the reference figures."""
    cases = [
        ("FPR 1 → 3 %, R = 1.125", (100, 0.03), (100, 0.01), 1.125, 0.0, 23.5),
        ("error 5 → 7 %, Δ = .005", (100, 0.07), (100, 0.05), 1.0, 0.005, 93.0),
        ("error 5 → 7 %, Δ = .01", (100, 0.07), (100, 0.05), 1.0, 0.01, 239.5),
        ("FPR 1 → 3 %, arms 10 and 190", (10, 0.03), (190, 0.01), 1.0, 0.0, 78.0),
    ]
    rows = []
    for name, candidate, baseline, ratio, delta, reference in cases:
        test = BettingTest("regression", np.full(replicates, baseline[1]), ratio, delta)
        found = first_crossing(np.random.default_rng(6), test, candidate, baseline, log_threshold=THRESHOLD)
        rows.append(median_at_most(name, float(np.median(found)), 1.1 * reference, "min", f"{reference:g}"))
    return rows


def few_labels(replicates: int) -> list[Row]:
    """Three labels a minute: blocks are below five observations, so they wait for each other."""
    test = BettingTest("regression", np.full(replicates, 0.01))
    found = first_crossing(np.random.default_rng(7), test, (3, 0.05), (3, 0.01), log_threshold=THRESHOLD, looks=1440)
    hits = int(np.isfinite(found).sum())
    median = f"median {np.median(found):.0f} min; reference 284"
    return [at_least("3 labels/min, rate 1 → 5 %: found within a day", hits, replicates, 0.99, median)]


def non_inferiority(replicates: int) -> list[Row]:
    """Looks until a truly equal slice passes, and how often one exactly at its margin ever does."""
    rows = []
    cases = [
        ("1 pp at 5 %, 100/min/arm", 100, 0.05, 1.0, 0.01, 57),
        ("25 % at 1 %, 1,000/min/arm", 1000, 0.01, 1.25, 0.0, 24),
    ]
    for name, labels, rate, ratio, delta, reference in cases:
        equal = BettingTest("non-inferior", np.full(replicates, rate), ratio, delta)
        found = first_crossing(np.random.default_rng(8), equal, (labels, rate), (labels, rate), log_threshold=PASS)
        rows.append(
            median_at_most(
                f"non-inferior, {name}: equal passes", float(np.median(found)), 1.1 * reference, "min", f"{reference}"
            )
        )
        worst = BettingTest("non-inferior", np.full(replicates, rate), ratio, delta)
        found = first_crossing(
            np.random.default_rng(9), worst, (labels, ratio * rate + delta), (labels, rate), log_threshold=PASS
        )
        rows.append(
            at_most(f"non-inferior, {name}: at the margin ever passes", int(np.isfinite(found).sum()), replicates, 0.05)
        )
    return rows


def just_powered(replicates: int) -> list[Row]:
    """40 slices with just the counts that make them powered, truly equal: all pass within maxDuration."""
    rate, gap, slices, looks = 0.05, 0.01, 40, 240
    labels = float(power.POWER_FACTOR * power.needed_per_arm(np.array([rate]), np.array([gap]))[0]) / looks
    test = BettingTest("non-inferior", np.full(replicates * slices, rate), delta=gap)
    found = first_crossing(
        np.random.default_rng(10), test, (labels, rate), (labels, rate), log_threshold=PASS, looks=looks
    )
    hits = int(np.isfinite(found).reshape(replicates, slices).all(axis=1).sum())
    return [at_least("40 just-powered slices, truly equal: all pass", hits, replicates, 0.85, "≥ 85 %")]


def interval_coverage(replicates: int) -> list[Row]:
    """Intervals at 5 %, looked at 500 times: ever without the true difference."""
    rng = np.random.default_rng(11)
    rates = np.repeat([0.005, 0.05, 0.3], replicates)
    missed = np.zeros(len(rates), dtype=bool)
    total = np.zeros((4, len(rates)))
    for _ in range(LOOKS):
        total += draw(rng, np.full(len(rates), 50.0), rates * 1.2, np.full(len(rates), 50.0), rates)
        low, high = intervals.rate_difference_interval(total, alpha=ALPHA)
        missed |= (low > 0.2 * rates) | (high < 0.2 * rates)
    by_rate = missed.reshape(3, replicates).sum(axis=1)
    return [
        at_most(f"interval at rate {rate:g}: ever off in 500 looks", int(hits), replicates, 0.05, "0.7–2.2 %")
        for rate, hits in zip((0.005, 0.05, 0.3), by_rate, strict=True)
    ]
