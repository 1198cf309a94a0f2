"""Makes a request from the options of `analyze`. Every wrong option is an error before anything is opened."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

import click

from tierwise.api.common import duration_seconds
from tierwise.api.modeldeployment import DatasetAnalysis, ModelDeploymentSpec
from tierwise.api.monitoringdataset import Columns, Dimension, MonitoringDatasetSpec, Value
from tierwise.cli.manifests.yaml_lines import load_one, parse_spec
from tierwise.cli.options.analysis_options import AnalyzeOptions
from tierwise.cli.options.described_file import check_no_columns, of_files
from tierwise.metrics import registry
from tierwise.monitoring.planning.tier_plan import alpha_of_tier
from tierwise.runtime.offline.analysis import AnalysisRequest, TierRequest

DEFAULT_BLOCK = "1m"
ROWS_PER_BLOCK = 1000
DEFAULT_MAX_DURATION = "4h"
ALPHA_MIN = 1e-6
DATA_TABLE = "predictions"  # the name of a file as a table
ROW_TIME = "tierwise_row"  # a time that counts rows, one second each, for a file without times
FILE_DATASET = "data"


def request_of(options: AnalyzeOptions, now: datetime) -> AnalysisRequest:
    """The request for a store, for a file that a manifest describes, or for one that column options describe.

    Raises:
        click.UsageError: an option is missing or does not fit the others.
        ManifestError: a manifest is wrong, with key and line.
    """
    if options.label_files and not (options.data and options.dataset_files):
        raise click.UsageError("--label-data needs --data, and --dataset, whose label sources it gives the rows of")
    if options.data is None:
        return request_of_store(options, now)
    return request_of_described(options, now) if options.dataset_files else request_of_data(options, now)


def request_of_store(options: AnalyzeOptions, now: datetime) -> AnalysisRequest:
    """The request for a prediction log in a store; manifests are read here.

    Raises:
        click.UsageError: an option is missing or does not fit the others.
        ManifestError: a manifest is wrong, with key and line.
    """
    if options.store is None:
        raise click.UsageError("nothing to read; give --store DSN (or TIERWISE_STORE) with --dataset, or --data FILE")
    if not options.dataset_files:
        raise click.UsageError("--store needs --dataset: the manifest of a MonitoringDataset; give one or several")
    return _request_of_manifests(options, now, lambda name, spec: spec)  # noqa: ARG005


def request_of_described(options: AnalyzeOptions, now: datetime) -> AnalysisRequest:
    """The request for a file that a MonitoringDataset describes, as the table that it names.

    Raises:
        click.UsageError, ManifestError: as above.
    """
    if len(options.dataset_files) > 1:
        raise click.UsageError("--data is one file, so give one --dataset that describes it")
    check_no_columns(options)
    return _request_of_manifests(options, now, lambda name, spec: of_files(options, name, spec))


def _request_of_manifests(
    options: AnalyzeOptions, now: datetime, change: Callable[[str, MonitoringDatasetSpec], MonitoringDatasetSpec]
) -> AnalysisRequest:
    if isinstance(options.block, int):
        raise click.UsageError(f"--block {options.block} has no unit; give a duration such as {options.block}s or 1m")
    documents = [load_one(path, "MonitoringDataset") for path in options.dataset_files]
    specs = {item.name: change(item.name, parse_spec(item, MonitoringDatasetSpec)) for item in documents}
    deployment = None
    if options.deployment_file is not None:
        deployment = parse_spec(load_one(options.deployment_file, "ModelDeployment"), ModelDeploymentSpec)
    model = options.model or (deployment.model if deployment else None)
    if model is None and any(spec.columns.model is not None for spec in specs.values()):
        raise click.UsageError("--model is missing: which model of the log?")
    return _request(options, now, model, specs, deployment)


def request_of_data(options: AnalyzeOptions, now: datetime) -> AnalysisRequest:
    """The request for a file: a dataset made of the column options, times that count rows without --time.

    Raises:
        click.UsageError: as above.
    """
    if options.deployment_file:
        raise click.UsageError("--deployment names its datasets; describe the file with --dataset too")
    if options.tiers and not options.tier_column:
        raise click.UsageError("--tier needs --tier-column: which column of the file holds the tier?")
    if options.model_column and not options.model:
        raise click.UsageError("--model-column needs --model: which of them?")
    in_file_order = options.time_column is None
    if in_file_order and (options.since or options.until):
        raise click.UsageError("--since and --until need --time: which column of the file holds the time?")
    if in_file_order and isinstance(options.block, float):
        raise click.UsageError("without --time a block is a number of rows; give --block 1000 or --time COLUMN")
    if not in_file_order and isinstance(options.block, int):
        raise click.UsageError(f"--block {options.block} has no unit; give a duration such as {options.block}s or 1m")
    if not math.isfinite(options.threshold):
        raise click.UsageError(f"--threshold {options.threshold} is not a finite number; give one such as 0.5")
    names = _dimensions(options.slices)
    for name in (options.version_column, options.score_column, options.label_column, options.time_column or ROW_TIME):
        if not name.strip():
            raise click.UsageError("a column has an empty name; name a column of the file, or leave the option away")
    # Metrics that need more than scores and labels read the columns of these names: latency, clicks, …
    needs = [registry.get(metric.name).needs for metric in options.metrics]
    roles = dict.fromkeys(role for need in needs for role in need.columns)
    values = dict.fromkeys(name for need in needs for name in need.values)
    spec = MonitoringDatasetSpec.model_construct(
        table=DATA_TABLE,
        # A column of a file may have any name; manifests are stricter.
        columns=Columns.model_construct(
            time=options.time_column or ROW_TIME,
            model=options.model_column,
            version=options.version_column,
            tier=options.tier_column,
            score=options.score_column,
            label=options.label_column,
        ).model_copy(update={role: role for role in roles}),
        threshold=options.threshold,
        positive="Below" if options.positive == "Below" else "AtOrAbove",
        dimensions=[
            Dimension.model_construct(name=name, expression=_quoted(name), max_values=10_000) for name in names
        ],
        values=[Value.model_construct(name=name, expression=_quoted(name)) for name in values],
    )
    return _request(options, now, options.model, {FILE_DATASET: spec}, None, in_file_order=in_file_order)


def _dimensions(slices: tuple[str, ...]) -> tuple[str, ...]:
    """The columns that --slice names, each once."""
    names = dict.fromkeys(part.strip() for item in slices for part in item.split(","))
    for name in names:
        if not name or "=" in name:
            wrong = f"{name!r} holds a '='" if name else "a name is empty"
            raise click.UsageError(f"--slice: {wrong}; give a column of the file, or several joined by a comma")
    return tuple(names)


def _request(
    options: AnalyzeOptions,
    now: datetime,
    model: str | None,
    specs: dict[str, MonitoringDatasetSpec],
    deployment: ModelDeploymentSpec | None,
    *,
    in_file_order: bool = False,
) -> AnalysisRequest:
    if options.baseline == options.candidate:
        raise click.UsageError(f"--baseline and --candidate are both {options.baseline!r}; give two versions")
    if not ALPHA_MIN <= options.alpha < 1:  # NaN, too
        raise click.UsageError(f"--alpha {options.alpha} is not a rate; give one from {ALPHA_MIN:g} to below 1")
    analysis = _analyses(options, specs, deployment)
    block = (
        float(options.block) if options.block is not None else _default_block(deployment, in_file_order=in_file_order)
    )
    since, until = _moment(options.since, now), _moment(options.until, now)
    if since is not None and since >= (until or now):
        raise click.UsageError(f"--since {since:%Y-%m-%dT%H:%M:%SZ} is not before the end of the window")
    return AnalysisRequest(
        model=model,
        baseline=options.baseline,
        candidate=options.candidate,
        analysis=analysis,
        datasets=specs,
        tiers=_tiers(options, specs, deployment),
        since=since,
        until=until,
        block_seconds=block,
        in_file_order=in_file_order,
        to_end=options.to_end,
    )


def _analyses(
    options: AnalyzeOptions, specs: dict[str, MonitoringDatasetSpec], deployment: ModelDeploymentSpec | None
) -> tuple[DatasetAnalysis, ...]:
    slices = list(options.slices) or None
    if deployment is None:
        if not options.metrics:
            raise click.UsageError(
                "which metric? give --metric NAME:MARGIN, for instance --metric accuracy:0.01, "
                f"or --deployment; metrics are {', '.join(registry.names())} (`tierwise metrics` says what they are)"
            )
        given = [metric.name for metric in options.metrics]
        if twice := next((name for name in given if given.count(name) > 1), None):
            raise click.UsageError(f"--metric {twice} is given twice; give it once, with one margin")
        return tuple(
            DatasetAnalysis.model_construct(name=name, metrics=list(options.metrics), slices=slices, expect=[])
            for name in specs
        )
    if options.metrics or options.slices:
        raise click.UsageError("--deployment says metrics and slices; leave --metric and --slice away")
    return tuple(item for item in deployment.analysis.datasets if item.name in specs) or tuple(
        deployment.analysis.datasets
    )


def _tiers(
    options: AnalyzeOptions, specs: dict[str, MonitoringDatasetSpec], deployment: ModelDeploymentSpec | None
) -> tuple[TierRequest, ...]:
    if deployment is None:
        name = options.tiers[0] if len(options.tiers) == 1 else None
        seconds = duration_seconds(DEFAULT_MAX_DURATION)
        return (TierRequest(name, alpha_of_tier(options.alpha, 1), seconds, options.tiers),)
    known = [tier.name for tier in deployment.tiers]
    for name in options.tiers:
        if name not in known:
            raise click.UsageError(f"--tier {name!r} is not a tier of the deployment; give one of {', '.join(known)}")
    return tiers_of(deployment, specs, options.tiers)


def tiers_of(
    deployment: ModelDeploymentSpec, specs: Mapping[str, MonitoringDatasetSpec], wanted: Sequence[str] = ()
) -> tuple[TierRequest, ...]:
    """The deployment's tiers, or those that are wanted, as the log tells them apart; one where it does not."""
    sharing = len(deployment.tiers)
    alpha = alpha_of_tier(deployment.analysis.false_rollback_rate, sharing)
    chosen = [tier for tier in deployment.tiers if not wanted or tier.name in wanted]
    if any(spec.columns.tier is None for spec in specs.values()):  # the log does not distinguish tiers
        return (TierRequest(None, alpha, duration_seconds(chosen[0].max_duration), sharing=sharing),)
    return tuple(
        TierRequest(tier.name, alpha, duration_seconds(tier.max_duration), (tier.name,), sharing) for tier in chosen
    )


def _default_block(deployment: ModelDeploymentSpec | None, *, in_file_order: bool) -> float:
    if in_file_order:
        return float(ROWS_PER_BLOCK)
    return float(duration_seconds(deployment.analysis.interval if deployment else DEFAULT_BLOCK))


def _moment(value: datetime | timedelta | None, now: datetime) -> datetime | None:
    return now - value if isinstance(value, timedelta) else value


def _quoted(column: str) -> str:
    return "`" + column.replace("\\", "\\\\").replace("`", "\\`") + "`"
