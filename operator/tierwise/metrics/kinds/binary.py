"""Proportions of a yes/no answer against a yes/no label.

Rows whose answer is invalid (score NaN or out of the domain) do not count. Rows whose label is unknown count only in
the positive rate.
"""

from __future__ import annotations

from tierwise.api.common import Margin
from tierwise.arrays import IntArray
from tierwise.metrics.counts import NEGATIVE, POSITIVE, UNKNOWN
from tierwise.metrics.metric import Metric, Needs, Proportion
from tierwise.metrics.tally import Tally


def _wrong(tally: Tally) -> tuple[IntArray, IntArray]:
    c = tally.counts
    bad = c[..., NEGATIVE, POSITIVE] + c[..., POSITIVE, NEGATIVE]
    return bad + c[..., NEGATIVE, NEGATIVE] + c[..., POSITIVE, POSITIVE], bad


def _missed(tally: Tally) -> tuple[IntArray, IntArray]:
    c = tally.counts
    bad = c[..., POSITIVE, NEGATIVE]
    return bad + c[..., POSITIVE, POSITIVE], bad


def _false_alarms(tally: Tally) -> tuple[IntArray, IntArray]:
    c = tally.counts
    bad = c[..., NEGATIVE, POSITIVE]
    return bad + c[..., NEGATIVE, NEGATIVE], bad


def _false_among_positive_answers(tally: Tally) -> tuple[IntArray, IntArray]:
    c = tally.counts
    bad = c[..., NEGATIVE, POSITIVE]
    return bad + c[..., POSITIVE, POSITIVE], bad


def _false_among_negative_answers(tally: Tally) -> tuple[IntArray, IntArray]:
    c = tally.counts
    bad = c[..., POSITIVE, NEGATIVE]
    return bad + c[..., NEGATIVE, NEGATIVE], bad


def _positive_answers(tally: Tally) -> tuple[IntArray, IntArray]:
    c = tally.counts
    bad = c[..., NEGATIVE, POSITIVE] + c[..., POSITIVE, POSITIVE] + c[..., UNKNOWN, POSITIVE]
    return bad + c[..., NEGATIVE, NEGATIVE] + c[..., POSITIVE, NEGATIVE] + c[..., UNKNOWN, NEGATIVE], bad


def _wrong_beside_true_positives(tally: Tally) -> tuple[IntArray, IntArray]:
    c = tally.counts
    bad = c[..., NEGATIVE, POSITIVE] + c[..., POSITIVE, NEGATIVE]
    return bad + c[..., POSITIVE, POSITIVE], bad


def f1_of_wrong(wrong: float) -> float:
    """F1 = 2TP/(2TP + FP + FN) from the share of wrong answers in TP + FP + FN."""
    return 2 * (1 - wrong) / (2 - wrong)


_POINT = Margin(absolute=0.01)
_QUARTER = Margin(relative=0.25)

METRICS = (
    Metric(
        "accuracy",
        "HigherIsBetter",
        Proportion(_wrong),
        _POINT,
        Needs(),
        "Right answers out of all labelled rows.",
        unit="share of labelled rows",
        not_for="Rare positives: a model that never answers yes is almost always right. Use recall and "
        "false-positive-rate.",
    ),
    Metric(
        "error-rate",
        "LowerIsBetter",
        Proportion(_wrong),
        _POINT,
        Needs(),
        "Wrong answers out of all labelled rows.",
        unit="share of labelled rows",
        not_for="Rare positives, as for accuracy. It is 1 − accuracy, so judging both only raises K.",
    ),
    Metric(
        "recall",
        "HigherIsBetter",
        Proportion(_missed),
        _POINT,
        Needs(),
        "Positives answered positive, out of all positives (sensitivity, true positive rate).",
        unit="share of positives",
        not_for="Alone: answering always yes has recall 1. Pair it with precision or false-positive-rate.",
    ),
    Metric(
        "specificity",
        "HigherIsBetter",
        Proportion(_false_alarms),
        _POINT,
        Needs(),
        "Negatives answered negative, out of all negatives (true negative rate).",
        unit="share of negatives",
        not_for="Rare false alarms: its default margin of a percentage point is many times their rate. Use "
        "false-positive-rate, whose margin is relative.",
    ),
    Metric(
        "false-positive-rate",
        "LowerIsBetter",
        Proportion(_false_alarms),
        _QUARTER,
        Needs(),
        "False alarms out of all negatives.",
        unit="share of negatives",
        not_for="Cases in which the share of false alarms among all alarms matters: use precision.",
    ),
    Metric(
        "false-negative-rate",
        "LowerIsBetter",
        Proportion(_missed),
        _QUARTER,
        Needs(),
        "Misses out of all positives.",
        unit="share of positives",
        not_for="Judging beside recall: it is 1 − recall, of the same rows.",
    ),
    Metric(
        "precision",
        "HigherIsBetter",
        Proportion(_false_among_positive_answers),
        _POINT,
        Needs(),
        "True positives out of all labelled rows answered positive.",
        unit="share of labelled rows answered positive",
        not_for="Labels that come only for rows that one of the models answered positive; and small drops in recall, "
        "which it does not see.",
    ),
    Metric(
        "npv",
        "HigherIsBetter",
        Proportion(_false_among_negative_answers),
        _POINT,
        Needs(),
        "Negative predictive value: true negatives out of all labelled rows answered negative.",
        unit="share of labelled rows answered negative",
        not_for="Rare positives: it is close to 1 whatever the model does. Use recall.",
    ),
    Metric(
        "positive-rate",
        "LowerIsBetter",
        Proportion(_positive_answers),
        _QUARTER,
        Needs(labels=False),
        "Rows answered positive out of all rows, labelled or not; more than the baseline counts as worse.",
        unit="share of rows",
        not_for="A model that should find more; and fewer alarms, which pass: use score-shift for both sides.",
    ),
    Metric(
        "f1",
        "HigherIsBetter",
        Proportion(_wrong_beside_true_positives, shown=f1_of_wrong),
        Margin(absolute=0.02),
        Needs(),
        "Harmonic mean of precision and recall, 2TP/(2TP+FP+FN); tested exactly on the share of wrong rows in "
        "TP+FP+FN.",
        unit="F1; its margin and n are of the share of wrong rows (FP+FN) in TP+FP+FN, which changes by half to twice "
        "as much as F1",
        not_for="Comparing slices with different shares of positives: F1 depends on the share.",
    ),
)
