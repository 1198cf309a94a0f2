"""Checks rows of blocks in which the other arm had no rows. Comparisons within blocks do not see such rows. Pure.

A baseline that was served before the candidate has many such rows, which is no reason for doubt. But such rows may hide
failures of an arm if they lack the labels that the arm's other rows have. For example, failing rows carry a time of the
day before, and their labels come too late for that time.
"""

from __future__ import annotations

import math

from tierwise.monitoring.counts.model import BASELINE, CANDIDATE
from tierwise.monitoring.evidence.fold import Evidence
from tierwise.monitoring.evidence.guards import Guards
from tierwise.stats import split
from tierwise.stats.split import log_more

MOST_LOST = 0.01  # share of an arm's rows
MANY_LOST = 100
# The labelled share also drifts with time, so the share of missing labels must be larger by this much.
DRIFT = 0.1
_ARMS = {BASELINE: "baseline", CANDIDATE: "candidate"}


def labels_apart(evidence: Evidence) -> str | None:
    """The message if an arm's rows outside shared blocks lack the labels that its other rows have, else None."""
    for guards, plan in zip(evidence.guards, evidence.plan.datasets, strict=True):
        for arm, name in _ARMS.items():
            apart, bare = int(guards.apart[arm]), int(guards.apart_unlabelled[arm])
            together = int(guards.rows[arm]) - apart
            bare_together = together - int(guards.labelled[arm]) + apart - bare
            if not apart or not together:
                continue
            usual = bare_together / together
            lost = bare - usual * apart
            if bare / apart - usual < DRIFT or lost < min(MANY_LOST, MOST_LOST * int(guards.rows[arm])):
                continue
            if log_more((together, apart), (bare_together, bare))[CANDIDATE] < math.log(2 * split.SUSPECT_AT):
                continue
            return (
                f"dataset {plan.dataset.name!r}: {bare} of {apart} rows of the {name} in blocks without the other "
                f"version have no label ({bare / apart:.1%}, {usual:.1%} in shared blocks), and count in no labelled "
                "metric; correct their times (spec.columns.time), or judge from when both were served (--since)"
            )
    return None


def candidate_apart(guards: Guards) -> str | None:
    """A note on the candidate's rows in blocks without the baseline, if there are clearly more than of the baseline."""
    rows = int(guards.rows[BASELINE]), int(guards.rows[CANDIDATE])
    apart = int(guards.apart[BASELINE]), int(guards.apart[CANDIDATE])
    if apart[CANDIDATE] < min(MANY_LOST, MOST_LOST * rows[CANDIDATE]):
        return None
    if log_more(rows, apart)[CANDIDATE] < math.log(2 * split.SUSPECT_AT):
        return None
    return (
        f"{apart[CANDIDATE]} of the candidate's {rows[CANDIDATE]} rows are in blocks without the baseline, "
        f"{apart[BASELINE]} of the baseline's {rows[BASELINE]} without the candidate; check that their times are right"
    )
