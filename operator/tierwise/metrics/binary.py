"""Metrics of a yes/no answer against a yes/no label.

Rows whose answer is invalid (score NaN or out of the domain) count nowhere; rows whose label is unknown count only
in the positive rate.
"""

from __future__ import annotations

from tierwise.api.common import Margin
from tierwise.metrics.metric import IntArray, Metric, Needs, Proportion, Tally

_NEG, _POS, _UNKNOWN = 0, 1, 2


def _wrong(tally: Tally) -> tuple[IntArray, IntArray]:
    c = tally.counts
    bad = c[..., _NEG, _POS] + c[..., _POS, _NEG]
    return bad + c[..., _NEG, _NEG] + c[..., _POS, _POS], bad


def _missed(tally: Tally) -> tuple[IntArray, IntArray]:
    c = tally.counts
    bad = c[..., _POS, _NEG]
    return bad + c[..., _POS, _POS], bad


def _false_alarms(tally: Tally) -> tuple[IntArray, IntArray]:
    c = tally.counts
    bad = c[..., _NEG, _POS]
    return bad + c[..., _NEG, _NEG], bad


def _false_among_positive_answers(tally: Tally) -> tuple[IntArray, IntArray]:
    c = tally.counts
    bad = c[..., _NEG, _POS]
    return bad + c[..., _POS, _POS], bad


def _false_among_negative_answers(tally: Tally) -> tuple[IntArray, IntArray]:
    c = tally.counts
    bad = c[..., _POS, _NEG]
    return bad + c[..., _NEG, _NEG], bad


def _positive_answers(tally: Tally) -> tuple[IntArray, IntArray]:
    c = tally.counts
    bad = c[..., _NEG, _POS] + c[..., _POS, _POS] + c[..., _UNKNOWN, _POS]
    return bad + c[..., _NEG, _NEG] + c[..., _POS, _NEG] + c[..., _UNKNOWN, _NEG], bad


_POINT = Margin(absolute=0.01)
_QUARTER = Margin(relative=0.25)

METRICS = (
    Metric(
        "accuracy", "HigherIsBetter", Proportion(_wrong), _POINT, Needs(), "Right answers out of all labelled rows."
    ),
    Metric(
        "error-rate", "LowerIsBetter", Proportion(_wrong), _POINT, Needs(), "Wrong answers out of all labelled rows."
    ),
    Metric(
        "recall",
        "HigherIsBetter",
        Proportion(_missed),
        _POINT,
        Needs(),
        "Positives answered positive, out of all positives.",
    ),
    Metric(
        "specificity",
        "HigherIsBetter",
        Proportion(_false_alarms),
        _POINT,
        Needs(),
        "Negatives answered so, out of all negatives.",
    ),
    Metric(
        "false-positive-rate",
        "LowerIsBetter",
        Proportion(_false_alarms),
        _QUARTER,
        Needs(),
        "False alarms out of all negatives.",
    ),
    Metric(
        "false-negative-rate", "LowerIsBetter", Proportion(_missed), _QUARTER, Needs(), "Misses out of all positives."
    ),
    Metric(
        "precision",
        "HigherIsBetter",
        Proportion(_false_among_positive_answers),
        _POINT,
        Needs(),
        "True positives out of all labelled rows answered positive.",
    ),
    Metric(
        "npv",
        "HigherIsBetter",
        Proportion(_false_among_negative_answers),
        _POINT,
        Needs(),
        "Negative predictive value: true negatives out of all labelled rows answered negative.",
    ),
    Metric(
        "positive-rate",
        "LowerIsBetter",
        Proportion(_positive_answers),
        _QUARTER,
        Needs(labels=False),
        "Rows answered positive out of all rows, labelled or not; more than the baseline counts as worse.",
    ),
)
