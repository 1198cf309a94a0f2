"""`tierwise status`: a rollout as a tree, once or until it ends."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

import click
from rich.live import Live

from tierwise.api.common import duration_seconds
from tierwise.cli.options.decorators import gathered
from tierwise.cli.output.formats import console_for, kubeconfig_options, print_facts
from tierwise.report.rollout.json_form import status_json
from tierwise.report.rollout.tree import render_view
from tierwise.report.rollout.view import View, view_of
from tierwise.report.text import duration_text

POLL_SECONDS = 1.0
GONE_WRONG = ("RolledBack", "Stalled", "Superseded")


@dataclass(frozen=True, slots=True)
class StatusOptions:
    """The options as they were given."""

    name: str
    kubeconfig: str | None
    context: str | None
    namespace: str | None
    watch: bool
    timeout: str | None
    output: str


@click.command("status")
@click.argument("name")
@kubeconfig_options
@click.option("-w", "--watch", is_flag=True, help="Go on until the rollout ends.")
@click.option("--timeout", metavar="DURATION", help="With --watch: end after this long (30m), with exit status 3.")
@click.option("-o", "--output", type=click.Choice(["tree", "json", "yaml"]), default="tree", show_default=True)
@click.pass_context
@gathered(StatusOptions)
def command(ctx: click.Context, /, given: StatusOptions) -> None:
    """Show the rollout of the ModelDeployment NAME: its tiers, workloads, candidate twins and evidence.

    \b
    Examples:
      tierwise status bot-score -n inference
      tierwise status bot-score --watch --timeout 4h && echo promoted
      tierwise status bot-score -o json | jq '.tiers[] | {name, phase}'

    Exit status: 0 completed or at rest, 3 still going (with --watch: at --timeout), 4 rolled back, stalled or
    superseded, 1 an error, 2 wrong usage.
    """
    from tierwise.adapters.kubernetes.reader import Reader, open_reader

    deadline = _deadline(given.watch, given.timeout)

    def look(reader: Reader) -> View:
        deployment, rollouts, tiers = reader.read(given.name)
        return view_of(deployment, rollouts, tiers, datetime.now(UTC))

    with open_reader(given.kubeconfig, given.context, given.namespace) as reader:
        view = look(reader)
        live = given.watch and given.output == "tree" and sys.stdout.isatty()
        if live:
            with Live(render_view(view), console=console_for(), auto_refresh=False, transient=True) as shown:
                while view.in_flight and time.monotonic() < deadline:
                    time.sleep(POLL_SECONDS)
                    view = look(reader)
                    shown.update(render_view(view), refresh=True)
        elif given.watch:
            told = ""
            while view.in_flight and time.monotonic() < deadline:
                told = _tell(view, told)
                time.sleep(POLL_SECONDS)
                view = look(reader)
    if given.output == "tree":
        console_for().print(render_view(view))
    else:
        print_facts(status_json(view), given.output)
    ctx.exit(exit_code(view))


def exit_code(view: View) -> int:
    """0 completed or at rest, 3 still going, 4 rolled back, stalled or superseded."""
    if view.in_flight:
        return 3
    return 4 if view.result in GONE_WRONG else 0


def _deadline(watch: bool, timeout: str | None) -> float:
    if timeout is None:
        return float("inf")
    if not watch:
        raise click.UsageError("--timeout needs --watch")
    try:
        return time.monotonic() + duration_seconds(timeout)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--timeout") from error


def _tell(view: View, told: str) -> str:
    """Print one line on stderr whenever something changed, if there is no live tree (as in a CI log)."""
    going = [tier for tier in view.tiers if tier.tone == "going"]
    where = "; ".join(f"{tier.name} {tier.status}" + (f" ({tier.evidence})" if tier.evidence else "") for tier in going)
    state = f"{view.result} {view.reason} {[(tier.name, tier.status) for tier in view.tiers]}"
    if state != told:
        age = duration_text(view.seconds) if view.seconds is not None else ""
        click.echo(f"{view.name} {view.result} {age} {where or view.message}".rstrip(), err=True)
    return state
