"""The HTML report: one file, no network, light and dark, readable on a phone.

`write_report(path, deployment, rollouts, tiers, now=…)` writes a ModelDeployment's rollouts;
`analysis_html(analysis)` is the same page for `analyze`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

import tierwise
from tierwise.api.common import Margin, Version
from tierwise.api.modelrollout import Coverage, ModelRolloutSpec, SliceVerdict, TierStatus
from tierwise.api.names import GateDecision, Verdict
from tierwise.metrics import registry
from tierwise.monitoring.judgement import Result
from tierwise.report.charts import IntervalMarks, Timeline, interval_marks, timeline_of
from tierwise.report.text import (
    count_text,
    duration_text,
    e_value_text,
    margin_text,
    points_text,
    rate_text,
    slice_text,
)
from tierwise.report.view import RESULT_TONE, View, view_of
from tierwise.rollout.observation import DeploymentView, RolloutView, TierView
from tierwise.runtime.analysis import Analysis

MOST_ROWS = 100
_TONE = {
    Verdict.REGRESSED: "bad",
    Verdict.NON_INFERIOR: "good",
    Verdict.IMPROVED: "good",
    Verdict.INCONCLUSIVE: "waiting",
    Verdict.INSUFFICIENT_DATA: "quiet",
}
_GATE_TONE = {GateDecision.PROMOTE: "good", GateDecision.HOLD: "waiting", GateDecision.ROLL_BACK: "bad"}


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
class VerdictTable:
    """Slices of a tier, most evidence of a regression first, with a line on how much was seen."""

    heading: str
    line: str
    rows: tuple[VerdictRow, ...]
    is_open: bool


@dataclass(frozen=True, slots=True)
class Section:
    """One rollout, or one tier of an analysis."""

    title: str
    tone: str
    result: str
    when: str
    message: str
    timeline: Timeline | None
    versions: tuple[tuple[str, Version], ...]
    tables: tuple[VerdictTable, ...]


@dataclass(frozen=True, slots=True)
class _Measured:
    """What SliceVerdict and Result have in common."""

    metric: str
    slice: str
    verdict: Verdict
    candidate: tuple[int, int]
    baseline: tuple[int, int]
    difference: float | None
    interval: tuple[float, float] | None
    margin: Margin
    log10_e: float | None


def write_report(
    path: Path,
    deployment: DeploymentView,
    rollouts: Sequence[RolloutView],
    tiers: Sequence[TierView] = (),
    *,
    now: datetime,
) -> Path:
    """Write the report of a ModelDeployment, its rollouts newest first; returns the path."""
    path.write_text(deployment_html(deployment, rollouts, tiers, now=now), encoding="utf-8")
    return path


def deployment_html(
    deployment: DeploymentView, rollouts: Sequence[RolloutView], tiers: Sequence[TierView] = (), *, now: datetime
) -> str:
    """The page of `write_report`."""
    view = view_of(deployment, rollouts, tiers, now)
    newest_first = sorted(rollouts, key=lambda rollout: -rollout.spec.revision)
    sections = [_rollout_section(rollout, view_of(deployment, [rollout], tiers, now), now) for rollout in newest_first]
    facts = [
        ("Namespace", view.namespace),
        ("Model", view.model),
        ("Wanted", view.version),
        ("Stable", view.stable or "–"),
    ]
    return _page(
        title=view.name,
        tone=view.tone,
        result=view.result,
        message=view.message,
        facts=facts,
        sections=sections,
        now=now,
    )


def analysis_html(analysis: Analysis, *, now: datetime | None = None) -> str:
    """The page of an analysis."""
    request, outcome = analysis.request, analysis.outcome
    facts = [("Baseline", request.baseline), ("Candidate", request.candidate), ("Blocks", str(analysis.blocks))]
    if not request.in_file_order:
        facts += [("From", _moment(analysis.window.start)), ("To", _moment(analysis.window.end))]
        if analysis.stopped_at is not None:
            facts.append(("Stopped at", _moment(analysis.stopped_at)))
    sections = []
    for tier in analysis.tiers:
        judgement = tier.judgement
        baseline, candidate = judgement.labels
        line = f"{count_text(candidate)} candidate and {count_text(baseline)} baseline labels · α = {judgement.alpha:g}"
        sections.append(
            Section(
                title=tier.name or "All traffic and slices",
                tone=_GATE_TONE[tier.outcome.decision],
                result=f"{tier.outcome.decision} ({tier.outcome.reason})",
                when="",
                message=tier.outcome.message,
                timeline=None,
                versions=(),
                tables=(
                    VerdictTable(
                        heading="Slices, most evidence of a regression first",
                        line=line,
                        rows=_rows([_of_result(r) for r in judgement.results]),
                        is_open=True,
                    ),
                ),
            )
        )
    title = f"{request.model or 'Model'}: {request.baseline} → {request.candidate}"
    tone = _GATE_TONE[outcome.decision]
    return _page(
        title=title,
        tone=tone,
        result=str(outcome.decision),
        message=outcome.message,
        facts=facts,
        sections=sections,
        now=now or datetime.now(UTC),
    )


def _page(
    *,
    title: str,
    tone: str,
    result: str,
    message: str,
    facts: Sequence[tuple[str, str]],
    sections: Sequence[Section],
    now: datetime,
) -> str:
    environment = Environment(
        loader=PackageLoader("tierwise.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html.j2").render(
        title=title,
        tone=tone,
        result=result,
        message=message,
        facts=facts,
        sections=sections,
        written=_moment(now),
        program=f"tierwise {tierwise.__version__}",
    )


def _rollout_section(rollout: RolloutView, view: View, now: datetime) -> Section:
    status, spec = rollout.status, rollout.spec
    start = status.started_at or rollout.created_at
    # A rollout that is over has its own result, whatever became of the ModelDeployment since.
    result, tone = (
        (view.result, view.tone) if status.finished_at is None else (status.result, RESULT_TONE[status.result])
    )
    took = duration_text(((status.finished_at or now) - start).total_seconds())
    return Section(
        title=f"{spec.from_.name} → {spec.to.name}",
        tone=tone,
        result=result,
        when=f"revision {spec.revision}, {_moment(start)}, {took}",
        message=status.message,
        timeline=timeline_of(rollout, now) if status.tiers else None,
        versions=(("Baseline", spec.from_), ("Candidate", spec.to)),
        tables=tuple(_tier_table(tier, spec) for tier in status.tiers if tier.worst or tier.gate is not None),
    )


def _tier_table(tier: TierStatus, spec: ModelRolloutSpec) -> VerdictTable:
    parts = [f"{count_text(tier.labels)} labels", f"{tier.look} looks"] if tier.look else []
    if tier.coverage is not None:
        parts.append(_coverage_text(tier.coverage))
    if tier.gate is not None:
        parts.append(f"gate: {tier.gate.decision} ({tier.gate.reason})")
    return VerdictTable(
        heading=f"{tier.name}: {tier.phase}",
        line=" · ".join(parts),
        rows=_rows([_of_verdict(found, spec) for found in tier.worst]),
        is_open=tier.phase != "Delivered",  # of a tier that went well the numbers are a click away
    )


def _coverage_text(coverage: Coverage) -> str:
    found = f"{coverage.regressed} regressed, {coverage.non_inferior} not worse, {coverage.inconclusive} open"
    text = f"{found} of {coverage.slices}"
    if coverage.traffic is None:
        return text
    return f"{text}, {rate_text(coverage.traffic)} of the traffic in slices with labels enough"


def _of_result(result: Result) -> _Measured:
    return _Measured(
        metric=result.metric,
        slice=slice_text(result.slice),
        verdict=result.verdict,
        candidate=(result.candidate.n, result.candidate.bad),
        baseline=(result.baseline.n, result.baseline.bad),
        difference=result.difference,
        interval=result.interval,
        margin=result.margin,
        log10_e=result.log10_e,
    )


def _of_verdict(found: SliceVerdict, spec: ModelRolloutSpec) -> _Measured:
    margins = {
        (dataset.name, metric.name): metric.margin
        for dataset in spec.strategy.analysis.datasets
        for metric in dataset.metrics
    }
    return _Measured(
        metric=found.metric,
        slice=slice_text(found.slice),
        verdict=found.verdict,
        candidate=(found.candidate_n, found.candidate_bad),
        baseline=(found.baseline_n, found.baseline_bad),
        difference=found.difference,
        interval=(found.interval[0], found.interval[1]) if found.interval else None,
        margin=margins.get((found.dataset, found.metric), Margin(absolute=0.0)),
        log10_e=found.log10_e,
    )


def _rows(found: Sequence[_Measured]) -> tuple[VerdictRow, ...]:
    shown = found[:MOST_ROWS]
    marks = interval_marks(
        [row.difference for row in shown],
        [row.interval for row in shown],
        [_gap(row) for row in shown],
        [not _higher_is_better(row.metric) for row in shown],
    )
    return tuple(_row(row, mark) for row, mark in zip(shown, marks, strict=True))


def _row(row: _Measured, marks: IntervalMarks) -> VerdictRow:
    interval = f"{row.interval[0] * 100:+.2f} … {row.interval[1] * 100:+.2f} pp" if row.interval else "–"
    return VerdictRow(
        slice=row.slice,
        metric=row.metric,
        baseline=rate_text(_value(row.metric, *row.baseline)),
        baseline_counts=f"{row.baseline[1]} bad of {row.baseline[0]}",
        candidate=rate_text(_value(row.metric, *row.candidate)),
        candidate_counts=f"{row.candidate[1]} bad of {row.candidate[0]}",
        difference=points_text(row.difference),
        interval=interval,
        margin=margin_text(row.margin),
        e_value=e_value_text(row.log10_e),
        verdict=str(row.verdict),
        tone=_TONE[row.verdict],
        marks=marks,
    )


def _gap(row: _Measured) -> float:
    n, bad = row.baseline
    if row.margin.relative is not None:
        return row.margin.relative * (bad / n if n else 0.0)
    return row.margin.absolute or 0.0


def _higher_is_better(metric: str) -> bool:
    return metric in registry.names() and registry.get(metric).direction == "HigherIsBetter"


def _value(metric: str, n: int, bad: int) -> float | None:
    if metric in registry.names():
        return registry.get(metric).value(n, bad)
    return bad / n if n else None


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
