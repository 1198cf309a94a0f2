"""How often two models that differ by no more than the tolerance are rolled back."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from tests.calibration.streams import ALPHA, LOOKS, SLICES, BettingTest, base_rates, draw, ever_rolled_back, slice_sizes
from tests.calibration.table import Row, at_most, unpromised

ShareOfTraffic = Callable[[int], float]


def half(look: int) -> float:
    """Equal arms."""
    return 0.5


def ramped(look: int) -> float:
    """The candidate's share of the traffic grows from 5 % to 50 % over the day."""
    return 0.05 + 0.45 * look / LOOKS


def equal_slices(replicates: int) -> list[Row]:
    """Equal models, 200 slices of one size and one rate."""
    sizes, rates = np.full(replicates * SLICES, 10.0), np.full(replicates * SLICES, 0.05)
    hits = _rolled_back(20, replicates, sizes, rates, rates)
    about = "Equal models, Δ = 0, every slice with 10 labels a minute and arm at 5 %: ever rolled back."
    return [at_most("A/A, slices alike", hits, replicates, ALPHA, "1.8 %", about=about)]


def mixed_slices(replicates: int) -> list[Row]:
    """Equal models, 200 slices of mixed sizes and rates."""
    sizes, rates = _mixed(1, replicates)
    hits = _rolled_back(1, replicates, sizes, rates, rates)
    about = "Equal models, Δ = 0, slices of mixed sizes and base rates: ever rolled back."
    return [at_most("A/A, mixed slices", hits, replicates, ALPHA, "3.3 %", about=about)]


def as_shipped(replicates: int) -> list[Row]:
    """The same with bets that begin over all of the time."""
    sizes, rates = _mixed(2, replicates)
    hits = _rolled_back(2, replicates, sizes, rates, rates, late_over=540)
    about = "Mixed slices, half of the stake begins over nine hours."
    return [at_most("A/A, late onset", hits, replicates, ALPHA, about=about)]


def drifting(replicates: int) -> list[Row]:
    """Base rates that triple and fall while the candidate's share grows."""
    sizes, rates = _mixed(3, replicates)
    hits = _rolled_back(3, replicates, sizes, rates, rates, share=ramped, moved=_daily)
    about = "Base rates triple and fall to a third over the day while the candidate's share grows from 5 to 50 %."
    return [at_most("A/A, drift and ramp", hits, replicates, ALPHA, "≤ 5 %", about=about)]


def shared_noise(replicates: int) -> list[Row]:
    """Both arms' rates jump together from minute to minute."""
    sizes, rates = _mixed(21, replicates)

    def moved(rates: np.ndarray, look: int) -> np.ndarray:
        of_the_minute = np.random.default_rng([22, look])  # the same for both arms
        return _shifted(rates, np.repeat(of_the_minute.normal(0, 0.5, replicates), SLICES))

    hits = _rolled_back(21, replicates, sizes, rates, rates, moved=moved)
    about = "The log-odds of both arms, in all slices, move together by noise of sd .5, new every minute."
    return [at_most("A/A, shared minute noise", hits, replicates, ALPHA, "≤ 5 %", about=about)]


def at_tolerance(replicates: int) -> list[Row]:
    """Every one of 200 slices exactly at its tolerance, the worst that the promise covers, and only one."""
    sizes, rates = _mixed(4, replicates)
    hits = _rolled_back(4, replicates, sizes, rates, rates + 0.005, delta=0.005)
    rows = [
        at_most(
            "All at tolerance", hits, replicates, ALPHA, "≤ α", about="All 200 slices are exactly at tolerance (.005)."
        )
    ]
    worse = np.tile(np.arange(SLICES) == 0, replicates)
    hits = _rolled_back(23, replicates, sizes, rates, rates + 0.005 * worse, delta=0.005)
    about = "The largest slice is exactly at its tolerance (.005), the others are equal."
    return [*rows, at_most("One at tolerance", hits, replicates, ALPHA, "≤ α", about=about)]


def between_tolerance_and_margin(replicates: int) -> list[Row]:
    """One slice at 1.5 points of a margin of 2: nothing is promised."""
    sizes, rates = _mixed(24, replicates)
    one = np.tile(np.arange(SLICES) == 0, replicates)
    sizes, rates = np.where(one, 100.0, sizes), np.where(one, 0.05, rates)
    hits = _rolled_back(24, replicates, sizes, rates, rates + 0.015 * one, delta=0.01)
    about = "One slice of 100 labels a minute at 5 % is 1.5 points worse; margin 2 points, tolerance 1: rolled back."
    return [unpromised("Between tolerance and margin", hits, replicates, "23 %", about=about)]


