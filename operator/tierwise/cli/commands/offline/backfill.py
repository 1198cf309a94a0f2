"""`tierwise backfill`: a metric for the past."""

from __future__ import annotations

import csv
import dataclasses
import sys
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from tierwise.api.common import EPOCH
from tierwise.api.modeldeployment import DatasetAnalysis, ModelDeploymentSpec
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.cli.manifests.yaml_lines import load_one, parse_spec
from tierwise.cli.options.decorators import gathered
from tierwise.cli.options.types import MetricName, Moment, Span
from tierwise.cli.output.formats import Progress, console_for, print_facts
from tierwise.errors import NothingStoredError
from tierwise.monitoring.counts.model import Dataset
from tierwise.monitoring.planning.tier_plan import groupings_of
from tierwise.monitoring.query.stored.distributions import Wanted
from tierwise.report.columns import NAME, Column, FittedTable
from tierwise.runtime.offline.backfill import Backfill, Origin, PastValue, Request, backfill

EXIT_NOTHING = 3
MOST_WINDOWS = 10_000


class ConfigHash(click.ParamType[int]):
    """16 hex digits."""

    name = "hash"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number."""
        try:
            return value if isinstance(value, int) else int(str(value), 16)
        except ValueError:
            self.fail(f"{value!r} is no hash of 16 hex digits, such as 0f3c9a…", param, ctx)


@dataclass(frozen=True, slots=True)
class BackfillOptions:
    """The options as they were given."""

    metric: str
    dsn: str
    dataset_file: str
    model: str | None
    deployment_file: str | None
    since: datetime | timedelta
    until: datetime | timedelta | None
    every: float | None
    tiers: tuple[str, ...]
    versions: tuple[str, ...]
    origin: Origin
    config: int | None
    output: str


@click.command("backfill")
@click.argument("metric", type=MetricName())
@click.option("--store", "dsn", required=True, envvar="TIERWISE_STORE", help="DSN of the log and of ml_performance.")
@click.option("--dataset", "dataset_file", type=click.Path(), required=True, help="Manifest of a MonitoringDataset.")
@click.option("--model", help="Name of the model, unless --deployment names it.")
@click.option(
    "--deployment",
    "deployment_file",
    type=click.Path(),
    help="Manifest of a ModelDeployment: its slices, for rows. Default: every dimension alone.",
)
@click.option("--since", type=Moment(), required=True, help="Start: 2026-03-01T12:00:00Z, or 24h for a day ago.")
@click.option("--until", type=Moment(), help="End, exclusive. Default: now.")
@click.option("--every", type=Span(), help="Length of a window, such as 1h. Default: one window from start to end.")
@click.option("--tier", "tiers", multiple=True, help="Only these tiers; may be repeated. Default: all, added up.")
@click.option("--version", "versions", multiple=True, help="Only these versions; may be repeated.")
@click.option(
    "--from",
    "origin",
    type=click.Choice(["auto", "stored", "rows"]),
    default="auto",
    show_default=True,
    help="auto: ml_performance, or the rows of the log if ml_performance does not have what the metric needs.",
)
@click.option("--config", type=ConfigHash(), help="Blocks of this config_hash, read as they were stored.")
@click.option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
    help="Output format.",
)
@click.pass_context
@gathered(BackfillOptions)
def command(ctx: click.Context, /, given: BackfillOptions) -> None:
    """Compute METRIC for the past, by window, slice and version.

    The operator's looks at a tier store the distribution of every block that they read in ml_performance (`analyze`
    stores nothing). Any metric can be computed from it, also one that was not judged then. If a metric needs more than
    was stored, the rows of the log are counted again. Values of different configurations (another threshold, filter,
    column) are never mixed: the command says what changed, and when.

    \b
      tierwise backfill recall --dataset humans.yaml --model bot-score --since 168h --every 24h
      tierwise backfill auc --dataset humans.yaml --model bot-score --since 24h --from rows -o csv

    Exit status: 0, 3 nothing is stored for the window, 1 an error (also a changed configuration), 2 wrong usage.
    """
    now = datetime.now(UTC)
    start = now - given.since if isinstance(given.since, timedelta) else given.since
    # Windows in the future would be empty, and there would be many.
    end = min(
        now, now if given.until is None else now - given.until if isinstance(given.until, timedelta) else given.until
    )
    if start >= end:
        raise click.UsageError(f"--since {start:%Y-%m-%dT%H:%M:%SZ} is not before --until {end:%Y-%m-%dT%H:%M:%SZ}")
    if isinstance(given.every, int):
        raise click.UsageError(f"--every {given.every} has no unit; give a duration such as {given.every}m or 1h")
    step = end - start if given.every is None else timedelta(seconds=given.every)
    if (end - start) / step > MOST_WINDOWS:
        raise click.UsageError(f"more than {MOST_WINDOWS} windows; give a longer --every or a later --since")
    dataset, named = _dataset(given.dataset_file, given.deployment_file)
    name = given.model or named
    if name is None and dataset.spec.columns.model is not None:
        raise click.UsageError(
            "--model is missing: a log may have several models; give it, or --deployment, which names one"
        )
    wanted = Wanted(name or "", dataset.name, start, end, step, given.tiers, given.versions)
    # Imported here, because an adapter's libraries take a second to load and --help needs none of them.
    from tierwise.adapters.clickhouse.store import open_store
    from tierwise.adapters.prediction_logs.stored import RecordedPast

    store = open_store(given.dsn, read_only=True)
    progress = Progress("backfill: reads")
    try:
        found = backfill(
            Request(given.metric, dataset, wanted, given.origin, given.config), RecordedPast(store), progress
        )
    except NothingStoredError as nothing:
        click.echo(str(nothing), err=True)
        ctx.exit(EXIT_NOTHING)
    finally:
        progress.end()
        store.close()
    if found.why and given.output != "json":
        click.echo(f"counted from rows: {found.why}", err=True)
    _show(given.metric, wanted, found, given.output)
    if not found.values:
        where = f"dataset {dataset.name!r}, model {name!r}, {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M}"
        click.echo(f"{where}: no rows\nCheck --model, --version, --tier, --since and --until.", err=True)
        ctx.exit(EXIT_NOTHING)


def _dataset(dataset_file: str, deployment_file: str | None) -> tuple[Dataset, str | None]:
    """The dataset with its slices, and the deployment's model."""
    document = load_one(dataset_file, "MonitoringDataset")
    spec = parse_spec(document, MonitoringDatasetSpec)
    item = DatasetAnalysis.model_construct(name=document.name, metrics=[], slices=None, expect=[])
    model = None
    if deployment_file is not None:
        deployment = parse_spec(load_one(deployment_file, "ModelDeployment"), ModelDeploymentSpec)
        item = next((one for one in deployment.analysis.datasets if one.name == document.name), item)
        model = deployment.model
    return Dataset(document.name, spec, groupings_of(item, spec)), model


