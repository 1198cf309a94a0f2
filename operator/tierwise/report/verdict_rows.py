"""Slices and metrics as rows of text with marks, from a judgement or from a rollout's status. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tierwise.api.common import Margin
from tierwise.api.modelrollout import ModelRolloutSpec, SliceVerdict
from tierwise.api.names import Verdict
from tierwise.metrics import registry
from tierwise.metrics.units import is_share
from tierwise.monitoring.evidence.e_values import e_value_text
from tierwise.monitoring.verdicts.judgement import Result
from tierwise.report.charts import IntervalMarks, interval_marks
from tierwise.report.text import difference_text, interval_text, margin_text, slice_text, value_text

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
    margin: str
    e_value: str
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
    margin: Margin
    log10_e: float | None


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
        margin=result.margin,
        log10_e=result.log10_e,
    )


def of_verdict(found: SliceVerdict, spec: ModelRolloutSpec) -> Measured:
    """The values of a verdict in a rollout's status. Its margin is in the rollout's strategy."""
    margins = {
        (dataset.name, metric.name): metric.margin
        for dataset in spec.strategy.analysis.datasets
        for metric in dataset.metrics
    }
    return Measured(
        metric=found.metric,
        slice=slice_text(found.slice),
        verdict=found.verdict,
        candidate=(found.candidate_n, found.candidate_bad),
        baseline=(found.baseline_n, found.baseline_bad),
        values=values_of(found),
        difference=found.difference,
        interval=(found.interval[0], found.interval[1]) if found.interval else None,
        margin=margins.get((found.dataset, found.metric), Margin(absolute=0.0)),
        log10_e=found.log10_e,
    )


def rows_of(found: Sequence[Measured]) -> tuple[VerdictRow, ...]:
    """The rows as text, at most `MOST_ROWS`, all with marks on one scale."""
    shown = found[:MOST_ROWS]
    marks = interval_marks(
        [row.difference for row in shown],
        [row.interval for row in shown],
        [_gap(row) for row in shown],
        [not _higher_is_better(row.metric) for row in shown],
    )
    return tuple(_row(row, mark) for row, mark in zip(shown, marks, strict=True))


def _row(row: Measured, marks: IntervalMarks) -> VerdictRow:
    unit = " pp" if row.interval and is_share(row.metric) else ""
    return VerdictRow(
        slice=row.slice,
        metric=row.metric,
        baseline=value_text(row.metric, row.values[0]),
        baseline_counts=_counts(*row.baseline),
        candidate=value_text(row.metric, row.values[1]),
        candidate_counts=_counts(*row.candidate),
        difference=difference_text(row.metric, row.difference),
        interval=interval_text(row.metric, row.interval) + unit,
        margin=margin_text(row.margin, row.metric),
        e_value=e_value_text(row.log10_e),
        verdict=str(row.verdict),
        tone=_TONE[row.verdict],
        marks=marks,
    )


def _gap(row: Measured) -> float:
    n, bad = row.baseline
    if row.margin.relative is None:
        return row.margin.absolute or 0.0
    rate = abs(row.values[0] or 0.0) if bad is None else bad / n if n else 0.0
    return row.margin.relative * rate


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


def _counts(n: int, bad: int | None) -> str:
    return f"{n} rows" if bad is None else f"{bad} bad of {n}"


def _value(metric: str, n: int, bad: int | None) -> float | None:
    known = registry.find(metric)
    if bad is None or not n:
        return None
    return bad / n if known is None else known.value(n, bad)