def composite(replicates: int) -> list[Row]:
    """Some slices far better, some at a relative tolerance."""
    sizes, rates = _mixed(25, replicates)
    factor = np.resize([0.3, 1.0, 1.125, 1.125], replicates * SLICES)
    hits = _rolled_back(25, replicates, sizes, rates, rates * factor, ratio=1.125)
    about = "Of four slices one is far better, one equal, two at their tolerance of 12.5 % (R = 1.125)."
    return [at_most("Composite null", hits, replicates, ALPHA, about=about)]


def rare_errors(replicates: int) -> list[Row]:
    """Base rates of 1e-4, on the boundary and with the plug-in's prior far off."""
    rows = []
    for seed, name, ratio, delta in ((26, "R = 1.125", 1.125, 0.0), (27, "Δ = .001", 1.0, 0.001)):
        sizes = 100 * np.tile(slice_sizes(), replicates)
        rates = np.full(len(sizes), 1e-4)
        hits = _rolled_back(seed, replicates, sizes, rates, ratio * rates + delta, ratio=ratio, delta=delta, prior=0.05)
        about = "Base rate 1e-4, every slice at tolerance, no history (p0 = .05), 200,000 labels a minute and arm."
        rows.append(at_most(f"Rare errors, {name}", hits, replicates, ALPHA, about=about))
    return rows


def unequal_arms(replicates: int) -> list[Row]:
    """Candidates with 5 % and with 95 % of the traffic."""
    rows = []
    for seed, share in ((28, 0.05), (29, 0.95)):
        sizes, rates = _mixed(seed, replicates)
        hits = _rolled_back(seed, replicates, sizes, rates, rates + 0.005, delta=0.005, share=lambda _, s=share: s)
        about = f"The candidate has {100 * share:.0f} % of the traffic; all slices at tolerance (.005)."
        rows.append(at_most(f"Split {100 * share:.0f} %", hits, replicates, ALPHA, about=about))
    return rows


def flipped_labels(replicates: int) -> list[Row]:
    """Two labels of a hundred are wrong, in both arms."""
    sizes, rates = _mixed(30, replicates)
    hits = _rolled_back(30, replicates, sizes, _flipped(rates), _flipped(1.125 * rates), ratio=1.125)
    about = "2 % of the labels are wrong, in both arms alike; before that all slices were at tolerance (R = 1.125)."
    return [at_most("Label flips", hits, replicates, ALPHA, about=about)]


def _flipped(rates: np.ndarray) -> np.ndarray:
    return rates * 0.98 + (1 - rates) * 0.02


def _shifted(rates: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Rates with their log-odds moved."""
    odds = rates / (1 - rates) * np.exp(by)
    return odds / (1 + odds)


def _daily(rates: np.ndarray, look: int) -> np.ndarray:
    return rates * 3 ** math.sin(2 * math.pi * look / LOOKS)


def _mixed(seed: int, replicates: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels per look and arm, and base rates, of all slices of all replicates."""
    rng = np.random.default_rng([seed, 1])
    return np.tile(slice_sizes(), replicates), base_rates(rng, (replicates * SLICES,))


def _rolled_back(
    seed: int,
    replicates: int,
    sizes: np.ndarray,
    baseline: np.ndarray,
    candidate: np.ndarray,
    *,
    ratio: float = 1.0,
    delta: float = 0.0,
    late_over: int = 0,
    prior: float | None = None,
    share: ShareOfTraffic = half,
    moved: Callable[[np.ndarray, int], np.ndarray] = lambda rates, _: rates,
) -> int:
    """How many of the replicates are ever rolled back; `moved` gives a look's rates."""
    rng = np.random.default_rng(seed)
    test = BettingTest("regression", baseline if prior is None else np.full(len(sizes), prior), ratio, delta, late_over)

    def counts(look: int) -> np.ndarray:
        part = share(look)
        now = np.minimum(moved(candidate, look), 1.0), np.minimum(moved(baseline, look), 1.0)
        return draw(rng, 2 * sizes * part, now[0], 2 * sizes * (1 - part), now[1])

    return ever_rolled_back(test, counts, replicates)


SCENARIOS = [
    (equal_slices, 300, 0),
    (mixed_slices, 600, 200),
    (as_shipped, 300, 0),
    (drifting, 300, 0),
    (shared_noise, 300, 0),
    (at_tolerance, 300, 150),
    (between_tolerance_and_margin, 150, 0),
    (composite, 300, 0),
    (rare_errors, 300, 100),
    (unequal_arms, 300, 0),
    (flipped_labels, 300, 0),
]
