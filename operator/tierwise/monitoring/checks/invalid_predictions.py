"""Rows without a valid answer: how many there are, of which arm, and which answers are valid. Pure."""

from __future__ import annotations

import numpy as np

from tierwise.arrays import IntArray
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE
from tierwise.monitoring.evidence.e_values import e_value_of
from tierwise.monitoring.evidence.fold import Evidence
from tierwise.monitoring.evidence.guards import mean_exceeds
from tierwise.monitoring.query.quality.score_range import valid_of


def out_of_domain(evidence: Evidence) -> tuple[float | None, float | None]:
    """Shares of invalid answers of baseline and candidate, in the dataset where the candidate's share is largest."""
    d = _worst(evidence)
    return (None, None) if d is None else _shares(evidence, d)


def valid_text(evidence: Evidence) -> str:
    """The name of the dataset of `out_of_domain`, and which of its answers are valid."""
    d = _worst(evidence)
    if d is None:
        return ""
    dataset = evidence.plan.datasets[d].dataset
    return f"dataset {dataset.name!r}: {valid_of(dataset.spec)}"


def answers_message(evidence: Evidence) -> str | None:
    """The message if one arm has clearly more rows without a valid answer, else None.

    Such rows count in no metric, so only the rest of the arm would be judged. If a dataset judges `out-of-domain`, the
    metric's margin says how many more such rows either arm may have.
    """
    watched = [(g.answers, d) for d, g in enumerate(evidence.guards) if not _is_accepted(evidence, d)]
    if not mean_exceeds([found.log for found, _ in watched]):
        return None
    found, d = max(watched, key=lambda one: one[0].log)
    g, dataset = evidence.guards[d], evidence.plan.datasets[d].dataset
    valid = valid_of(dataset.spec)
    more, other = more_of(found.arm, g.invalid, g.rows, f"have no valid answer ({valid})")
    mend = valid.partition(",")[0].partition(" ")[0]
    return (
        f"dataset {dataset.name!r}: {more} and {other} (e={e_value_of(found.log)}), and count in no metric; mend its "
        f"scores or {mend}, or add the metric out-of-domain with the margin that you accept"
    )


def more_of(arm: int, lacking: IntArray, rows: IntArray, lack: str) -> tuple[str, str]:
    """The shares of both arms' rows that lack something, in words, first of the arm that lacks it more often."""
    names = {BASELINE: "the baseline's", CANDIDATE: "the candidate's"}
    shares = (lacking / np.maximum(rows, 1)).tolist()
    other = 1 - arm
    return f"{shares[arm]:.1%} of {names[arm]} rows {lack}", f"{shares[other]:.1%} of {names[other]}"


def _is_accepted(evidence: Evidence, d: int) -> bool:
    """Whether the dataset judges `out-of-domain` and the baseline's invalid answers are within its margin.

    Then the metric itself tests the candidate's invalid answers. A baseline with more invalid answers than the margin
    would be compared by the rest of its rows only.
    """
    margins = [metric.margin for metric in evidence.plan.datasets[d].metrics if metric.name == "out-of-domain"]
    baseline, candidate = (share or 0.0 for share in _shares(evidence, d))
    return any(
        baseline - candidate <= max(margin.absolute or 0.0, (margin.relative or 0.0) * candidate) for margin in margins
    )


def _worst(evidence: Evidence) -> int | None:
    if not evidence.guards:
        return None
    shares = [_shares(evidence, d)[CANDIDATE] for d in range(len(evidence.guards))]
    return max(range(len(shares)), key=lambda d: -1.0 if (share := shares[d]) is None else share)


def _shares(evidence: Evidence, d: int) -> tuple[float | None, float | None]:
    g = evidence.guards[d]
    baseline, candidate = (int(g.invalid[a]) / int(g.rows[a]) if g.rows[a] else None for a in (BASELINE, CANDIDATE))
    return baseline, candidate
