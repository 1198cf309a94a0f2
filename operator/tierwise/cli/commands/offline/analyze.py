"""`tierwise analyze`: compares two recorded versions as the operator would."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from tierwise.api.names import GateDecision
from tierwise.cli.options.analysis_options import AnalyzeOptions
from tierwise.cli.options.analysis_request import request_of
from tierwise.cli.options.log_options import judged_options, open_log, source_options, window_options
from tierwise.cli.options.types import Span
from tierwise.cli.output.formats import PIPE_WIDTH, Progress, console_for
from tierwise.report.analysis.json_form import analysis_json
from tierwise.report.analysis.table import render_analysis
from tierwise.runtime.offline.analysis import Analysis, analyze

EXIT = {GateDecision.PROMOTE: 0, GateDecision.HOLD: 3, GateDecision.ROLL_BACK: 4}


@click.command("analyze")
@source_options
@click.option("--baseline", required=True, help="The version that candidates are compared with.")
@click.option("--candidate", required=True, help="The version that is judged.")
@window_options
@click.option("--block", type=Span(), help="Length of a block, 1m by default; a number of rows (1000) without --time.")
@click.option(
    "--to-end",
    is_flag=True,
    help="Go on after a rollback: beside its decision also show the values over the whole file, or window.",
)
@judged_options
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "html"]),
    default="table",
    show_default=True,
    help="html writes one file that needs no network.",
)
@click.option("--out", type=click.Path(dir_okay=False), help="Write there instead of stdout.")
@click.pass_context
def command(ctx: click.Context, /, output: str, out: str | None, **given: object) -> None:
    """Judge two recorded versions as the operator judges a rollout, without Kubernetes.

    The command folds blocks of predictions in the order of their time. It stops at the first rollback and says when.
    It compares the candidate with the baseline overall and in every slice, with the same bound on false alarms as in a
    rollout. With --to-end it reads all rows: the decision is the same, and "whole file" shows the values over all rows
    beside it. If there would be more than 50,000 blocks, it chooses longer ones, and a note says so.

    \b
    A prediction log in ClickHouse:
      tierwise analyze --store clickhouse://user@ch:8123/ml --dataset humans.yaml --deployment bot-score.yaml \\
        --baseline v7 --candidate v8 --since 24h
    A file, no server at all:
      tierwise analyze --data predictions.parquet --baseline v1 --candidate v2 --time ts \\
        --slice carrier --slice carrier,origin --metric accuracy:0.01 -o json
    A file with classes, numbers, weights or several sources of labels, which a MonitoringDataset describes:
      tierwise analyze --data requests.parquet --dataset eta.yaml --label-data research=labels.csv \\
        --baseline v1 --candidate v2 --metric mae:0.5

    Exit status: 0 Promote, 3 Hold, 4 RollBack, 1 an error, 2 wrong usage.
    """
    options = AnalyzeOptions(**given)  # type: ignore[arg-type]  # click has made them of these types
    now = datetime.now(UTC)
    request = request_of(options, now)
    progress = Progress("analyze: blocks")
    with open_log(options, request) as log:
        try:
            found = analyze(request, log, now, progress)
        finally:
            progress.end()
    _show(found, output, out)
    ctx.exit(EXIT[found.outcome.decision])


def _show(found: Analysis, output: str, out: str | None) -> None:
    if output == "table" and out is None:
        console_for().print(render_analysis(found))
        return
    if output == "html":
        from tierwise.report.rollout.html import analysis_html

        text = analysis_html(found)
    elif output == "json":
        text = json.dumps(analysis_json(found), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    else:
        console = Console(file=io.StringIO(), width=PIPE_WIDTH)
        with console.capture() as captured:
            console.print(render_analysis(found))
        text = captured.get()
    if out is None:
        click.echo(text, nl=False)
    else:
        Path(out).write_text(text, encoding="utf-8")
        click.echo(f"written: {out}", err=True)
