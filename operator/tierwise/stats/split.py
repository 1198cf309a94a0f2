"""Tests whether the arms' shares of the traffic are those of their pods (sample-ratio mismatch)."""

from __future__ import annotations

import numpy as np

from tierwise.arrays import FloatArray

SUSPECT_AT = 1000.0  # the e-value at which a detector holds the tier
CAP = float(np.log(1e6))  # evidence above this is dropped, so that a detector recovers when its cause is gone
_ODDS_TOLERANCE = 1.1
_STEPS = np.array([1.1, 1.3, 2.0])


def split_increments(candidate: FloatArray, total: FloatArray, share: float, *, phi: float = 1.0) -> FloatArray:
    """Log of one block's six bets, shape (6, ...), against "the odds are within 10 % of share/(1 − share)".

    Of `total` requests `candidate` went to the candidate. `share` in (0, 1) is its share of the ready pods when the
    block began. E[e] ≤ 1 for each bet, because it is linear in the true share.
    """
    odds = share / (1 - share)
    steps = []
    for sign in (1.0, -1.0):
        boundary = odds * _ODDS_TOLERANCE**sign
        c = boundary / (1 + boundary)
        for step in _STEPS:
            bet = boundary * step**sign
            q = bet / (1 + bet)
            steps.append((candidate * np.log(q / c) + (total - candidate) * np.log((1 - q) / (1 - c))) / phi)
    return np.stack(steps)


def add_capped(logs: FloatArray, increments: FloatArray) -> FloatArray:
    """Logs after a block, cut at `CAP`. Dropping wealth keeps E[e] ≤ 1 and lets a detector recover."""
    return np.minimum(logs + increments, CAP)
