"""Means over rows, from sums that the store computes. Losses, errors and values are built from them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tierwise.arrays import BoolArray, FloatArray
from tierwise.metrics.metric import Estimated
from tierwise.metrics.tally import Estimate, Sum, Tally
from tierwise.metrics.weighted import plain, squared
from tierwise.stats import moments

FEWEST_EACH = 30  # labelled positives, and negatives, from which the normal approximation is used
FEWEST_ROWS = 100  # fewest rows of a mean of numbers, which may have a long tail

Enough = Callable[[Tally, FloatArray], BoolArray]


def sums(name: str, *, known: str, x: str) -> tuple[Sum, ...]:
    """Number, Σx and Σx² of the rows for which `known` is 1; `x` is evaluated for all rows and may be NaN elsewhere.

    Squares are taken in Float64 whatever the type of `x`.
    """
    inside = f"if({known}, toFloat64({x}), 0.)"
    return (
        Sum(f"{name}:n", f"toUInt8({known})"),
        Sum(f"{name}:x", inside),
        Sum(f"{name}:xx", f"pow({inside}, 2)"),
    )


def mean(name: str, enough: Enough, *, taus: tuple[float, ...] | None = None) -> Estimated:
    """The mean of the sums `name`, judged by the mixture."""

    def estimate(tally: Tally) -> Estimate:
        value, spread, units = mean_of(tally, name)
        return Estimate(value, spread[..., np.newaxis], units[..., np.newaxis], enough(tally, units))

    return Estimated(estimate, taus, weighted=True)


def mean_of(tally: Tally, name: str) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(value, spread, units) of the mean of the sums `name`, with sample weights if the dataset has them."""
    n, x, xx = (f"{name}:{part}" for part in ("n", "x", "xx"))
    return moments.mean(plain(tally, n), squared(tally, n), plain(tally, x), squared(tally, x), squared(tally, xx))


def both_labels(tally: Tally, units: FloatArray) -> BoolArray:  # noqa: ARG001  # an Enough
    """Whether there are enough positives and enough negatives with a valid answer: effective ones, with weights."""
    if tally.weights is None:
        of_labels = tally.counts[..., :2, :2].sum(axis=-1)
    else:
        first, second = tally.weights[..., :2, :2].sum(axis=-1)
        of_labels = moments.effective(first, second)
    return np.asarray((of_labels >= FEWEST_EACH).all(axis=-1))


def rows(tally: Tally, units: FloatArray) -> BoolArray:  # noqa: ARG001  # an Enough
    """Whether there are enough effective rows."""
    return np.asarray(units >= FEWEST_ROWS)
