"""Metrics of the whole table of answers by label that are not a proportion."""

from __future__ import annotations

import numpy as np

from tierwise.api.common import Margin
from tierwise.arrays import FloatArray
from tierwise.metrics import means
from tierwise.metrics.metric import Estimated, Metric, Needs
from tierwise.metrics.tally import Estimate, Tally
from tierwise.stats import moments


def _balanced_accuracy(tally: Tally) -> Estimate:
    rows, squares = _cells(tally)
    (tn, fp, fn, tp), (tn2, fp2, fn2, tp2) = rows, squares
    specificity, recall = (moments.share(right, right + wrong) for right, wrong in ((tn, fp), (tp, fn)))
    # Each label's share of right answers has its own variance. The mean of the two has a quarter of both variances.
    spread, units = [], []
    for share, right, wrong, right2, wrong2 in ((specificity, tn, fp, tn2, fp2), (recall, tp, fn, tp2, fn2)):
        spread.append(moments.share(right2 * (1 - share) ** 2 + wrong2 * share**2, 4 * (right2 + wrong2)))
        units.append(moments.effective(right + wrong, right2 + wrong2))
    return Estimate(
        (specificity + recall) / 2, np.stack(spread, axis=-1), np.stack(units, axis=-1), means.both_labels(tally, tn)
    )


def _mcc(tally: Tally) -> Estimate:
    rows, squares = _cells(tally)
    tn, fp, fn, tp = rows
    answered, positives, negatives, refused = tp + fp, tp + fn, tn + fp, tn + fn
    root = np.sqrt(answered * positives) * np.sqrt(negatives * refused)
    value = moments.share(tp * tn - fp * fn, root)
    inverse = 1 / np.where(root > 0, root, 1.0)
    half = np.nan_to_num(value) / 2
    by = [half / np.maximum(total, 1e-300) for total in (answered, positives, negatives, refused)]
    gradient = (
        tp * inverse - by[2] - by[3],  # of true negatives
        -fn * inverse - by[0] - by[2],  # of false positives
        -fp * inverse - by[1] - by[3],  # of false negatives
        tn * inverse - by[0] - by[1],  # of true positives
    )
    units = moments.effective(tn + fp + fn + tp, sum(squares[1:], squares[0]))
    spread = sum((square * slope**2 for square, slope in zip(squares, gradient, strict=True)), 0 * units) * units
    enough = means.both_labels(tally, units) & np.isfinite(value)
    return Estimate(value, spread[..., np.newaxis], units[..., np.newaxis], enough)


def _cells(tally: Tally) -> tuple[list[FloatArray], list[FloatArray]]:
    """Σw and Σw² of true negatives, false positives, false negatives and true positives; without weights the counts."""
    if tally.weights is None:
        rows = [tally.counts[..., label, answer].astype(np.float64) for label in (0, 1) for answer in (0, 1)]
        return rows, rows
    first, second = ([w[..., label, answer] for label in (0, 1) for answer in (0, 1)] for w in tally.weights)
    return first, second


METRICS = (
    Metric(
        "balanced-accuracy",
        "HigherIsBetter",
        Estimated(_balanced_accuracy, weighted=True),
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
        Estimated(_mcc, weighted=True),
        Margin(absolute=0.02),
        Needs(),
        "Matthews correlation coefficient: the correlation of answer and label.",
        unit="correlation, −1 to 1",
        not_for="Very rare positives: few rows decide it; and comparing slices with different shares of positives.",
    ),
)
