"""Copies of the e-process that begin every hour: valid, and quick when a regression begins late."""

from __future__ import annotations

import math

import numpy as np

from tests.calibration.streams import ALPHA, THRESHOLD, WEIGHTS, BettingTest, draw
from tests.calibration.table import Row, at_most, contrast, median_at_most
from tierwise.stats import betting

_COPIES, _LOOKS, _RATE = 9, 540, 0.05
_LONG, _LONG_LOOKS = 20, 1200  # copies and minutes of a long tier, where a wrong average shows most


def validity(replicates: int) -> list[Row]:
    """One hypothesis alone at α = 5 %, where nothing is lost to multiplicity, so a wrong average shows."""
    rng = np.random.default_rng(40)
    test = BettingTest("regression", np.full(replicates, _RATE), copies=_LONG)
    arm = np.full(replicates, 30.0), np.full(replicates, _RATE)
    shipped, so_far = np.zeros(replicates, dtype=bool), np.zeros(replicates, dtype=bool)
    for _ in range(_LONG_LOOKS):
        shipped |= test.add(draw(rng, *arm, *arm)) >= math.log(1 / ALPHA)
        begun = [test.logs, *(test.logs - start for start in test.late)]
        values = np.stack([betting.log_mean(logs, WEIGHTS["regression"]) for logs in begun])
        so_far |= betting.log_mean(values, np.full(len(begun), -math.log(len(begun)))) >= math.log(1 / ALPHA)
    about = "A single hypothesis, equal models, 20 copies over 20 hours; a copy that has not begun is worth 1."
    rows = [at_most("Fixed weights", int(shipped.sum()), replicates, ALPHA, "≤ 5 %", about=about)]
    about = "The same copies, but averaged over those begun so far: not an e-process."
    return [*rows, contrast("Mean over copies so far", int(so_far.sum()), replicates, ALPHA, "6.1 %", about=about)]


def late_regression(replicates: int) -> list[Row]:
    """A slice gets worse four and a half hours after the start."""
    rows = []
    for copies, note, bound in ((_COPIES, "with copies", 75.0), (1, "without copies", math.inf)):
        rng = np.random.default_rng(41)
        test = BettingTest("regression", np.full(replicates, _RATE), copies=copies)
        found = np.full(replicates, np.inf)
        size = np.full(replicates, 100.0)
        for look in range(1, _LOOKS + 1):
            candidate = np.full(replicates, 0.09 if look > 270 else _RATE)
            log_e = test.add(draw(rng, size, candidate, size, np.full(replicates, _RATE)))
            found[(log_e >= THRESHOLD) & np.isinf(found)] = look - 270
        about = f"Error 5 → 9 % from minute 270 on, {note}: minutes from the onset to the rollback."
        rows.append(median_at_most(f"Late onset, {note}", float(np.median(found)), bound, "min", about=about))
    return rows


SCENARIOS = [
    (validity, 6000, 0),
    (late_regression, 1000, 0),
]
