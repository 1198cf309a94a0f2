"""The HTML report: one file, no network, light and dark, readable on a phone.

`write_report(path, deployment, rollouts, tiers, now=…)` writes a ModelDeployment's rollouts;
`analysis_html(analysis)` is the same page for `analyze`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

import tierwise
from tierwise.api.common import Version
from tierwise.api.modelrollout import Coverage, ModelRolloutSpec, SliceVerdict, TierStatus
from tierwise.api.names import GateDecision
from tierwise.plurals import plural
from tierwise.report.analysis.unjudged import unjudged_lines
from tierwise.report.charts import Timeline, timeline_of
from tierwise.report.legend import of_page, of_results, of_verdicts
from tierwise.report.rollout.view import RESULT_TONE, View, view_of
from tierwise.report.rollout.watched import Watched, watched_of
from tierwise.report.text import count_text, coverage_text, duration_text
from tierwise.report.verdict_rows import MOST_ROWS, VerdictRow, by_evidence, of_result, of_verdict, rows_of
from tierwise.rollout.state.observation import DeploymentView, RolloutView, TierView
from tierwise.runtime.offline.analysis import Analysis, TierAnalysis

MOST_EVIDENCE = "slices with most evidence against the candidate"
_GATE_TONE = {GateDecision.PROMOTE: "good", GateDecision.HOLD: "waiting", GateDecision.ROLL_BACK: "bad"}


@dataclass(frozen=True, slots=True)
class VerdictTable:
    """Slices of a tier, most evidence of a regression first, with a line about the coverage."""

    heading: str
    line: str
    rows: tuple[VerdictRow, ...]
    is_open: bool
    legend: tuple[str, ...] = ()
    what: str = MOST_EVIDENCE


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
    watched: Watched | None = None
    watched_legend: tuple[str, ...] = ()


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
        head=_Head(view.name, view.tone, view.result, _message(view, view.message)),
        facts=facts,
        sections=sections,
        evidence=[found.log10_e for rollout in newest_first for found in _shown_of(rollout)],
        now=now,
    )


def _shown_of(rollout: RolloutView) -> Iterator[SliceVerdict]:
    """All that the tables of a rollout have."""
    for tier in rollout.status.tiers:
        yield from tier.worst
    if rollout.status.verification is not None:
        yield from rollout.status.verification.worst


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
                        rows=rows_of([of_result(r) for r in judgement.results]),
                        is_open=True,
                        legend=of_results(judgement.results[:MOST_ROWS]),
                    ),
                    *_whole_file(tier),
                ),
            )
        )
    title = f"{request.model or 'Model'}: {request.baseline} → {request.candidate}"
    tone = _GATE_TONE[outcome.decision]
    return _page(
        head=_Head(title, tone, str(outcome.decision), " | ".join([*unjudged_lines(analysis), outcome.message])),
        facts=facts,
        sections=sections,
        evidence=[found.log10_e for tier in analysis.tiers for found in tier.judgement.results[:MOST_ROWS]],
        now=now or datetime.now(UTC),
    )


def _whole_file(tier: TierAnalysis) -> tuple[VerdictTable, ...]:
    """With `to_end`: the values over all rows, without evidence or a verdict."""
    if not tier.whole_file:
        return ()
    rows = rows_of([replace(of_result(found), interval=None, log10_e=None) for found in tier.whole_file])
    return (
        VerdictTable(
            heading="Whole file",
            line="values over all rows, also those after a stop; the decision is of the rows until then",
            rows=tuple(replace(row, verdict="–", tone="quiet") for row in rows),
            is_open=True,
            what="slices over all rows",
        ),
    )


@dataclass(frozen=True, slots=True)
class _Head:
    """The top of a page: its subject, the result, and its colour."""

    title: str
    tone: str
    result: str
    message: str


def _page(
    *,
    head: _Head,
    facts: Sequence[tuple[str, str]],
    sections: Sequence[Section],
    evidence: Iterable[float | None],
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
        title=head.title,
        tone=head.tone,
        result=head.result,
        message=head.message,
        facts=facts,
        sections=sections,
        explained=of_page(evidence),
        written=_moment(now),
        program=f"tierwise {tierwise.__version__}",
    )


def _rollout_section(rollout: RolloutView, view: View, now: datetime) -> Section:
    status, spec = rollout.status, rollout.spec
    start = status.started_at or rollout.created_at
    # A rollout that is over has its own result, whatever happened to the ModelDeployment later.
    result, tone = (
        (view.result, view.tone) if status.finished_at is None else (status.result, RESULT_TONE[status.result])
    )
    took = duration_text(((status.finished_at or now) - start).total_seconds())
    return Section(
        title=f"{spec.from_.name} → {spec.to.name}",
        tone=tone,
        result=result,
        when=f"revision {spec.revision}, {_moment(start)}, {took}",
        message=_message(view, status.message),
        timeline=timeline_of(rollout, now) if status.tiers else None,
        versions=(("Baseline", spec.from_), ("Candidate", spec.to)),
        tables=tuple(_tier_table(tier, spec) for tier in status.tiers if tier.worst or tier.gate is not None),
        watched=watched_of(rollout, now),
        watched_legend=() if status.verification is None else of_verdicts(status.verification.worst),
    )


def _message(view: View, message: str) -> str:
    """With what is said before all else: that no slice is judged."""
    judged = view.slices_judged
    return f"{judged.message} | {message}" if judged is not None and judged.status == "False" else message


def _tier_table(tier: TierStatus, spec: ModelRolloutSpec) -> VerdictTable:
    parts = [f"{count_text(tier.labels)} labels", plural(tier.look, "look")] if tier.look else []
    if tier.coverage is not None:
        parts.append(_coverage_text(tier.coverage))
    if tier.gate is not None:
        parts.append(f"gate: {tier.gate.decision} ({tier.gate.reason})")
    return VerdictTable(
        heading=f"{tier.name}: {tier.phase}",
        line=" · ".join(parts),
        rows=rows_of([of_verdict(found, spec) for found in by_evidence(tier.worst)]),
        legend=of_verdicts(tier.worst),
        is_open=tier.phase != "Delivered",  # the numbers of a tier that went well are folded
    )


def _coverage_text(coverage: Coverage) -> str:
    found = f"{coverage.regressed} regressed, {coverage.non_inferior} not worse, {coverage.inconclusive} open"
    text = f"{found} of {coverage.slices}"
    if coverage.traffic is None:
        return text
    return f"{text}; labels enough for {coverage_text(coverage.whole, coverage.traffic)}"


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
