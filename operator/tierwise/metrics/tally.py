"""The data of a set of rows, and the estimate that a metric makes from it: arrays with any leading axes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tierwise.arrays import BoolArray, FloatArray
from tierwise.metrics.counts import Counts


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum over rows that the store computes, by slice and arm.

    `expression` is SQL of one row's number with roles in braces, which the query fills in:

    - ``{score}``: the score, a float, NaN for null; ``{valid}``: 1 when it is in the domain; ``{excluded}``: 1 when it
      is one of domain.exclude; ``{p}``: the score as a probability of the positive label, so 1 − {score} with
      ``positive: Below``
    - ``{label}``: 0 negative, 1 positive, 2 unknown; ``{answer}``: 0 negative, 1 positive, 2 invalid
    - ``{target}``: the label as a float where it is a number, NaN where it is null, late or does not count
    - ``{answer_class}``, ``{label_class}``: names of classes, empty where invalid or unknown; ``{top}``: array of names
    - ``{latency}`` (ms), ``{status}``: the columns as they are, so that they may be null
    - ``{weight}``: the sample weight, 1 where the dataset has none; ``{value:clicks}``: a named value of the dataset

    The number should be finite for every row, so the expression must handle `null` and `nan`. (In a dataset with a
    sample weight `weighted.sums_of` adds every sum with {weight} and with its square.) `name` identifies a sum within a
    dataset: equal names must have equal expressions.
    """

    name: str
    expression: str


@dataclass(frozen=True, slots=True, eq=False)
class Tally(Counts):
    """The data with which a metric computes: `Counts` with any leading axes, and facts of the dataset.

    `classes`: names in order, else empty. `positive_below`: positives have low scores (``positive: Below``). Data that
    no metric needs (`Needs`) is None or absent.
    """

    classes: tuple[str, ...] = ()
    positive_below: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """A metric's value with the parts of its variance; all of shape (...) or (..., k).

    Var(value) = Σ_k spread[..., k] / units[..., k]: `spread` is the variance per observation and `units` how many
    observations of that kind there are (AUC: positives and negatives, k = 2; a mean: rows, k = 1). A difference of two
    arms uses the larger of each arm's own spread and the spread of both arms pooled. `value` is NaN where it cannot be
    computed. `enough` is true where the normal approximation may be used.
    """

    value: FloatArray
    spread: FloatArray
    units: FloatArray
    enough: BoolArray

    @property
    def variance(self) -> FloatArray:
        """Var(value), shape (...); NaN without observations."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((self.spread / self.units).sum(axis=-1))
