"""Slices and metrics as rows of text with marks, from a judgement or from a rollout's status. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tierwise.api.common import Margin
from tierwise.api.modelrollout import ModelRolloutSpec, SliceVerdict
from tierwise.api.names import Verdict
from tierwise.metrics import registry
from tierwise.metrics.units import is_share, rows_of_value
from tierwise.monitoring.evidence.e_values import e_value_text
from tierwise.monitoring.planning.bounds import tolerance_of
from tierwise.monitoring.verdicts.judgement import Result
from tierwise.plurals import plural
from tierwise.report.charts import IntervalMarks, interval_marks
from tierwise.report.text import (
    NEVER,
    YEAR_SECONDS,
    difference_text,
    interval_text,
    margin_text,
    slice_text,
    value_text,
)

MOST_ROWS = 100
_TONE = {
    Verdict.REGRESSED: "bad",
    Verdict.NON_INFERIOR: "good",
    Verdict.IMPROVED: "good",
    Verdict.INCONCLUSIVE: "waiting",
    Verdict.INSUFFICIENT_DATA: "quiet",
}


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """A slice and metric as text, with the marks of its interval."""

    slice: str
    metric: str
    baseline: str
    baseline_counts: str
    candidate: str
    candidate_counts: str
    difference: str
    interval: str
    tolerance: str
    margin: str
    e_value: str
    needs: str
    verdict: str
    tone: str
    marks: IntervalMarks


@dataclass(frozen=True, slots=True)
class Measured:
    """The values that SliceVerdict and Result have in common."""

    metric: str
    slice: str
    verdict: Verdict
    candidate: tuple[int, int | None]
    baseline: tuple[int, int | None]
    values: tuple[float | None, float | None]  # baseline, candidate
    difference: float | None
    interval: tuple[float, float] | None
    tolerance: Margin
    margin: Margin
    log10_e: float | None
    psi: float | None = None
    needs: str = ""  # what promotion still waits for, in words


def of_result(result: Result) -> Measured:
    """The values of a judgement's result."""
    return Measured(
        metric=result.metric,
        slice=slice_text(result.slice),
        verdict=result.verdict,
        candidate=(result.candidate.n, result.candidate.bad),
        baseline=(result.baseline.n, result.baseline.bad),
        values=(result.baseline_value, result.candidate_value),
        difference=result.difference,
        interval=result.interval,
        tolerance=result.tolerance,
        margin=result.margin,
        log10_e=result.log10_e,
        psi=result.psi,
    )


def bounds_in(spec: ModelRolloutSpec, found: SliceVerdict) -> tuple[Margin, Margin]:
    """Tolerance and margin of a slice's metric in a rollout's strategy; 0 if the strategy does not have the metric."""
    for dataset in spec.strategy.analysis.datasets:
        for metric in dataset.metrics:
            if (dataset.name, metric.name) == (found.dataset, found.metric):
                return tolerance_of(metric), metric.margin
    return Margin(absolute=0.0), Margin(absolute=0.0)


def of_verdict(found: SliceVerdict, spec: ModelRolloutSpec, elapsed_seconds: float | None = None) -> Measured:
    """The values of a verdict in a rollout's status. Its tolerance and margin are in the rollout's strategy.

    `elapsed_seconds` have been judged so far; None if nothing is waited for any more.
    """
    tolerance, margin = bounds_in(spec, found)
    return Measured(
        metric=found.metric,
        slice=slice_text(found.slice),
        verdict=found.verdict,
        candidate=(found.candidate_n, found.candidate_bad),
        baseline=(found.baseline_n, found.baseline_bad),
        values=values_of(found),
        difference=found.difference,
        interval=(found.interval[0], found.interval[1]) if found.interval else None,
        tolerance=tolerance,
        margin=margin,
        log10_e=found.log10_e,
        needs=_needs(found, elapsed_seconds),
    )


def by_evidence(found: Iterable[SliceVerdict]) -> list[SliceVerdict]:
    """Most evidence of a regression first, whatever order a status of an older release has."""
    return sorted(found, key=lambda each: -math.inf if each.log10_e is None else each.log10_e, reverse=True)


def seconds_to_wait(found: SliceVerdict, elapsed_seconds: float | None) -> float | None:
    """Seconds until the labels are there that a slice still needs, at its own rate so far; None without a rate."""
    seen = found.candidate_n + found.baseline_n
    if not found.labels_needed or not elapsed_seconds or seen <= 0:
        return None
    return found.labels_needed / seen * elapsed_seconds


def _needs(found: SliceVerdict, elapsed_seconds: float | None) -> str:
    if not found.labels_needed or elapsed_seconds is None:
        return ""
    wait = seconds_to_wait(found, elapsed_seconds)
    return NEVER if wait is not None and wait > YEAR_SECONDS else plural(found.labels_needed, "label")


def rows_of(found: Sequence[Measured]) -> tuple[VerdictRow, ...]:
    """The rows as text, at most `MOST_ROWS`, all with marks on one scale."""
    shown = found[:MOST_ROWS]
    marks = interval_marks(
        [row.difference for row in shown],
        [row.interval for row in shown],
        [(_gap(row, row.tolerance), _gap(row, row.margin)) for row in shown],
        [not _higher_is_better(row.metric) for row in shown],
    )
    return tuple(_row(row, mark) for row, mark in zip(shown, marks, strict=True))


def _row(row: Measured, marks: IntervalMarks) -> VerdictRow:
    unit = " pp" if row.interval and is_share(row.metric) else ""
    return VerdictRow(
        slice=row.slice,
        metric=row.metric,
        baseline=value_text(row.metric, row.values[0]),
        baseline_counts=_counts(row.values[0], *row.baseline),
        candidate=value_text(row.metric, row.values[1]) if row.psi is None else f"PSI {row.psi:.3f}",
        candidate_counts=_counts(row.values[1], *row.candidate),
        difference=difference_text(row.metric, row.difference),
        interval=interval_text(row.metric, row.interval) + unit,
        tolerance=margin_text(row.tolerance, row.metric),
        margin=margin_text(row.margin, row.metric),
        e_value=e_value_text(row.log10_e),
        needs=row.needs,
        verdict=str(row.verdict),
        tone=_TONE[row.verdict],
        marks=marks,
    )


def _gap(row: Measured, bound: Margin) -> float:
    n, bad = row.baseline
    if bound.relative is None:
        return bound.absolute or 0.0
    rate = abs(row.values[0] or 0.0) if bad is None else bad / n if n else 0.0
    return bound.relative * rate


def _higher_is_better(metric: str) -> bool:
    found = registry.find(metric)
    return found is not None and found.direction == "HigherIsBetter"


def values_of(found: SliceVerdict) -> tuple[float | None, float | None]:
    """The values of baseline and candidate. If the status does not have them yet, they are computed from the counts."""
    if found.baseline_value is not None or found.candidate_value is not None:
        return found.baseline_value, found.candidate_value
    return (
        _value(found.metric, found.baseline_n, found.baseline_bad),
        _value(found.metric, found.candidate_n, found.candidate_bad),
    )


def _counts(value: float | None, n: int, bad: int | None) -> str:
    rows = rows_of_value(value, n, bad)
    return plural(n, "row") if rows is None else f"{rows} of {n}"


def _value(metric: str, n: int, bad: int | None) -> float | None:
    known = registry.find(metric)
    if bad is None or not n:
        return None
    return bad / n if known is None else known.value(n, bad)
