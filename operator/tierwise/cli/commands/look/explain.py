"""`tierwise explain`: why a rollout waits or was rolled back, with numbers and the next command."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import click
from rich.console import Console
from rich.text import Text

from tierwise.api.modelrollout import ModelRolloutSpec, SliceVerdict
from tierwise.cli.options.decorators import gathered
from tierwise.cli.options.named_rollout import Named, look_up
from tierwise.cli.output.formats import console_for, kubeconfig_options, print_facts
from tierwise.report.legend import of_page, of_verdicts
from tierwise.report.rollout.advice import Advice, advice_of, judged_seconds, tier_in_question
from tierwise.report.rollout.json_form import explain_json
from tierwise.report.rollout.past import (
    advice_of_rollout,
    command_text,
    past_json,
    title_of,
    view_of_rollout,
    worst_first,
)
from tierwise.report.rollout.tree import header_line
from tierwise.report.rollout.view import View, view_of
from tierwise.report.rollout.watched import STAGE, compared_with
from tierwise.report.verdict_rows import by_evidence, of_verdict
from tierwise.report.verdict_table import verdict_table

MOST_SHOWN = 10


@dataclass(frozen=True, slots=True)
class ExplainOptions:
    """The options as they were given."""

    name: str
    kubeconfig: str | None
    context: str | None
    namespace: str | None
    dsn: str | None
    output: str


@click.command("explain")
@click.argument("name")
@kubeconfig_options
@click.option(
    "--store",
    "dsn",
    envvar="TIERWISE_STORE",
    help="DSN of the store: it has the verdicts of every slice of a rollout, also when its object is gone.",
)
@click.option("-o", "--output", type=click.Choice(["text", "json", "yaml"]), default="text", show_default=True)
@gathered(ExplainOptions)
def command(given: ExplainOptions, /) -> None:
    """Say why the rollout of the ModelDeployment NAME waits, or why it was rolled back.

    Shows the gate and its reason, the evidence so far, the slices with most evidence against the candidate, how many
    labels are still needed and how long that takes, and the commands that come next.

    NAME may also be one rollout, such as bot-score-4: how it ended, who asked for what, and with --store the verdicts
    of every slice. A rollout whose object is gone is read from the store alone.

    \b
    Examples:
      tierwise explain bot-score -n inference
      tierwise explain bot-score -o json | jq .explanation
      tierwise explain bot-score-4 -n inference --store "$TIERWISE_STORE"
    """
    found = look_up(given)
    now = datetime.now(UTC)
    if isinstance(found, Named):
        view = view_of_rollout(found.namespace, found.rollout, now)
        advice = advice_of_rollout(view, found.past)
        if given.output == "text":
            print_past(console_for(), view, advice, found)
        else:
            facts = past_json(found.past, gone=found.gone, store=found.store)
            print_facts(explain_json(view, advice) | facts, given.output)
        return
    view = view_of(*found, now)
    advice = advice_of(view)
    if given.output == "text":
        print_explanation(console_for(), view, advice)
    else:
        print_facts(explain_json(view, advice), given.output)


def print_past(console: Console, view: View, advice: Advice, found: Named) -> None:
    """The text of `explain NAME-N`."""
    if found.past is None:
        print_explanation(console, view, advice)
        for note in found.notes:
            console.print(Text(note, overflow="fold"))
        return
    console.print(header_line(view))
    for note in found.notes:
        console.print(Text(note, overflow="fold"))
    _paragraph(console, "Why", advice.why)
    told: list[SliceVerdict] = []
    for record in found.past.decisions:
        console.print()
        console.print(Text(title_of(record), style="bold"))
        if record.decided.message and record.decided.message not in view.message:
            console.print(Text(f"  {record.decided.message}", overflow="fold"))
        if record.verdicts:
            shown = worst_first(record)[:MOST_SHOWN]
            _table(console, shown, found.rollout.spec)
            told += shown
            if len(record.verdicts) > len(shown):
                console.print(f"  {len(record.verdicts) - len(shown)} more, with less evidence: -o json has all")
    _lines(console, of_page(each.log10_e for each in told))
    _paragraph(console, "Asked for by people", tuple(command_text(record) for record in found.past.commands))
    _paragraph(console, "See also", advice.commands)


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
