"""Slices that are too small to be waited for, and look worse than their margin."""

from __future__ import annotations

import math

import numpy as np

from tests.calibration.streams import BettingTest, draw, slice_sizes
from tests.calibration.table import Row, at_least, median_at_most
from tierwise.stats.multiplicity import log_suspect_bound

_READY = 10  # minutes: the whole and the powered slices have passed
_LONGEST = 60


def equal_versions(replicates: int) -> list[Row]:
    """How much longer a tier of equal versions waits because a slice looks worse by chance."""
    rows = []
    for slices, labels, margin in ((40, 2000.0, 0.05), (200, 2000.0, 0.05), (200, 500.0, 0.1), (1000, 5000.0, 0.05)):
        waits = _waits(replicates, slices, labels, margin)
        about = (
            f"Equal versions, {slices} slices of mixed sizes and rates, {labels:g} labels a minute and arm, margin "
            f"{100 * margin:g} points; ready for promotion after {_READY} minutes: how much longer it waits."
        )
        median = float(np.median(waits))
        rows.append(median_at_most(f"{slices} slices, {labels:g} labels", median, 0.1 * _READY, "min", about=about))
    return rows


def _waits(replicates: int, slices: int, labels: float, margin: float) -> np.ndarray:
    rng = np.random.default_rng([97, slices, round(labels)])
    rates = np.exp(rng.uniform(math.log(0.01), math.log(0.3), replicates * slices))
    sizes, bound = np.tile(slice_sizes(slices, labels), replicates), log_suspect_bound(slices)
    test = BettingTest("regression", rates, delta=margin / 2)
    total, waits = np.zeros((4, len(rates))), np.full(replicates, np.inf)
    for look in range(1, _READY + _LONGEST):
        counts = draw(rng, sizes, rates, sizes, rates)
        total += counts
        suspect = _suspect(test.add(counts), total, margin, bound)
        if look >= _READY:
            waits[np.isinf(waits) & ~suspect.reshape(replicates, slices).any(axis=1)] = look - _READY
    return waits


def small_slices(replicates: int) -> list[Row]:
    """A slice that is twice its margin worse, with sixty labels in each arm, among a hundred."""
    rng = np.random.default_rng(98)
    rate, margin, minutes = np.full(replicates, 0.05), 0.25, 12
    test, total = BettingTest("regression", rate, delta=margin / 2), np.zeros((4, replicates))
    for _ in range(minutes):
        size = np.full(replicates, 60 / minutes)
        counts = draw(rng, size, rate + 2 * margin, size, rate)
        total += counts
        log_e = test.add(counts)
    held = int(_suspect(log_e, total, margin, log_suspect_bound(100)).sum())
    about = "Recall .95 → .45 (margin 25 points) in one of 100 slices, 60 labels in each arm: held."
    return [at_least("Recall falls in a small slice", held, replicates, 0.9, about=about)]


def _suspect(log_e: np.ndarray, total: np.ndarray, margin: float, bound: float) -> np.ndarray:
    na, ka, nb, kb = total
    worse = ka / np.maximum(na, 1) - kb / np.maximum(nb, 1)
    return (log_e >= bound) & (worse > margin) & (na > 0) & (nb > 0)


SCENARIOS = [(equal_versions, 200, 0), (small_slices, 2000, 500)]
