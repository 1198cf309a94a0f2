"""Injects a drop: right answers of the candidate become wrong."""

from __future__ import annotations

import numpy as np

from tierwise.arrays import FloatArray
from tierwise.metrics import registry
from tierwise.metrics.counts import ANSWER_NEGATIVE, ANSWER_POSITIVE, NEGATIVE, POSITIVE, UNKNOWN

_MISS = (POSITIVE, ANSWER_POSITIVE)
_ALARM = (NEGATIVE, ANSWER_NEGATIVE)
# For each metric the rows, as (label, answer), that get the other answer.
FLIPS: dict[str, tuple[tuple[int, int], ...]] = {
    "accuracy": (_ALARM, _MISS),
    "error-rate": (_ALARM, _MISS),
    "recall": (_MISS,),
    "false-negative-rate": (_MISS,),
    "npv": (_MISS,),
    "specificity": (_ALARM,),
    "false-positive-rate": (_ALARM,),
    "precision": (_ALARM,),
    "positive-rate": ((NEGATIVE, ANSWER_NEGATIVE), (POSITIVE, ANSWER_NEGATIVE), (UNKNOWN, ANSWER_NEGATIVE)),
}


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
    for label, answer in FLIPS[metric]:
        moved = share * counts[label, answer]
        after[label, answer] -= moved
        after[label, other(answer)] += moved
    # In millionths of a row, because metrics count whole rows.
    n, bad = registry.get(metric).n_bad(np.rint(after * 1e6).astype(np.int64))
    return float(bad) / float(n) if n else None


def other(answer: int) -> int:
    """The inverted answer."""
    return ANSWER_NEGATIVE if answer == ANSWER_POSITIVE else ANSWER_POSITIVE
