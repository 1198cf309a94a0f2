"""Makes verdicts from e-values, in one order of precedence."""

from __future__ import annotations

from tierwise.api.names import Verdict
from tierwise.stats.betting import MIN_BLOCK


def verdict_of(*, named: bool, improved: bool, non_inferior: bool, candidate_n: int, baseline_n: int) -> Verdict:
    """The verdict of one slice and metric.

    `named`: the tier is rolled back, and Holm's procedure names this slice. `improved`, `non_inferior`: the e-value
    reached 20 at some look. The tests are exact at any size, so their verdict needs no further check. Without such a
    verdict, fewer than five observations in an arm count as no data.
    """
    if named:
        return Verdict.REGRESSED
    if improved:
        return Verdict.IMPROVED
    if non_inferior:
        return Verdict.NON_INFERIOR
    if min(candidate_n, baseline_n) < MIN_BLOCK:
        return Verdict.INSUFFICIENT_DATA
    return Verdict.INCONCLUSIVE
