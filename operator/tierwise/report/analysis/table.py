"""An analysis as a table for people: the gate, the slices with most evidence first, and what was not covered."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from tierwise.api.names import GateDecision, Verdict
from tierwise.monitoring.counts.model import Invalid
from tierwise.monitoring.evidence.e_values import e_value_text
from tierwise.monitoring.verdicts.judgement import ArmCounts, Result
from tierwise.report.alpha import alpha_text
from tierwise.report.analysis.json_form import row_of, time_text
from tierwise.report.analysis.unjudged import unjudged_lines
from tierwise.report.legend import of_results
from tierwise.report.text import (
    count_text,
    counts_text,
    difference_text,
    interval_text,
    margin_text,
    slice_text,
    value_text,
)
from tierwise.report.unwaited import NOTHING_WAITED_FOR, unwaited_lines
from tierwise.runtime.offline.analysis import Analysis, TierAnalysis

_VERDICT_STYLE = {
    Verdict.REGRESSED: "bold red",
    Verdict.NON_INFERIOR: "green",
    Verdict.IMPROVED: "bold green",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.INSUFFICIENT_DATA: "dim",
}
_GATE_STYLE = {GateDecision.PROMOTE: "bold green", GateDecision.HOLD: "bold yellow", GateDecision.ROLL_BACK: "bold red"}
_GATE_MARK = {GateDecision.PROMOTE: "✔", GateDecision.HOLD: "‖", GateDecision.ROLL_BACK: "✖"}


def render_analysis(analysis: Analysis, *, most: int = 20) -> RenderableType:
    """The gate's decision, one table per tier with at most `most` rows, and the rows left out.

    Before all of it: that no slice is judged, where that is so.
    """
    request, outcome = analysis.request, analysis.outcome
    title = f"{request.model or 'model'}: {request.baseline} → {request.candidate}"
    parts: list[RenderableType] = [
        Text(line, style="bold yellow", overflow="fold") for line in unjudged_lines(analysis)
    ]
    parts += [
        Text.assemble(
            (f"{title}   ", "bold"),
            (f"{_GATE_MARK[outcome.decision]} {outcome.decision}", _GATE_STYLE[outcome.decision]),
            f"  ({outcome.reason})",
        ),
        Text(outcome.message, overflow="fold"),
        Text(_window_line(analysis), style="dim"),
    ]
    sharing = {tier.name: tier.sharing for tier in analysis.request.tiers}
    for tier in analysis.tiers:
        parts += ["", *_tier(tier, most, sharing.get(tier.name, 1))]
    invalid = analysis.invalid
    if invalid != Invalid():
        parts.append(
            Text(
                f"left out: {invalid.score} rows with an invalid score, {invalid.label} with an invalid label, "
                f"{invalid.time} with no or a future time, {invalid.version} of other versions"
                + (f"; {invalid.value} missing in sums, their value is no number" if invalid.value else ""),
                style="dim",
            )
        )
    parts += [Text(note, style="dim") for note in analysis.notes]
    return Group(*parts)


def results_table(results: Sequence[Result]) -> Table:
    """Slices and metrics with counts, difference, interval and e-value."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for column in ("SLICE", "METRIC"):
        table.add_column(column, overflow="fold")
    for column in ("BASELINE", "CANDIDATE", "DIFFERENCE", "INTERVAL", "MARGIN", "E"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("VERDICT", no_wrap=True)
    for result in results:
        table.add_row(
            Text(slice_text(result.slice)),  # as plain text, so that a value such as [/b] is not markup
            result.metric,
            _arm(result.metric, result.baseline_value, result.baseline),
            _arm(result.metric, result.candidate_value, result.candidate, result.psi),
            difference_text(result.metric, result.difference),
            interval_text(result.metric, result.interval),
            margin_text(result.margin, result.metric),
            e_value_text(result.log10_e),
            Text(str(result.verdict), style=_VERDICT_STYLE[result.verdict]),
        )
    return table


def _arm(metric: str, value: float | None, counts: ArmCounts, psi: float | None = None) -> str:
    shown = value_text(metric, value) if psi is None else f"PSI {psi:.3f}"
    return f"{shown}  {counts_text(counts.n, counts.bad)}"


def _window_line(analysis: Analysis) -> str:
    stop = analysis.stopped_at
    if analysis.request.in_file_order:
        end = f"stopped at row {row_of(stop)}" if stop else "all folded"
        return f"{row_of(analysis.window.end)} rows in file order, {analysis.blocks} blocks, {end}"
    end = f"stopped at {time_text(stop)}" if stop else "all folded"
    return f"{time_text(analysis.window.start)} – {time_text(analysis.window.end)}, {analysis.blocks} blocks, {end}"


def _tier(tier: TierAnalysis, most: int, sharing: int) -> list[RenderableType]:
    judgement = tier.judgement
    baseline, candidate = judgement.labels
    head = f"{tier.name}: {tier.outcome.decision}, " if tier.name else ""
    line = (
        f"{head}{len(judgement.results)} slices x metrics, {count_text(candidate)} candidate and "
        f"{count_text(baseline)} baseline labels, "
        f"K = {judgement.hypotheses}, {alpha_text(judgement.alpha, sharing)}"
    )
    parts: list[RenderableType] = [Text(line, style="bold"), results_table(judgement.results[:most])]
    if len(judgement.results) > most:
        parts.append(Text(f"… and {len(judgement.results) - most} more (-o json has all)", style="dim"))
    is_weighted = any(plan.dataset.reads.weights for plan in tier.plan.datasets)
    parts += [Text(line, style="dim") for line in of_results(judgement.results[:most], is_weighted=is_weighted)]
    is_promoted = tier.outcome.decision is GateDecision.PROMOTE
    for line in unwaited_lines(judgement.results):
        stands_out = is_promoted and line == NOTHING_WAITED_FOR
        parts.append(Text(line, style="bold yellow" if stands_out else "dim"))
    parts += [Text(f"note: {note}", style="yellow") for note in judgement.notes]
    return parts
