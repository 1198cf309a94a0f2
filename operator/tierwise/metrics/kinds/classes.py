"""Metrics of answers that are one of several classes, from counts by class of the label and of the answer.

Rows whose label or answer is not one of the classes do not count.
"""

from __future__ import annotations

import re

import numpy as np

from tierwise.api.common import Margin
from tierwise.arrays import IntArray
from tierwise.metrics.family import Family, number
from tierwise.metrics.means import FEWEST_EACH
from tierwise.metrics.metric import Estimated, Metric, Needs, Proportion
from tierwise.metrics.tally import Estimate, Sum, Tally
from tierwise.stats import moments

_POINT = Margin(absolute=0.01)
MOST_TOP = 100


def position(classes: tuple[str, ...], parameter: str) -> int | None:
    """Index of the class that a metric's parameter names.

    Names of metrics have only lower case letters, digits, ``-``, ``.`` and ``_``. So the parameter is the class's name,
    or its name in lower case with ``-`` for all other characters: `Good Bot` is ``good-bot``.
    """
    if parameter in classes:
        return classes.index(parameter)
    plain = [re.sub(r"[^a-z0-9._]+", "-", name.lower()).strip("-") for name in classes]
    return plain.index(parameter) if plain.count(parameter) == 1 else None


def _table(tally: Tally) -> IntArray:
    """Counts (..., classes, classes) by class of the label and of the answer."""
    if tally.bins is None:
        raise ValueError("the counts by class are missing")
    return tally.bins[..., :-1, :-1]


def _wrong(tally: Tally) -> tuple[IntArray, IntArray]:
    table = _table(tally)
    n = table.sum(axis=(-2, -1))
    return n, n - np.trace(table, axis1=-2, axis2=-1)


def _index(tally: Tally, parameter: str) -> int:
    found = position(tally.classes, parameter)
    if found is None:
        raise ValueError(f"there is no class {parameter!r}; classes are {', '.join(tally.classes)}")
    return found


def _of_class(stem: str, parameter: str, *, by_label: bool, description: str, unit: str, not_for: str) -> Metric:
    """A metric of the wrong rows of one class: out of the rows with its label, or of the rows with its answer."""

    def count(tally: Tally) -> tuple[IntArray, IntArray]:
        table, i = _table(tally), _index(tally, parameter)
        n = table[..., i, :].sum(axis=-1) if by_label else table[..., :, i].sum(axis=-1)
        return n, n - table[..., i, i]

    return Metric(
        f"{stem}@{parameter}",
        "HigherIsBetter",
        Proportion(count),
        _POINT,
        Needs(bins=True, classes=(parameter,)),
        description,
        unit=unit,
        not_for=not_for,
        kinds=("Classes",),
        scale="Classes",
    )


def _recall(parameter: str) -> Metric:
    return _of_class(
        "recall",
        parameter,
        by_label=True,
        description=f"Rows of class {parameter!r} with the right answer, out of all rows of that class.",
        unit="share of the class's rows",
        not_for="Alone: answering always this class has recall 1. Pair it with its precision.",
    )


def _precision(parameter: str) -> Metric:
    return _of_class(
        "precision",
        parameter,
        by_label=False,
        description=f"Rows of class {parameter!r}, out of all labelled rows answered {parameter!r}.",
        unit="share of labelled rows with this answer",
        not_for="Labels that come only for rows with this answer of one model; and misses, which it does not see.",
    )


def _top(parameter: str) -> Metric:
    k = number(parameter, f"a whole number of 1 to {MOST_TOP}", low=0, high=MOST_TOP + 1)
    if k != int(k):
        raise ValueError(f"{parameter!r} is not a whole number of 1 to {MOST_TOP}")
    name, known = f"top-k@{parameter}", "({label_class} != '' AND notEmpty({top}))"

    def missed(tally: Tally) -> tuple[IntArray, IntArray]:
        return tally.sums[f"{name}:n"], tally.sums[f"{name}:bad"]  # type: ignore[return-value]  # whole numbers

    missing = f"NOT has(arraySlice({{top}}, 1, {int(k)}), {{label_class}})"
    return Metric(
        name,
        "HigherIsBetter",
        Proportion(missed),
        _POINT,
        Needs(
            sums=(Sum(f"{name}:n", f"toUInt8({known})"), Sum(f"{name}:bad", f"toUInt8({known} AND {missing})")),
            columns=("top",),
        ),
        f"Labelled rows whose class is among the {int(k)} best of spec.columns.top.",
        unit="share of labelled rows",
        not_for="A service that uses the best class only: use multiclass-accuracy.",
        kinds=("Classes",),
        scale="Classes",
    )


def _macro_f1(tally: Tally) -> Estimate:
    if tally.weights is None:
        table, squares = _table(tally).astype(np.float64), None
    elif tally.bin_weights is None:
        raise ValueError("the sample weights by class are missing")
    else:
        table, squares = tally.bin_weights[..., :-1, :-1]
    of_label, of_answer = table.sum(axis=-1), table.sum(axis=-2)
    both = of_label + of_answer  # 2TP + FP + FN of each class
    right = np.diagonal(table, axis1=-2, axis2=-1)
    occurs = both > 0
    safe = np.where(occurs, both, 1.0)
    classes = occurs.sum(axis=-1)
    value = moments.share((2 * right / safe).sum(axis=-1), classes)
    # One more row (label i, answer j) makes the denominators of i and of j larger, and i = j the numerator too.
    slope = -2 * right / safe**2
    gradient = slope[..., :, np.newaxis] + slope[..., np.newaxis, :]
    gradient = gradient + np.eye(table.shape[-1]) * (2 / safe)[..., np.newaxis, :]
    gradient = gradient / np.maximum(classes, 1)[..., np.newaxis, np.newaxis]
    flat = (*table.shape[:-2], -1)
    spread, units = moments.cells(
        gradient.reshape(flat), table.reshape(flat), None if squares is None else squares.reshape(flat)
    )
    of_class = of_label if squares is None else moments.effective(of_label, squares.sum(axis=-1))
    enough = np.asarray((of_class >= FEWEST_EACH).all(axis=-1))
    return Estimate(value, spread[..., np.newaxis], units[..., np.newaxis], enough)


METRICS = (
    Metric(
        "multiclass-accuracy",
        "HigherIsBetter",
        Proportion(_wrong),
        _POINT,
        Needs(bins=True),
        "Right classes out of all labelled rows.",
        unit="share of labelled rows",
        not_for="Classes of very different size: the largest decides. Use macro-f1 or recall@CLASS.",
        kinds=("Classes",),
        scale="Classes",
    ),
    Metric(
        "macro-f1",
        "HigherIsBetter",
        Estimated(_macro_f1, weighted=True),
        _POINT,
        Needs(bins=True),
        "Mean over the classes of each one's F1, the harmonic mean of its precision and recall.",
        unit="F1",
        not_for=f"Classes with few rows: there is no value before each has {FEWEST_EACH} labelled rows in each arm.",
        kinds=("Classes",),
        scale="Classes",
    ),
)
FAMILIES = (
    Family("recall", "CLASS", "spam", _recall),
    Family("precision", "CLASS", "spam", _precision),
    Family("top-k", "K", "3", _top),
)
