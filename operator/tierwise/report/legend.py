"""Explanations below a table of verdicts, only for unusual entries that are in it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tierwise.api.modelrollout import SliceVerdict
from tierwise.api.names import Verdict
from tierwise.metrics.units import rows_of_value
from tierwise.monitoring.evidence.e_values import e_value_text
from tierwise.monitoring.verdicts.judgement import Result
from tierwise.monitoring.verdicts.results import BY_PLACE
from tierwise.report.text import rate_text
from tierwise.report.verdict_rows import values_of

_USUAL_EXAMPLE = 3.0  # a log10 e-value, where no row has one worth an example

COVERS_NO_DIFFERENCE = (
    "A regressed row whose interval covers 0: regressed by the e-value; the interval is for the estimate"
)


WEIGHTED = (
    "Values and evidence of a dataset with sample weights are weighted; a count beside them is of the rows themselves"
)

BOUNDS = "Worse than the tolerance is a regression and rolls back; promotion needs evidence of no worse than the margin"


OF_PLACES = (
    "The control is by place: pods of the baseline and of the candidate have other volumes or are on other nodes, and "
    "what differs between these counts as the candidate's"
)


def of_results(results: Iterable[Result], *, is_weighted: bool = False) -> tuple[str, ...]:
    """The explanations for a judgement's rows. `is_weighted`: one of its datasets has sample weights."""
    lines = _legend([(r.verdict, r.interval, (r.candidate_value, r.candidate.n, r.candidate.bad)) for r in results])
    return (*lines, WEIGHTED) if is_weighted else lines


def of_verdicts(found: Iterable[SliceVerdict]) -> tuple[str, ...]:
    """The explanations for the rows of a status."""
    rows = list(found)
    lines = _legend([(v.verdict, v.interval, (values_of(v)[1], v.candidate_n, v.candidate_bad)) for v in rows])
    return (*lines, OF_PLACES) if any(v.control == BY_PLACE for v in rows) else lines


def of_page(log10_es: Iterable[float | None]) -> tuple[str, ...]:
    """What is said once per page, below all of its tables, whose evidence this is; empty without a table."""
    known = list(log10_es)
    if not known:
        return ()
    largest = max((found for found in known if found is not None), default=0.0)
    example = largest if largest >= 1 else _USUAL_EXAMPLE
    power = f"10^{example:.1f}"
    meaning = (
        f"E is the evidence of a regression. {e_value_text(example)} ({power}) means: within tolerance, evidence this "
        f"strong ever appears with probability below 10^−{example:.1f}"
    )
    return BOUNDS, meaning


def covers_no_difference(verdict: Verdict, interval: Sequence[float] | None) -> bool:
    """Whether the verdict is a regression although the interval includes 0."""
    return verdict is Verdict.REGRESSED and bool(interval) and interval[0] <= 0 <= interval[1]  # type: ignore[index]


def _legend(
    rows: Sequence[tuple[Verdict, Sequence[float] | None, tuple[float | None, int, int | None]]],
) -> tuple[str, ...]:
    lines = []
    for _, _, (value, n, bad) in rows:
        part = rows_of_value(value, n, bad)
        if part is not None:
            lines.append(f"Counts beside a value are what it is made of: {part} of {n} rows are {rate_text(value)}")
            break
    if any(covers_no_difference(verdict, interval) for verdict, interval, _ in rows):
        lines.append(COVERS_NO_DIFFERENCE)
    return tuple(lines)
