"""Slices that look worse than their margin and were not waited for: a promotion would be in spite of what was seen."""

from __future__ import annotations

import numpy as np

from tierwise.arrays import IntArray
from tierwise.monitoring.evidence.fold import Evidence
from tierwise.monitoring.verdicts.results import Numbers
from tierwise.stats import multiplicity

MOST_SUSPECTS = 10


def suspects_of(evidence: Evidence, x: Numbers) -> IntArray:
    """Hypotheses that are suspect, most evidence first, at most `MOST_SUSPECTS`.

    Suspect is what has evidence of a regression, w·E ≥ max(3, K/50), whose observed difference is beyond the margin,
    and which was not shown to be within it.
    """
    layout = evidence.layout
    weighted = evidence.log_regression + evidence.log_weight
    bound = multiplicity.log_suspect_bound(evidence.plan.hypotheses)
    with np.errstate(invalid="ignore"):
        beyond = x.beyond > 0
    found = (
        layout.promotes
        & beyond
        & (weighted >= bound)
        & ~(evidence.was_non_inferior | evidence.was_improved)
        & np.isfinite(evidence.log_weight)
    )
    order = np.argsort(-np.where(found, weighted, -np.inf), kind="stable")
    return np.asarray(order[: min(int(found.sum()), MOST_SUSPECTS)], dtype=np.int64)
