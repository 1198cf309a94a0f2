"""`tierwise analyze`: two recorded versions, compared as the operator would."""

from __future__ import annotations

import io
import json
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from tierwise.api.names import GateDecision
from tierwise.cli.analysis_options import (
    FILE_DATASET,
    ROW_TIME,
    AnalyzeOptions,
    Margins,
    Moment,
    Span,
    request_of_data,
    request_of_store,
)
from tierwise.cli.output import PIPE_WIDTH, Progress, console_for
from tierwise.report.analysis_json import analysis_json
from tierwise.report.analysis_table import render_analysis
from tierwise.runtime.analysis import Analysis, AnalysisRequest, analyze
from tierwise.runtime.recorded import RecordedLog

EXIT = {GateDecision.PROMOTE: 0, GateDecision.HOLD: 3, GateDecision.ROLL_BACK: 4}


@click.command("analyze", short_help="Compare two versions in a prediction log, slice by slice.")
@click.option(
    "--store", envvar="TIERWISE_STORE", help="DSN of the prediction log: clickhouse://…, https://… or chdb:///PATH."
)
@click.option(
    "--dataset",
    "dataset_files",
    type=click.Path(),
    multiple=True,
    help="Manifest of a MonitoringDataset; may be repeated.",
)
@click.option(
    "--deployment",
    "deployment_file",
    type=click.Path(),
    help="Manifest of a ModelDeployment: its metrics, margins, slices, tiers and α.",
)
@click.option("--data", type=click.Path(), help="Instead of a store: a Parquet or CSV file, one row per prediction.")
@click.option("--model", help="Name of the model in the log; required with --store, unless --deployment names it.")
@click.option("--baseline", required=True, help="The version that candidates are compared with.")
@click.option("--candidate", required=True, help="The version that is judged.")
@click.option("--since", type=Moment(), help="Start of the window: 2026-03-01T12:00:00Z, or 2h for two hours ago.")
@click.option("--until", type=Moment(), help="End of the window, exclusive; default: the last row.")
@click.option("--block", type=Span(), help="Length of a block, 1m by default; a number of rows (1000) without --time.")
@click.option("--tier", "tiers", multiple=True, help="Only these tiers of the log; may be repeated.")
@click.option(
    "--metric",
    "metrics",
    type=Margins(),
    multiple=True,
    metavar="NAME:MARGIN",
    help="accuracy:0.01 (absolute) or false-positive-rate:25% (relative); may be repeated.",
)
@click.option(
    "--slice",
    "slices",
    multiple=True,
    metavar="DIM[,DIM]",
    help="A dimension, or several joined by a comma; may be repeated.",
)
@click.option(
    "--time", "time_column", help="With --data: column of the time of serving. Without it rows are taken in file order."
)
@click.option(
    "--version",
    "version_column",
    default="model_version",
    show_default=True,
    help="With --data: column of the version.",
)
@click.option("--score", "score_column", default="score", show_default=True, help="With --data: column of the score.")
@click.option(
    "--label",
    "label_column",
    default="label",
    show_default=True,
    help="With --data: column of the label (0, 1 or null).",
)
@click.option("--tier-column", help="With --data: column of the tier.")
@click.option("--model-column", help="With --data: column of the model, when the file holds several.")
@click.option(
    "--threshold", type=float, default=0.5, show_default=True, help="With --data: scores from here on are the answer 1."
)
@click.option(
    "--positive",
    type=click.Choice(["AtOrAbove", "Below"]),
    default="AtOrAbove",
    show_default=True,
    help="With --data: on which side of the threshold the answer is 1.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Rate of false rollbacks, without --deployment; a tenth is kept for verification.",
)
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

    Blocks of predictions are folded in the order of their time; it stops at the first rollback and says when. Overall
    and in every slice the candidate is compared with the baseline, with the same bound on false alarms as in a rollout.

    \b
    A prediction log in ClickHouse:
      tierwise analyze --store clickhouse://user@ch:8123/ml --dataset humans.yaml --deployment bot-score.yaml \\
        --baseline v7 --candidate v8 --since 24h
    A file, no server at all:
      tierwise analyze --data predictions.parquet --baseline v1 --candidate v2 --time ts \\
        --slice carrier --slice carrier,origin --metric accuracy:0.01 -o json

    Exit status: 0 Promote, 3 Hold, 4 RollBack, 1 an error, 2 wrong usage.
    """
    options = AnalyzeOptions(**given)  # type: ignore[arg-type]  # click has made them of these types
    now = datetime.now(UTC)
    request = request_of_store(options, now) if options.data is None else request_of_data(options, now)
    progress = Progress("analyze: blocks")
    with _log_of(options, request) as log:
        try:
            found = analyze(request, log, now, progress)
        finally:
            progress.end()
    _show(found, output, out)
    ctx.exit(EXIT[found.outcome.decision])


def _log_of(options: AnalyzeOptions, request: AnalysisRequest) -> AbstractContextManager[RecordedLog]:
    # Imported here: an adapter's libraries take a second, and --help needs none of them.
    from tierwise.adapters.recorded import open_recorded_file, open_recorded_store

    if options.data is not None:
        spec = request.datasets[FILE_DATASET]
        return open_recorded_file(options.data, spec, ROW_TIME if request.in_file_order else None)
    assert options.store is not None  # request_of_store has checked
    return open_recorded_store(options.store)


def _show(found: Analysis, output: str, out: str | None) -> None:
    if output == "table" and out is None:
        console_for().print(render_analysis(found))
        return
    if output == "html":
        from tierwise.report.html import analysis_html

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
