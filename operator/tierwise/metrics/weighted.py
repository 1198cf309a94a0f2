"""Sample weights: which sums to read, and proportions as estimates.

In a dataset with a sample weight w (the inverse of the rate at which a row was sampled) a proportion is Σw·bad/Σw. Its
variance comes from Σw². It is judged by the mixture, because the exact test is only for rows that count equally.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from tierwise.arrays import FloatArray
from tierwise.metrics.metric import Metric, Proportion
from tierwise.metrics.tally import Estimate, Sum, Tally
from tierwise.stats import moments

FEWEST = 10.0  # effective bad rows, and effective good rows, from which the normal approximation is used
# Rows that have a weight: one that is null, no number or not above 0 counts in no weighted sum.
WEIGHED = Sum("weight:n", "isFinite({weight})")
_WEIGHTED, _SQUARED = "*w", "*w2"  # how the sums with w and w² are named


def sums_of(metric: Metric, *, weighted: bool) -> tuple[Sum, ...]:
    """The sums that the store computes for a metric. With sample weights each sum is also there with w and w²."""
    if not weighted:
        return metric.needs.sums
    return tuple(
        sum_
        for each in metric.needs.sums
        for sum_ in (
            each,
            Sum(each.name + _WEIGHTED, f"{{weight}} * ({each.expression})"),
            Sum(each.name + _SQUARED, f"{{weight}} * {{weight}} * ({each.expression})"),
        )
    )


def plain(tally: Tally, name: str) -> FloatArray:
    """Σwx of the sum `name`; Σx without weights."""
    return tally.sums[name] if tally.weights is None else tally.sums[name + _WEIGHTED]


def squared(tally: Tally, name: str) -> FloatArray:
    """Σw²x of the sum `name`; Σx without weights."""
    return tally.sums[name] if tally.weights is None else tally.sums[name + _SQUARED]


def weighted(proportion: Proportion, tally: Tally) -> Estimate:
    """The share of bad of a proportion with sample weights, linearised; units are effective rows."""
    assert tally.weights is not None
    counted = (*proportion.count(_with(tally, 0, _WEIGHTED)), *proportion.count(_with(tally, 1, _SQUARED)))
    n, bad, n2, bad2 = (np.asarray(x, dtype=np.float64) for x in counted)
    value, spread, units = moments.mean(n, n2, bad, bad2, bad2)
    rows = np.stack([moments.effective(bad, bad2), moments.effective(n - bad, n2 - bad2)])
    enough = np.asarray((rows >= FEWEST).all(axis=0))
    return Estimate(value, spread[..., np.newaxis], units[..., np.newaxis], enough)


def _with(tally: Tally, power: int, suffix: str) -> Tally:
    """A tally whose counts, bins and sums are of w or w². Proportions can use it, as they only add up cells."""
    assert tally.weights is not None
    sums: Mapping[str, FloatArray] = {
        name.removesuffix(suffix): values for name, values in tally.sums.items() if name.endswith(suffix)
    }
    bins: Any = None if tally.bin_weights is None else tally.bin_weights[power]
    counts: Any = tally.weights[power]
    return replace(tally, counts=counts, bins=bins, sums=sums, weights=None, bin_weights=None)
