"""The message about labels of one table that contradict each other. Pure."""

from __future__ import annotations

from tierwise.monitoring.counts.model import BASELINE, CANDIDATE
from tierwise.monitoring.query.quality.label_conflicts import LabelConflicts
from tierwise.plurals import agreeing, plural


def contradictions(conflicts: LabelConflicts, labels: int) -> str:
    """A message with the number of labels that contradict each other, and what to do."""
    share = conflicts.total / labels if labels else 0.0
    by_arm = [lost / rows if rows else 0.0 for lost, rows in zip(conflicts.contradicted, conflicts.rows, strict=True)]
    return (
        f"{conflicts.total} of {plural(labels, 'labelled row')} ({share:.2%}) "
        f"{agreeing(conflicts.total, 'has', 'have')} labels of one table that contradict each other "
        f"({by_arm[CANDIDATE]:.2%} of the candidate's rows, {by_arm[BASELINE]:.2%} of the baseline's), of "
        "which the smallest counts; set labelledAt of the label source, or keep one label per request"
    )
