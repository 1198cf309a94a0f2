"""Explanations below a table of verdicts, only for unusual entries that are in it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tierwise.api.modelrollout import SliceVerdict
from tierwise.api.names import Verdict
from tierwise.monitoring.verdicts.judgement import Result
from tierwise.monitoring.verdicts.results import BY_PLACE

COVERS_NO_DIFFERENCE = (
    "A regressed row whose interval covers 0: regressed by the e-value; the interval is for the estimate"
)


WEIGHTED = (
    "Values and evidence of a dataset with sample weights are weighted; bad and n beside them are the rows themselves: "
    "bad / n is another number"
)


OF_PLACES = (
    "The control is by place: pods of the baseline and of the candidate have other volumes or are on other nodes, and "
    "what differs between these counts as the candidate's"
)


def of_results(results: Iterable[Result], *, is_weighted: bool = False) -> tuple[str, ...]:
    """The explanations for a judgement's rows. `is_weighted`: one of its datasets has sample weights."""
    lines = _legend([(r.verdict, r.interval, (r.candidate.n, r.candidate.bad)) for r in results])
    return (*lines, WEIGHTED) if is_weighted else lines


def of_verdicts(found: Iterable[SliceVerdict]) -> tuple[str, ...]:
    """The explanations for the rows of a status."""
    rows = list(found)
    lines = _legend([(v.verdict, v.interval, (v.candidate_n, v.candidate_bad)) for v in rows])
    return (*lines, OF_PLACES) if any(v.control == BY_PLACE for v in rows) else lines


def covers_no_difference(verdict: Verdict, interval: Sequence[float] | None) -> bool:
    """Whether the verdict is a regression although the interval includes 0."""
    return verdict is Verdict.REGRESSED and bool(interval) and interval[0] <= 0 <= interval[1]  # type: ignore[index]


def _legend(rows: Sequence[tuple[Verdict, Sequence[float] | None, tuple[int, int | None]]]) -> tuple[str, ...]:
    lines = []
    n, bad = next(((n, bad) for _, _, (n, bad) in rows if bad is not None), (0, None))
    if bad is not None:
        lines.append(f"Counts beside a value are bad out of n: {bad} of the {n} rows that the metric counts are errors")
    if any(covers_no_difference(verdict, interval) for verdict, interval, _ in rows):
        lines.append(COVERS_NO_DIFFERENCE)
    return tuple(lines)
