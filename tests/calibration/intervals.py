"""How often an interval is ever without the true difference."""

from __future__ import annotations

import numpy as np

from tests.calibration.streams import ALPHA, draw
from tests.calibration.table import Row, at_most, contrast
from tierwise.stats import intervals

_RATES = (0.001, 0.005, 0.05, 0.3)
_LOOKS = 240
_SEEN_AT = (1, 2, 4, 8, 15, 30, 60, 120, 240)  # looks at which the interval is read


def coverage(replicates: int) -> list[Row]:
    """Intervals by the bets, from five rows on."""
    rows = []
    for labels in (5.0, 50.0):
        for rate in _RATES:
            hits = _missed(replicates, rate, labels, phi=1)
            about = (
                f"{labels:g} labels a look and arm, the candidate 1.2 times as bad, read nine times in {_LOOKS} looks: "
                "ever without the true difference."
            )
            rows.append(at_most(f"Rate {rate:g}, {labels:g} labels", hits, replicates, ALPHA, "0.7–2.2 %", about=about))
    return rows


def overdispersed(replicates: int) -> list[Row]:
    """Every outcome is there φ times."""
    rows = []
    for phi, reference in ((2, "15.6 %"), (5, "72.9 %")):
        about = f"Every row {phi} times, rate .05, 50 rows a look and arm; φ = {phi}: ever without the true difference."
        hits = _missed(replicates, 0.05, 50.0, phi=phi)
        rows.append(at_most(f"φ = {phi}", hits, replicates, ALPHA, reference, about=about))
        hits = _missed(replicates, 0.05, 50.0, phi=phi, known=1)
        rows.append(
            contrast(f"φ = {phi}, taken as 1", hits, replicates, ALPHA, reference, about="The same with φ = 1.")
        )
    return rows


def many_slices(replicates: int) -> list[Row]:
    """The intervals of slices with little evidence: the normal mixture."""
    rng = np.random.default_rng(11)
    rates = np.repeat((0.005, 0.05, 0.3), replicates)
    missed = np.zeros(len(rates), dtype=bool)
    total = np.zeros((4, len(rates)))
    for _ in range(500):
        total += draw(rng, np.full(len(rates), 50.0), rates * 1.2, np.full(len(rates), 50.0), rates)
        low, high = intervals.rate_difference_interval(total, alpha=ALPHA)
        missed |= (low > 0.2 * rates) | (high < 0.2 * rates)
    by_rate = missed.reshape(3, replicates).sum(axis=1)
    about = "The same with 50 labels in 500 looks, by the normal mixture, which slices with little evidence have."
    return [
        at_most(f"Normal mixture, rate {rate:g}", int(hits), replicates, ALPHA, "0.7–2.2 %", about=about)
        for rate, hits in zip((0.005, 0.05, 0.3), by_rate, strict=True)
    ]


def _missed(replicates: int, rate: float, labels: float, *, phi: int, known: float | None = None) -> int:
    rng = np.random.default_rng([12, round(rate * 1000), round(labels), phi])
    size, rates = np.full(replicates, labels / phi), np.full(replicates, rate)
    missed = np.zeros(replicates, dtype=bool)
    total, kept, last = np.zeros((4, replicates)), [], 0
    for look in range(1, _LOOKS + 1):
        total = total + phi * draw(rng, size, 1.2 * rates, size, rates)
        if intervals.is_kept(look, last):
            kept.append(total)
            last = look
        if look in _SEEN_AT:
            phis = np.full(replicates, float(phi if known is None else known))
            low, high = intervals.difference_interval(np.diff(kept, axis=0, prepend=[0 * total]), rates, phis, ALPHA)
            missed |= (low > 0.2 * rate) | (high < 0.2 * rate)
    return int(missed.sum())


SCENARIOS = [(coverage, 1000, 0), (overdispersed, 1000, 150), (many_slices, 3000, 0)]
