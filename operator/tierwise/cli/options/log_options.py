"""The options that analyze, plan and simulate share: where predictions are read, and what is judged."""

from __future__ import annotations

from contextlib import AbstractContextManager

import click

from tierwise.cli.options.analysis_options import AnalyzeOptions
from tierwise.cli.options.analysis_request import ROW_TIME
from tierwise.cli.options.decorators import F, applied
from tierwise.cli.options.described_file import label_files
from tierwise.cli.options.types import Margins, Moment, NamedFile
from tierwise.runtime.offline.analysis import AnalysisRequest
from tierwise.runtime.recorded_log import RecordedLog

_SOURCE = (
    click.option(
        "--store", envvar="TIERWISE_STORE", help="DSN of the prediction log: clickhouse://…, https://… or chdb:///PATH."
    ),
    click.option(
        "--dataset",
        "dataset_files",
        type=click.Path(),
        multiple=True,
        help="Manifest of a MonitoringDataset; may be repeated.",
    ),
    click.option(
        "--deployment",
        "deployment_file",
        type=click.Path(),
        help="Manifest of a ModelDeployment: its metrics, margins, slices, tiers and α.",
    ),
    click.option(
        "--data",
        type=click.Path(),
        help="Instead of a store: a Parquet or CSV file with a row per prediction; --dataset or options describe it.",
    ),
    click.option(
        "--label-data",
        "label_files",
        type=NamedFile(),
        multiple=True,
        help="With --data and --dataset: a file with the rows of a label source's table; may be repeated.",
    ),
    click.option("--model", help="Name of the model in the log; required with --store, unless --deployment names it."),
)

_WINDOW = (
    click.option("--since", type=Moment(), help="Start of the window: 2026-03-01T12:00:00Z, or 2h for two hours ago."),
    click.option("--until", type=Moment(), help="End of the window, exclusive; default: the last row."),
    click.option("--tier", "tiers", multiple=True, help="Only these tiers of the log; may be repeated."),
)

_JUDGED = (
    click.option(
        "--metric",
        "metrics",
        type=Margins(),
        multiple=True,
        metavar="NAME:MARGIN",
        help="accuracy:0.01 (absolute), latency-over@200:25% (relative) or a name alone; may be repeated. "
        "`tierwise metrics` lists them.",
    ),
    click.option(
        "--slice",
        "slices",
        multiple=True,
        metavar="DIM[,DIM]",
        help="A dimension, or several joined by a comma; may be repeated.",
    ),
)

_COLUMNS = (
    click.option(
        "--time",
        "time_column",
        help="With --data: column of the time of serving. Without it rows are taken in file order.",
    ),
    click.option(
        "--version",
        "version_column",
        default="model_version",
        show_default=True,
        help="With --data: column of the version.",
    ),
    click.option(
        "--score", "score_column", default="score", show_default=True, help="With --data: column of the score."
    ),
    click.option(
        "--label",
        "label_column",
        default="label",
        show_default=True,
        help="With --data: column of the label (0, 1 or null).",
    ),
    click.option("--tier-column", help="With --data: column of the tier."),
    click.option("--model-column", help="With --data: column of the model, when the file holds several."),
    click.option(
        "--threshold",
        type=float,
        default=0.5,
        show_default=True,
        help="With --data: from this score on the answer is 1.",
    ),
    click.option(
        "--positive",
        type=click.Choice(["AtOrAbove", "Below"]),
        default="AtOrAbove",
        show_default=True,
        help="With --data: on which side of the threshold the answer is 1.",
    ),
    click.option(
        "--alpha",
        type=click.FloatRange(0, 1, min_open=True, max_open=True),
        default=0.05,
        show_default=True,
        help="Rate of false rollbacks, without --deployment; a tenth is kept for verification.",
    ),
)


def source_options(function: F) -> F:
    """``--store``, ``--dataset``, ``--deployment``, ``--data`` and ``--model``."""
    return applied(_SOURCE, function)


def window_options(function: F) -> F:
    """``--since``, ``--until`` and ``--tier``."""
    return applied(_WINDOW, function)


def judged_options(function: F) -> F:
    """``--metric`` and ``--slice``, then the options for the columns of a file, and ``--alpha``."""
    return applied((*_JUDGED, *_COLUMNS), function)


def open_log(options: AnalyzeOptions, request: AnalysisRequest) -> AbstractContextManager[RecordedLog]:
    """The log that the options name."""
    # Imported here, because an adapter's libraries take a second to load and --help needs none of them.
    from tierwise.adapters.prediction_logs.recorded import open_recorded_file, open_recorded_store

    if options.data is not None:
        (spec,) = request.datasets.values()
        row_time = ROW_TIME if request.in_file_order else None
        described = bool(options.dataset_files)
        return open_recorded_file(options.data, spec, row_time, label_files(options, spec), described=described)
    assert options.store is not None  # request_of_store has checked
    return open_recorded_store(options.store)