def _show(metric: str, wanted: Wanted, found: Backfill, output: str) -> None:
    if output == "json":
        print_facts(
            {
                "schema": "tierwise.io/backfill/v1",
                "metric": metric,
                "dataset": wanted.dataset,
                "model": wanted.model,
                "from": found.origin,
                "why": found.why or None,
                "config_hash": None if found.config is None else f"{found.config:016x}",
                "values": [_facts(value) for value in found.values],
            },
            "json",
        )
    elif output == "csv":
        writer = csv.DictWriter(sys.stdout, list(_facts(_EMPTY)), lineterminator="\n")
        writer.writeheader()
        writer.writerows(_facts(value) for value in found.values)
    else:
        table = FittedTable(
            [
                Column("FROM"),
                Column("TO", 3),
                Column("VERSION", 4),
                Column("SLICE", NAME),
                Column(metric.upper()),
                Column("BAD", 6, is_number=True),
                Column("N", 5, is_number=True),
                Column("± SE", 2),
            ]
        )
        for value in found.values:
            shown = "–" if value.value is None else f"{value.value:.6g}"
            table.add_row(
                f"{value.start:%Y-%m-%d %H:%M:%S}",
                f"{value.end:%Y-%m-%d %H:%M:%S}",
                value.version,
                value.slice or "(all)",
                shown,
                "" if value.bad is None else str(value.bad),
                "" if value.n is None else str(value.n),
                "" if value.error is None else f"{value.error:.3g}",
            )
        console_for().print(table)


_EMPTY = PastValue(EPOCH, EPOCH, "", "", None)


def _facts(value: PastValue) -> dict[str, Any]:
    facts = dataclasses.asdict(value)
    for key, name in (("start", "window_from"), ("end", "window_to")):
        facts = {name if k == key else k: v for k, v in facts.items()}
        facts[name] = facts[name].isoformat().replace("+00:00", "Z")
    return facts
