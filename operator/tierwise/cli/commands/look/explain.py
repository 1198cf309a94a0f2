"""`tierwise explain`: why a rollout waits or was rolled back, with numbers and the next command."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.text import Text

from tierwise.api.modelrollout import ModelRolloutSpec, SliceVerdict
from tierwise.cli.output.formats import console_for, kubeconfig_options, print_facts
from tierwise.report.legend import of_page, of_verdicts
from tierwise.report.rollout.advice import Advice, advice_of, judged_seconds, tier_in_question
from tierwise.report.rollout.json_form import explain_json
from tierwise.report.rollout.tree import header_line
from tierwise.report.rollout.view import View, view_of
from tierwise.report.rollout.watched import STAGE, compared_with
from tierwise.report.verdict_rows import by_evidence, of_verdict
from tierwise.report.verdict_table import verdict_table


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
    told: list[SliceVerdict] = []
    tier = tier_in_question(view)
    if tier is not None and tier.record is not None and view.rollout is not None:
        worst, waiting = by_evidence(tier.record.worst), tier.record.waiting if view.in_flight else []
        shown = {
            f"slices with most evidence against {view.to_version}": worst if view.tone != "good" else worst[:3],
            "what promotion waits for, the slowest first": [found for found in waiting if found not in worst],
        }
        for title, rows in shown.items():
            if rows:
                console.print()
                console.print(Text(f"{tier.name}: {title}", style="bold"))
                elapsed = judged_seconds(tier.record) if view.in_flight else None
                _table(console, rows, view.rollout.spec, elapsed)
                told += rows
    told += _verification(console, view)
    _lines(console, of_page(found.log10_e for found in told))
    _paragraph(console, "Next", advice.next)
    for line in advice.commands:
        console.print(f"  {line}", markup=False, soft_wrap=True)


def _table(
    console: Console, found: list[SliceVerdict], spec: ModelRolloutSpec, elapsed_seconds: float | None = None
) -> None:
    """Print a table of slices and metrics from the rollout's status. `elapsed_seconds` of predictions were judged."""
    console.print(verdict_table([of_verdict(each, spec, elapsed_seconds) for each in found]))
    _lines(console, of_verdicts(found))


def _verification(console: Console, view: View) -> list[SliceVerdict]:
    """Print what delivered tiers were watched for on the log, and what was found; return the slices that were shown."""
    record = view.rollout.status.verification if view.rollout is not None else None
    if record is None or view.rollout is None:
        return []
    console.print()
    title = f"Verification {STAGE[record.stage]}: {record.verdict}"
    console.print(Text(f"{title}, compared with {compared_with(record)}, α = {record.alpha:g}", style="bold"))
    if record.watched:
        console.print(Text(f"  watched: {', '.join(record.watched)}", overflow="fold"))
    for line in record.not_watched:
        console.print(Text(f"  not watched: {line}", overflow="fold"))
    worst = by_evidence(record.worst)
    if worst:
        _table(console, worst, view.rollout.spec)
    return worst


def _lines(console: Console, lines: Iterable[str]) -> None:
    for line in lines:
        console.print(Text(f"  {line}", style="dim", overflow="fold"))


def _paragraph(console: Console, title: str, sentences: tuple[str, ...]) -> None:
    if not sentences:
        return
    console.print()
    console.print(Text(title, style="bold"))
    for sentence in sentences:
        console.print(Text(f"  {sentence}", overflow="fold"))
