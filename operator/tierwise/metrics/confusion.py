"""Values of the whole table of answers by label that are no proportion."""

from __future__ import annotations

import numpy as np

from tierwise.api.common import Margin
from tierwise.metrics.means import FEWEST_EACH
from tierwise.metrics.metric import Estimated, Metric, Needs
from tierwise.metrics.tally import Estimate, FloatArray, Tally
from tierwise.stats import moments


def _balanced_accuracy(tally: Tally) -> Estimate:
    mass, squares = _table(tally)
    labelled = mass.sum(axis=-1)
    right = moments.share(np.diagonal(mass, axis1=-2, axis2=-1), labelled)
    # Each label's share of right answers has a variance of its own: half of each is a quarter of both variances.
    gradient = (np.eye(2) - right[..., np.newaxis]) / 2 / _or_one(labelled)[..., np.newaxis]
    spread, units = moments.cells(gradient, mass, squares)
    return Estimate(right.mean(axis=-1), spread, units, _enough(tally))


def _mcc(tally: Tally) -> Estimate:
    mass, squares = _table(tally)
    tn, fp, fn, tp = (mass[..., i, j].astype(np.float64) for i in (0, 1) for j in (0, 1))
    a, b, c, d = tp + fp, tp + fn, tn + fp, tn + fn
    root = np.sqrt(a) * np.sqrt(b) * np.sqrt(c) * np.sqrt(d)
    value = moments.share(tp * tn - fp * fn, root)
    safe, (ia, ib, ic, id_) = _or_one(root), (1 / _or_one(x) for x in (a, b, c, d))
    half = np.nan_to_num(value) / 2
    gradient = np.stack(
        [
            tp / safe - half * (ic + id_),  # true negatives
            -fn / safe - half * (ia + ic),  # false positives
            -fp / safe - half * (ib + id_),  # false negatives
            tn / safe - half * (ia + ib),  # true positives
        ],
        axis=-1,
    )
    flat = None if squares is None else squares.reshape(*squares.shape[:-2], 4)
    spread, units = moments.cells(gradient, mass.reshape(*mass.shape[:-2], 4), flat)
    return Estimate(value, spread[..., np.newaxis], units[..., np.newaxis], _enough(tally) & np.isfinite(value))


def _or_one(x: FloatArray) -> FloatArray:
    """`x` with 1 in place of 0: a divisor where the quotient is not used."""
    return np.where(x > 0, x, 1.0)


def _table(tally: Tally) -> tuple[FloatArray, FloatArray | None]:
    """Σw and Σw² (…, 2 labels, 2 answers) of valid answers with a known label; no squares without weights."""
    if tally.weights is None:
        return tally.counts[..., :2, :2].astype(np.float64), None
    return tally.weights[0, ..., :2, :2], tally.weights[1, ..., :2, :2]


def _enough(tally: Tally) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.asarray((tally.counts[..., :2, :2].sum(axis=-1) >= FEWEST_EACH).all(axis=-1))


METRICS = (
    Metric(
        "balanced-accuracy",
        "HigherIsBetter",
        Estimated(_balanced_accuracy),
        Margin(absolute=0.01),
        Needs(),
        "Mean of recall and specificity.",
        unit="share of rows, both labels counting the same",
        not_for="Labels whose errors cost differently: judge recall and false-positive-rate, each with "
        "its margin, exactly.",
    ),
    Metric(
        "mcc",
        "HigherIsBetter",
        Estimated(_mcc),
        Margin(absolute=0.02),
        Needs(),
        "Matthews correlation coefficient: the correlation of answer and label.",
        unit="correlation, −1 to 1",
        not_for="Very rare positives: it hangs on few rows; and comparing slices with different shares of positives.",
    ),
)
