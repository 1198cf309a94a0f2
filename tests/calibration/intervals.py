"""How often an interval is ever without the true difference."""

from __future__ import annotations

import numpy as np

from tests.calibration.streams import ALPHA, LOOKS, draw
from tests.calibration.table import Row, at_most
from tierwise.stats import intervals

_RATES = (0.005, 0.05, 0.3)


def coverage(replicates: int) -> list[Row]:
    """Intervals at 5 %, looked at 500 times."""
    rng = np.random.default_rng(11)
    rates = np.repeat(_RATES, replicates)
    missed = np.zeros(len(rates), dtype=bool)
    total = np.zeros((4, len(rates)))
    for _ in range(LOOKS):
        total += draw(rng, np.full(len(rates), 50.0), rates * 1.2, np.full(len(rates), 50.0), rates)
        low, high = intervals.rate_difference_interval(total, alpha=ALPHA)
        missed |= (low > 0.2 * rates) | (high < 0.2 * rates)
    by_rate = missed.reshape(len(_RATES), replicates).sum(axis=1)
    about = (
        "50 labels a look and arm, the candidate 1.2 times as bad: the interval is ever without the true difference."
    )
    return [
        at_most(f"Rate {rate:g}", int(hits), replicates, ALPHA, "0.7–2.2 %", about=about)
        for rate, hits in zip(_RATES, by_rate, strict=True)
    ]


SCENARIOS = [(coverage, 5000, 1500)]
