"""Injects a drop: answers of the candidate are inverted until the metric is as bad as wanted."""

from __future__ import annotations

from functools import cache

import numpy as np

from tierwise.arrays import FloatArray
from tierwise.metrics import registry
from tierwise.metrics.counts import ANSWER_NEGATIVE, ANSWER_POSITIVE, ANSWERS, LABELS
from tierwise.metrics.metric import Proportion
from tierwise.monitoring.planning.drop import is_counted

_PROBED_ROWS = 1000  # of each label and answer, so that one inverted row leaves every count above 0
_WHOLE_ROWS = 1e15


def can_be_simulated(metric: str) -> bool:
    """Whether inverted answers can make the metric worse: only counts by label and answer decide its share of bad."""
    return isinstance(registry.get(metric).measure, Proportion) and is_counted(metric) and bool(flips_of(metric))


@cache
def flips_of(metric: str) -> tuple[tuple[int, int], ...]:
    """The rows, as (label, answer), that are bad for the metric only after their answer is inverted.

    They are found by a trial: one row of each kind is inverted. The metric must need only counts by label and answer.
    """
    before = np.full((LABELS, ANSWERS), _PROBED_ROWS, dtype=np.int64)
    found = []
    for label in range(LABELS):
        for answer in (ANSWER_NEGATIVE, ANSWER_POSITIVE):
            after = before.copy()
            after[label, answer] -= 1
            after[label, other(answer)] += 1
            if registry.get(metric).n_bad(after)[1] > registry.get(metric).n_bad(before)[1]:
                found.append((label, answer))
    return tuple(found)


class ImpossibleDropError(ValueError):
    """Inverting answers cannot cause this drop."""


def flip_share(metric: str, counts: FloatArray, rate: float) -> float:
    """The share of a metric's rows, in [0, 1], whose answers must be inverted so that its rate of `bad` is `rate`.

    `counts` (3 labels, 3 answers) are those of the slice before the drop.

    Raises:
        ImpossibleDropError: the rate is already as high, it cannot be reached, or the slice has no rows.
    """
    now, most = _rate_after(metric, counts, 0.0), _rate_after(metric, counts, 1.0)
    if now is None or most is None:
        raise ImpossibleDropError("the slice has no rows that this metric counts")
    if not now <= rate <= most:
        raise ImpossibleDropError(f"the rate of bad answers is {now:.4g} and can be made {now:.4g} … {most:.4g}")
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        found = _rate_after(metric, counts, middle)
        assert found is not None
        low, high = (middle, high) if found < rate else (low, middle)
    return (low + high) / 2


def _rate_after(metric: str, counts: FloatArray, share: float) -> float | None:
    after = counts.astype(np.float64)
    for label, answer in flips_of(metric):
        moved = share * counts[label, answer]
        after[label, answer] -= moved
        after[label, other(answer)] += moved
    return rate_of(metric, after)


def rate_of(metric: str, counts: FloatArray) -> float | None:
    """The metric's rate of bad for counts (3 labels, 3 answers), which may be fractions; None without rows."""
    # Metrics count whole rows, so that the fractions become many of them.
    scale = _WHOLE_ROWS / max(float(counts.sum()), 1.0)
    n, bad = registry.get(metric).n_bad(np.rint(counts * scale).astype(np.int64))
    return float(bad) / float(n) if n else None


def other(answer: int) -> int:
    """The inverted answer."""
    return ANSWER_NEGATIVE if answer == ANSWER_POSITIVE else ANSWER_POSITIVE
