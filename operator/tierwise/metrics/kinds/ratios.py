"""Metrics of numbers of every row, with or without a label: means, and ratios such as clicks/impressions."""

from __future__ import annotations

import re

import numpy as np

from tierwise.api.common import DIMENSION_PATTERN, Margin
from tierwise.metrics import means
from tierwise.metrics.family import Family
from tierwise.metrics.metric import ANY_KIND, Estimated, Metric, Needs
from tierwise.metrics.tally import Estimate, Sum, Tally
from tierwise.metrics.weighted import plain, squared
from tierwise.stats import moments

_RELATIVE = Margin(relative=0.05)


def _value(name: str) -> str:
    """A named value as SQL of a float; null is NaN."""
    return f"ifNull(toFloat64({{value:{name}}}), nan)"


def _ratio(parameter: str) -> Metric:
    x, slash, y = parameter.partition("/")
    if not slash or not all(re.match(DIMENSION_PATTERN, part) for part in (x, y)):
        raise ValueError(f"{parameter!r} is not two names of spec.values joined by a slash")
    name = f"ratio@{parameter}"
    known = f"(isFinite({_value(x)}) AND isFinite({_value(y)}))"
    terms = {"x": _value(x), "y": _value(y)}
    products = {a + b: f"{terms[a]} * {terms[b]}" for a, b in ("xx", "xy", "yy")}
    sums = (
        Sum(f"{name}:n", f"toUInt8{known}"),
        *(Sum(f"{name}:{key}", f"if({known}, {sql}, 0.)") for key, sql in (terms | products).items()),
    )

    def estimate(tally: Tally) -> Estimate:
        n, top, bottom = (plain(tally, f"{name}:{key}") for key in ("n", "x", "y"))
        xx, xy, yy = (squared(tally, f"{name}:{key}") for key in ("xx", "xy", "yy"))
        value, spread, units = moments.ratio(n, squared(tally, f"{name}:n"), top, bottom, (xx, xy, yy))
        # Where most bottoms are 0 a few rows make the ratio, and with so few it is far from normal.
        bottoms = moments.effective(bottom, yy)
        enough = means.rows(tally, units) & (bottoms >= means.FEWEST_EACH)
        return Estimate(value, spread[..., np.newaxis], units[..., np.newaxis], enough)

    return Metric(
        name,
        "HigherIsBetter",
        Estimated(estimate, taus=None, weighted=True),
        _RELATIVE,
        Needs(labels=False, sums=sums, values=(x, y)),
        f"Sum of {x} over sum of {y}, of all rows where both are finite (spec.values); lower is worse. Each arm needs "
        f"{means.FEWEST_ROWS} rows, and {means.FEWEST_EACH} effective bottoms, (Σ{y})²/Σ{y}².",
        unit=f"{x} per {y}",
        not_for="Costs, where more is worse: invert the ratio, or the sign of the first number. Sums of the second "
        "number that may be near 0. A few rows with very large values: clip them in the value's expression.",
        kinds=ANY_KIND,
        scale="None",
    )


def _mean(parameter: str) -> Metric:
    if not re.match(DIMENSION_PATTERN, parameter):
        raise ValueError(f"{parameter!r} is not a name of spec.values")
    name = f"mean@{parameter}"
    value = _value(parameter)
    return Metric(
        name,
        "HigherIsBetter",
        means.mean(name, means.rows),
        _RELATIVE,
        Needs(labels=False, sums=means.sums(name, known=f"isFinite({value})", x=value), values=(parameter,)),
        f"Mean of {parameter} over all rows where it is finite (spec.values); lower is worse.",
        unit=f"unit of {parameter}",
        not_for="Costs, where more is worse: negate the value. A few rows with very large values, such as "
        "revenue: clip them in the value's expression.",
        kinds=ANY_KIND,
        scale="None",
    )


FAMILIES = (Family("ratio", "X/Y", "clicks/impressions", _ratio), Family("mean", "X", "revenue", _mean))
