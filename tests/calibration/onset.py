"""Bets that begin over all of the time: valid, and quick whenever a regression begins."""

from __future__ import annotations

import math

import numpy as np

from tests.calibration.streams import ALPHA, THRESHOLD, WEIGHTS, BettingTest, draw
from tests.calibration.table import Row, at_most, contrast, median_at_most
from tierwise.stats import betting

_OVER, _RATE = 540, 0.05
_LONG = 1200  # minutes of a long tier, where a wrong average shows most
_ONSETS = (0, 60, 270, 450)
_GOAL = 42.0


def validity(replicates: int) -> list[Row]:
    """One hypothesis alone at α = 5 %, where nothing is lost to multiplicity, so a wrong average shows."""
    rng = np.random.default_rng(40)
    test = BettingTest("regression", np.full(replicates, _RATE), late_over=_LONG)
    # The mean over the starts so far, one start an hour: the stake is divided anew whenever one begins.
    starts: list[np.ndarray] = []
    alone = BettingTest("regression", np.full(replicates, _RATE))
    arm = np.full(replicates, 30.0), np.full(replicates, _RATE)
    shipped, so_far = np.zeros(replicates, dtype=bool), np.zeros(replicates, dtype=bool)
    for look in range(_LONG):
        if look % 60 == 0:
            starts.append(alone.logs.copy())
        counts = draw(rng, *arm, *arm)
        shipped |= test.add(counts) >= math.log(1 / ALPHA)
        alone.add(counts)
        values = np.stack([betting.log_mean(alone.logs - start, WEIGHTS["regression"]) for start in starts])
        so_far |= betting.log_mean(values, np.full(len(starts), -math.log(len(starts)))) >= math.log(1 / ALPHA)
    about = "A single hypothesis, equal models; half of the stake begins over 20 hours and is kept until then."
    rows = [at_most("Fixed stakes", int(shipped.sum()), replicates, ALPHA, "≤ 5 %", about=about)]
    about = "A start every hour, but averaged over those begun so far: not an e-process."
    return [*rows, contrast("Mean over starts so far", int(so_far.sum()), replicates, ALPHA, "6.1 %", about=about)]


def late_regression(replicates: int) -> list[Row]:
    """A slice gets worse at the start, after one hour, four and a half hours, and seven and a half."""
    rows = []
    for onset in _ONSETS:
        median = _median(replicates, onset, _OVER)
        about = (
            f"Error 5 → 9 % from minute {onset} on, bets begin over nine hours: minutes from the onset to the rollback."
        )
        rows.append(median_at_most(f"Onset at minute {onset}", median, _GOAL, "min", "36–40", about=about))
    median = _median(replicates, 270, 0)
    about = "Error 5 → 9 % from minute 270 on, all bets begin at the start: minutes from the onset to the rollback."
    return [*rows, median_at_most("Onset at minute 270, one start", median, math.inf, "min", about=about)]


def _median(replicates: int, onset: int, late_over: int) -> float:
    rng = np.random.default_rng([41, onset])
    test = BettingTest("regression", np.full(replicates, _RATE), late_over=late_over)
    found, size = np.full(replicates, np.inf), np.full(replicates, 100.0)
    for look in range(1, _OVER + 1):
        candidate = np.full(replicates, 0.09 if look > onset else _RATE)
        log_e = test.add(draw(rng, size, candidate, size, np.full(replicates, _RATE)))
        found[(log_e >= THRESHOLD) & np.isinf(found)] = look - onset
    return float(np.median(found))


SCENARIOS = [
    (validity, 6000, 0),
    (late_regression, 500, 0),
]
