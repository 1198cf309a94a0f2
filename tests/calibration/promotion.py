"""When a slice passes, and how often one at its margin does."""

from __future__ import annotations

import math

import numpy as np

from tests.calibration.streams import BettingTest, first_crossing
from tests.calibration.table import Row, at_least, at_most, median_at_most
from tierwise.stats import power

PASS = math.log(power.PASS_AT)
_RATE, _GAP, _LOOKS = 0.05, 0.01, 240


def non_inferiority(replicates: int) -> list[Row]:
    """Looks until a truly equal slice passes, and how often one exactly at its margin ever does."""
    rows = []
    cases = [
        ("1 pp at 5 %, 100/min/arm", 100, 0.05, 1.0, 0.01, 57),
        ("25 % at 1 %, 1,000/min/arm", 1000, 0.01, 1.25, 0.0, 24),
        ("25 % at .01 %, 100,000/min/arm", 100_000, 1e-4, 1.25, 0.0, 24),
    ]
    for name, labels, rate, ratio, delta, reference in cases:
        equal = BettingTest("non-inferior", np.full(replicates, rate), ratio, delta)
        found = first_crossing(np.random.default_rng(8), equal, (labels, rate), (labels, rate), log_threshold=PASS)
        median = float(np.median(found))
        about = "Looks until a truly equal slice is shown to be within the margin; a tenth over the reference."
        rows.append(median_at_most(f"Equal, {name}", median, 1.1 * reference, "looks", f"{reference}", about=about))
        hits = int(np.isfinite(found).sum())
        rows.append(
            at_least(f"Equal, {name}: passes", hits, replicates, 0.99, "100 %", about="The same, within 500 looks.")
        )
        worst = BettingTest("non-inferior", np.full(replicates, rate), ratio, delta)
        candidate = (labels, ratio * rate + delta)
        found = first_crossing(np.random.default_rng(9), worst, candidate, (labels, rate), log_threshold=PASS)
        about = "A slice exactly at its margin ever passes in 500 looks."
        hits = int(np.isfinite(found).sum())
        rows.append(at_most(f"At the margin, {name}", hits, replicates, 0.05, "≤ 5 %", about=about))
    return rows


def improvement(replicates: int) -> list[Row]:
    """How often an equal candidate is ever called better."""
    test = BettingTest("improved", np.full(replicates, _RATE))
    found = first_crossing(np.random.default_rng(34), test, (100, _RATE), (100, _RATE), log_threshold=PASS)
    hits = int(np.isfinite(found).sum())
    about = "An equal candidate, 5 %, 100 labels a minute and arm: ever called better in 500 looks."
    return [at_most("Improved without improvement", hits, replicates, 0.05, "≤ 5 %", about=about)]


def one_at_the_margin(replicates: int) -> list[Row]:
    """39 powered slices are equal and one is at its margin: the tier is promoted only when that one passes too."""
    passed = _passes(32, replicates, slices=40, factor=power.POWER_FACTOR, worse=np.arange(40) == 0, by=_GAP)
    about = "40 just-powered slices, one exactly at its margin, the others equal: all pass, so the tier is promoted."
    return [at_most("Promoted with one at the margin", passed, replicates, 0.05, "≤ 5 %", about=about)]


def just_powered(replicates: int) -> list[Row]:
    """40 slices with just the counts that make them powered, truly equal: all pass within maxDuration."""
    passed = _passes(10, replicates, slices=40, factor=power.POWER_FACTOR, worse=np.zeros(40, dtype=bool), by=0.0)
    about = f"40 slices with just the labels that make them powered (factor {power.POWER_FACTOR:g}), equal: all pass."
    return [at_least("Promoted when equal", passed, replicates, 0.85, "≥ 85 %", about=about)]


def half_a_margin_worse(replicates: int) -> list[Row]:
    """A slice half its margin worse needs more labels than the rule asks for: with a factor of 18 it passes too."""
    passed = _passes(33, replicates, slices=1, factor=18.0, worse=np.ones(1, dtype=bool), by=_GAP / 2)
    about = "One slice worse by half its margin, with 18 times the labels of the information-theoretic minimum: passes."
    return [at_least("Half the margin, factor 18", passed, replicates, 0.95, "≥ 95 %", about=about)]


def _passes(seed: int, replicates: int, *, slices: int, factor: float, worse: np.ndarray, by: float) -> int:
    """In how many replicates all slices are shown non-inferior within 240 looks; `worse` ones are worse `by`."""
    labels = factor * float(power.needed_per_arm(np.array([_RATE]), np.array([_GAP]))[0]) / _LOOKS
    test = BettingTest("non-inferior", np.full(replicates * slices, _RATE), delta=_GAP)
    candidate = _RATE + by * np.tile(worse, replicates)
    found = first_crossing(
        np.random.default_rng(seed), test, (labels, candidate), (labels, _RATE), log_threshold=PASS, looks=_LOOKS
    )
    return int(np.isfinite(found).reshape(replicates, slices).all(axis=1).sum())


SCENARIOS = [
    (non_inferiority, 4000, 2000),
    (improvement, 4000, 1000),
    (one_at_the_margin, 2000, 150),
    (just_powered, 2000, 150),
    (half_a_margin_worse, 4000, 1000),
]
