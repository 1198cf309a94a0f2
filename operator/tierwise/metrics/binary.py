"""Metrics of a yes/no answer against a yes/no label.

Rows whose answer is invalid (score NaN or out of the domain) count nowhere; rows whose label is unknown count only
in the positive rate.
"""

from __future__ import annotations

from tierwise.api.common import Margin
from tierwise.metrics.metric import IntArray, Metric

_NEG, _POS, _UNKNOWN = 0, 1, 2


def _wrong(c: IntArray) -> tuple[IntArray, IntArray]:
    bad = c[..., _NEG, _POS] + c[..., _POS, _NEG]
    return bad + c[..., _NEG, _NEG] + c[..., _POS, _POS], bad


def _missed(c: IntArray) -> tuple[IntArray, IntArray]:
    bad = c[..., _POS, _NEG]
    return bad + c[..., _POS, _POS], bad


def _false_alarms(c: IntArray) -> tuple[IntArray, IntArray]:
    bad = c[..., _NEG, _POS]
    return bad + c[..., _NEG, _NEG], bad


def _false_among_positive_answers(c: IntArray) -> tuple[IntArray, IntArray]:
    bad = c[..., _NEG, _POS]
    return bad + c[..., _POS, _POS], bad


def _false_among_negative_answers(c: IntArray) -> tuple[IntArray, IntArray]:
    bad = c[..., _POS, _NEG]
    return bad + c[..., _NEG, _NEG], bad


def _positive_answers(c: IntArray) -> tuple[IntArray, IntArray]:
    bad = c[..., _NEG, _POS] + c[..., _POS, _POS] + c[..., _UNKNOWN, _POS]
    return bad + c[..., _NEG, _NEG] + c[..., _POS, _NEG] + c[..., _UNKNOWN, _NEG], bad


_POINT = Margin(absolute=0.01)
_QUARTER = Margin(relative=0.25)

METRICS = (
    Metric("accuracy", "HigherIsBetter", _wrong, _POINT, True, "Right answers out of all labelled rows."),
    Metric("error-rate", "LowerIsBetter", _wrong, _POINT, True, "Wrong answers out of all labelled rows."),
    Metric("recall", "HigherIsBetter", _missed, _POINT, True, "Positives answered positive, out of all positives."),
    Metric(
        "specificity", "HigherIsBetter", _false_alarms, _POINT, True, "Negatives answered so, out of all negatives."
    ),
    Metric("false-positive-rate", "LowerIsBetter", _false_alarms, _QUARTER, True, "False alarms out of all negatives."),
    Metric("false-negative-rate", "LowerIsBetter", _missed, _QUARTER, True, "Misses out of all positives."),
    Metric(
        "precision",
        "HigherIsBetter",
        _false_among_positive_answers,
        _POINT,
        True,
        "True positives out of all labelled rows answered positive.",
    ),
    Metric(
        "npv",
        "HigherIsBetter",
        _false_among_negative_answers,
        _POINT,
        True,
        "Negative predictive value: true negatives out of all labelled rows answered negative.",
    ),
    Metric(
        "positive-rate",
        "LowerIsBetter",
        _positive_answers,
        _QUARTER,
        False,
        "Rows answered positive out of all rows, labelled or not; more than the baseline counts as worse.",
    ),
)
