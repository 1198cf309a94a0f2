"""Slices that look worse than their margin and were not waited for: a promotion would be in spite of what was seen."""

from __future__ import annotations

import math

import numpy as np

from tierwise.arrays import IntArray
from tierwise.monitoring.evidence.fold import Evidence
from tierwise.monitoring.verdicts.results import Numbers

# Among K slices of equal versions some look worse by chance. With this share of K as the bound of w·E, half of all
# tiers of equal versions have no suspect at the time of promotion (calibrated for 40 to 1,000 slices).
SUSPECT_PART = 1 / 50
SUSPECT_AT = 3.0  # at least, also with few slices
MOST_SUSPECTS = 10


def suspect_bound(hypotheses: int) -> float:
    """The log of w·E from which a slice is suspect."""
    return math.log(max(SUSPECT_AT, hypotheses * SUSPECT_PART))


def suspects_of(evidence: Evidence, x: Numbers) -> IntArray:
    """Hypotheses that are suspect, most evidence first, at most `MOST_SUSPECTS`.

    Suspect is what has evidence of a regression, w·E ≥ max(3, K/50), whose observed difference is beyond the margin,
    and which was not shown to be within it.
    """
    layout = evidence.layout
    weighted = evidence.log_regression + evidence.log_weight
    bound = suspect_bound(evidence.plan.hypotheses)
    with np.errstate(invalid="ignore"):
        beyond = x.worse > x.margin
    found = (
        layout.promotes
        & beyond
        & (weighted >= bound)
        & ~(evidence.was_non_inferior | evidence.was_improved)
        & np.isfinite(evidence.log_weight)
    )
    order = np.argsort(-np.where(found, weighted, -np.inf), kind="stable")
    return np.asarray(order[: min(int(found.sum()), MOST_SUSPECTS)], dtype=np.int64)
