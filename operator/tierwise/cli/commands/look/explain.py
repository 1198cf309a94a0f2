"""`tierwise explain`: why a rollout waits or was rolled back, with numbers and the next command."""

from __future__ import annotations

from datetime import UTC, datetime

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tierwise.api.modelrollout import SliceVerdict
from tierwise.cli.output.formats import console_for, kubeconfig_options, print_facts
from tierwise.monitoring.evidence.e_values import e_value_text
from tierwise.report.legend import of_verdicts
from tierwise.report.rollout.advice import Advice, advice_of, tier_in_question
from tierwise.report.rollout.json_form import explain_json
from tierwise.report.rollout.tree import header_line
from tierwise.report.rollout.view import View, view_of
from tierwise.report.rollout.watched import STAGE, compared_with
from tierwise.report.text import counts_text, difference_text, interval_text, slice_text, value_text
from tierwise.report.verdict_rows import values_of


@click.command("explain")
@click.argument("name")
@kubeconfig_options
@click.option("-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True)
def command(name: str, kubeconfig: str | None, context: str | None, namespace: str | None, output: str) -> None:
    """Say why the rollout of the ModelDeployment NAME waits, or why it was rolled back.

    Shows the gate and its reason, the evidence so far, the slices with most evidence against the candidate, how many
    labels are still needed and how long that takes, and the commands that come next.

    \b
    Examples:
      tierwise explain bot-score -n inference
      tierwise explain bot-score -o json | jq .explanation
    """
    from tierwise.adapters.kubernetes.reader import open_reader

    with open_reader(kubeconfig, context, namespace) as reader:
        view = view_of(*reader.read(name), datetime.now(UTC))
    advice = advice_of(view)
    if output == "text":
        print_explanation(console_for(), view, advice)
    else:
        print_facts(explain_json(view, advice), output)


def print_explanation(console: Console, view: View, advice: Advice) -> None:
    """Print the text of `explain`."""
    console.print(header_line(view))
    _paragraph(console, "Why", advice.why)
    tier = tier_in_question(view)
    if tier is not None and tier.record is not None and tier.record.worst:
        shown = tier.record.worst if view.tone != "good" else tier.record.worst[:3]
        console.print()
        console.print(Text(f"{tier.name}: slices with most evidence against {view.to_version}", style="bold"))
        console.print(worst_table(shown))
        _legend(console, shown)
    _verification(console, view)
    _paragraph(console, "Next", advice.next)
    for line in advice.commands:
        console.print(f"  {line}", markup=False, soft_wrap=True)


def worst_table(worst: list[SliceVerdict]) -> Table:
    """A table of slices and metrics with their counts, from the rollout's status."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for column in ("SLICE", "METRIC"):
        table.add_column(column, overflow="fold")
    for column in ("BASELINE", "CANDIDATE", "DIFFERENCE", "INTERVAL", "E", "NEEDS"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("VERDICT", no_wrap=True)
    for found in worst:
        arms = ((found.baseline_n, found.baseline_bad), (found.candidate_n, found.candidate_bad))
        shown = [value_text(found.metric, value) for value in values_of(found)]
        table.add_row(
            slice_text(found.slice),
            found.metric,
            *(f"{value}  {counts_text(n, bad)}" for value, (n, bad) in zip(shown, arms, strict=True)),
            difference_text(found.metric, found.difference),
            interval_text(found.metric, found.interval),
            e_value_text(found.log10_e),
            f"{found.labels_needed} labels" if found.labels_needed else "",
            str(found.verdict),
        )
    return table


def _verification(console: Console, view: View) -> None:
    """Print which metrics of delivered tiers were watched on the log, and what was found."""
    record = view.rollout.status.verification if view.rollout is not None else None
    if record is None:
        return
    console.print()
    title = f"Verification {STAGE[record.stage]}: {record.verdict}"
    console.print(Text(f"{title}, compared with {compared_with(record)}, α = {record.alpha:g}", style="bold"))
    if record.watched:
        console.print(Text(f"  watched: {', '.join(record.watched)}", overflow="fold"))
    for line in record.not_watched:
        console.print(Text(f"  not watched: {line}", overflow="fold"))
    if record.worst:
        console.print(worst_table(record.worst))
        _legend(console, record.worst)


def _legend(console: Console, shown: list[SliceVerdict]) -> None:
    for line in of_verdicts(shown):
        console.print(Text(f"  {line}", style="dim", overflow="fold"))


def _paragraph(console: Console, title: str, sentences: tuple[str, ...]) -> None:
    if not sentences:
        return
    console.print()
    console.print(Text(title, style="bold"))
    for sentence in sentences:
        console.print(Text(f"  {sentence}", overflow="fold"))
