"""An analysis as a table for people: the gate, the slices with most evidence first, and what was not covered."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from tierwise.api.names import GateDecision
from tierwise.monitoring.counts.model import Invalid
from tierwise.plurals import agreeing, plural
from tierwise.report.alpha import alpha_text
from tierwise.report.analysis.json_form import row_of, time_text
from tierwise.report.analysis.unjudged import unjudged_lines
from tierwise.report.legend import of_page, of_results
from tierwise.report.text import count_text
from tierwise.report.unwaited import NOTHING_WAITED_FOR, unwaited_lines
from tierwise.report.verdict_rows import of_result
from tierwise.report.verdict_table import verdict_table, whole_file_table
from tierwise.runtime.offline.analysis import Analysis, TierAnalysis

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
    shown = [result.log10_e for tier in analysis.tiers for result in tier.judgement.results[:most]]
    parts += [Text(line, style="dim") for line in of_page(shown)]
    invalid = analysis.invalid
    if invalid != Invalid():
        parts.append(
            Text(
                f"left out: {plural(invalid.score, 'row')} with an invalid score, {invalid.label} with an invalid "
                f"label, {invalid.time} with no or a future time, {invalid.version} of other versions"
                + (f"; {invalid.value} missing in sums, their value is no number" if invalid.value else ""),
                style="dim",
            )
        )
    parts += [Text(note, style="dim") for note in analysis.notes]
    return Group(*parts)


def _window_line(analysis: Analysis) -> str:
    stop = analysis.stopped_at
    blocks = plural(analysis.blocks, "block")
    more = ", read to the end" if analysis.request.to_end else ""
    if analysis.request.in_file_order:
        end = f"stopped at row {row_of(stop)}{more}" if stop else "all folded"
        return f"{plural(row_of(analysis.window.end), 'row')} in file order, {blocks}, {end}"
    end = f"stopped at {time_text(stop)}{more}" if stop else "all folded"
    return f"{time_text(analysis.window.start)} – {time_text(analysis.window.end)}, {blocks}, {end}"


def _tier(tier: TierAnalysis, most: int, sharing: int) -> list[RenderableType]:
    judgement = tier.judgement
    baseline, candidate = judgement.labels
    head = f"{tier.name}: {tier.outcome.decision}, " if tier.name else ""
    line = (
        f"{head}{plural(len(judgement.results), 'slice x metric', 'slices x metrics')}, "
        f"{count_text(candidate)} candidate and "
        f"{count_text(baseline)} baseline {agreeing(baseline, 'label', 'labels')}, "
        f"K = {judgement.hypotheses}, {alpha_text(judgement.alpha, sharing)}"
    )
    parts: list[RenderableType] = [
        Text(line, style="bold"),
        verdict_table([of_result(found) for found in judgement.results[:most]]),
    ]
    if len(judgement.results) > most:
        parts.append(Text(f"… and {len(judgement.results) - most} more (-o json has all)", style="dim"))
    parts += _whole_file(tier, most)
    is_weighted = any(plan.dataset.reads.weights for plan in tier.plan.datasets)
    parts += [Text(line, style="dim") for line in of_results(judgement.results[:most], is_weighted=is_weighted)]
    is_promoted = tier.outcome.decision is GateDecision.PROMOTE
    for line in unwaited_lines(judgement.results):
        stands_out = is_promoted and line == NOTHING_WAITED_FOR
        parts.append(Text(line, style="bold yellow" if stands_out else "dim"))
    parts += [Text(f"note: {note}", style="yellow") for note in judgement.notes]
    return parts


def _whole_file(tier: TierAnalysis, most: int) -> list[RenderableType]:
    """With --to-end: the values over all rows, below the decision at the stop."""
    if not tier.whole_file:
        return []
    stop = tier.judgement.stopped_at
    of = "the decision above is of the rows until the stop" if stop else "nothing stopped, so all rows are judged above"
    shown = whole_file_table([of_result(found) for found in tier.whole_file[:most]])
    return ["", Text(f"Whole file: values over all rows; {of}", style="bold"), shown]
