"""Tests of shares: is traffic split as the pods are, and has one group more rows of some kind?"""

from __future__ import annotations

import math

import numpy as np

from tierwise.arrays import FloatArray
from tierwise.stats import betting

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


# Arms may differ this much in the share of labelled rows, and of valid predictions. Such a difference is too small to
# matter for any margin that can be tested.
PRESENCE_TOLERANCE = 0.005
_PRIORS = np.array([0.001, 0.01, 0.05, 0.2])  # shares that the bets expect, because there is no earlier data


def log_more(rows: tuple[int, int], of_kind: tuple[int, int]) -> tuple[float, float]:
    """Log e-values against "the first group's share of rows of the kind is no larger", and against "the second's".

    The bets are those of `tierwise.stats.betting` on one block, half a percentage point beyond the other group's share.
    Each result is a valid e-value of these rows, but not a process: with more rows it is a new e-value.

    Args:
        rows: All rows of the two groups.
        of_kind: Those of the kind among them.
    """
    found = []
    for more, other in ((0, 1), (1, 0)):
        if not all(rows):
            found.append(0.0)
            continue
        counts = np.array([rows[more], of_kind[more], rows[other], of_kind[other]], dtype=np.float64)
        size = len(_PRIORS)
        logs = np.zeros((betting.REGRESSION_ALTERNATIVES, size))
        block, past = np.repeat(counts[:, np.newaxis], size, axis=1), np.zeros((4, size))
        null = betting.Boundary(np.ones(size), np.full(size, PRESENCE_TOLERANCE))
        betting.add_regression(logs, block, past, null, _PRIORS)
        mean = betting.log_mean(logs, betting.REGRESSION_LOG_WEIGHTS)
        found.append(float(betting.log_mean(mean, np.full(size, -np.log(size)))))
    return found[0], found[1]


def arms_differ(rows: tuple[int, int], of_kind: tuple[int, int]) -> bool:
    """Whether one group has clearly more rows of a kind: an e-value of 1,000, with a union bound over both sides."""
    return max(log_more(rows, of_kind)) >= math.log(2 * SUSPECT_AT)
