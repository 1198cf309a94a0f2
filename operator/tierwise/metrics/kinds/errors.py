"""Errors of a predicted number against the true number, from sums over rows."""

from __future__ import annotations

import numpy as np

from tierwise.api.common import Margin
from tierwise.metrics import means
from tierwise.metrics.family import Family, number
from tierwise.metrics.metric import Estimated, Metric, Needs
from tierwise.metrics.tally import Estimate, Tally
from tierwise.stats import moments

_KNOWN = "({valid} AND isFinite({target}))"
_ERROR = "(toFloat64({score}) - {target})"
_MAE = means.sums("mae", known=_KNOWN, x=f"abs({_ERROR})")
_SQUARES = means.sums("squared-error", known=_KNOWN, x=f"pow({_ERROR}, 2)")
_BIAS = means.sums("bias", known=_KNOWN, x=_ERROR)
_RELATIVE = Margin(relative=0.05)


def _rmse(tally: Tally) -> Estimate:
    square, spread, units = means.mean_of(tally, "squared-error")
    value = np.sqrt(square)
    # The root's slope is 1/(2 RMSE). For a perfect model the slope is undefined, and the spread is 0.
    spread = np.nan_to_num(moments.share(spread, 4 * square)) + 0 * spread
    return Estimate(value, spread[..., np.newaxis], units[..., np.newaxis], means.rows(tally, units))


def _pinball(parameter: str) -> Metric:
    q = number(parameter, "a quantile between 0 and 1", low=0.0, high=1.0)
    name = f"pinball@{parameter}"
    loss = f"greatest({q!r} * -{_ERROR}, {1 - q!r} * {_ERROR})"
    return Metric(
        name,
        "LowerIsBetter",
        means.mean(name, means.rows),
        _RELATIVE,
        Needs(sums=means.sums(name, known=_KNOWN, x=loss)),
        f"Mean pinball loss of a prediction of the {q:g} quantile: {q:g} a unit when too low, {1 - q:g} when too high.",
        unit="unit of the label",
        not_for="Predictions of the mean, or of another quantile than the model's.",
        kinds=("Number",),
        scale="None",
    )


METRICS = (
    Metric(
        "mae",
        "LowerIsBetter",
        means.mean("mae", means.rows),
        _RELATIVE,
        Needs(sums=_MAE),
        "Mean absolute error.",
        unit="unit of the label",
        not_for="Large errors that cost more than their size: use rmse. Predictions of the mean of a skewed number: it "
        "favours the median.",
        kinds=("Number",),
        scale="None",
    ),
    Metric(
        "rmse",
        "LowerIsBetter",
        Estimated(_rmse, taus=None, weighted=True),
        _RELATIVE,
        Needs(sums=_SQUARES),
        "Root of the mean squared error.",
        unit="unit of the label",
        not_for="Labels with outliers: a few rows decide, and then its variance is not well known. Use mae.",
        kinds=("Number",),
        scale="None",
    ),
    Metric(
        "bias",
        "Either",
        means.mean("bias", means.rows),
        Margin(absolute=0.01),
        Needs(sums=_BIAS),
        "Mean error, prediction less label; a move in either direction beyond the margin counts as worse.",
        unit="unit of the label",
        not_for="A relative margin: the baseline's bias is near 0, and so is a share of it. Errors that cancel "
        "out: use mae.",
        kinds=("Number",),
        scale="None",
    ),
)
FAMILIES = (Family("pinball", "Q", "0.9", _pinball),)
