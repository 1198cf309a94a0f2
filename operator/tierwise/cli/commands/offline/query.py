"""`tierwise query`: the exact SQL of a dataset and window, to run it by hand."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import click

from tierwise.api.modeldeployment import DatasetAnalysis, MetricSpec, ModelDeploymentSpec
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.cli.manifests.yaml_lines import load_one, parse_spec
from tierwise.cli.options.decorators import gathered
from tierwise.cli.options.named_rollout import stored_rollout
from tierwise.cli.options.rollout_query import VERDICTS, looks_of, verdicts_asked
from tierwise.cli.options.types import MetricName, Moment
from tierwise.cli.output.formats import print_facts
from tierwise.metrics import registry
from tierwise.monitoring.counts.model import Block, Dataset, Scope
from tierwise.monitoring.planning.required_reads import reads_of
from tierwise.monitoring.planning.tier_plan import groupings_of
from tierwise.monitoring.query.look.explain import KINDS, Asked, commented, inlined, parameters_of

EXIT_NOTHING = 3


@dataclass(frozen=True, slots=True)
class QueryOptions:
    """The options as they were given."""

    dsn: str
    rollout: str | None
    namespace: str | None
    dataset_files: tuple[str, ...]
    deployment_file: str | None
    model: str | None
    baseline: str | None
    candidate: str | None
    since: datetime | timedelta | None
    until: datetime | timedelta | None
    tiers: tuple[str, ...]
    metrics: tuple[str, ...]
    slices: tuple[str, ...]
    kinds: tuple[str, ...]
    with_parameters: bool
    output: str


@click.command("query")
@click.option("--store", "dsn", required=True, envvar="TIERWISE_STORE", help="DSN of the log: its columns are read.")
@click.option(
    "--rollout", metavar="NAME-N", help="Queries of this rollout, from what the store has of it; needs no manifest."
)
@click.option("-n", "--namespace", envvar="TIERWISE_NAMESPACE", help="With --rollout: its namespace. Default: any.")
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
    help="Manifest of a ModelDeployment: its metrics and slices. Default: every dimension alone.",
)
@click.option("--model", help="Name of the model in the log, unless --deployment names it.")
@click.option("--baseline", help="The version that candidates are compared with.")
@click.option("--candidate", help="The version that is judged.")
@click.option("--since", type=Moment(), help="Start of the window: 2026-03-01T12:00:00Z, or 2h for two hours ago.")
@click.option("--until", type=Moment(), help="End of the window, exclusive. Default: just after the last row.")
@click.option("--tier", "tiers", multiple=True, help="Only these tiers of the log; may be repeated.")
@click.option(
    "--metric",
    "metrics",
    type=MetricName(),
    multiple=True,
    help="A metric, for what it reads beyond counts; may be repeated.",
)
@click.option("--slice", "slices", multiple=True, metavar="DIM[,DIM]", help="A dimension or several; may be repeated.")
@click.option(
    "--show",
    "kinds",
    type=click.Choice([*KINDS, VERDICTS]),
    multiple=True,
    show_default="look; with --rollout verdicts",
    help="Which queries; may be repeated. halves, pods: the baseline's spread. survey: which versions the log has. "
    "verdicts: what ml_verdicts has of --rollout.",
)
@click.option("--params", "with_parameters", is_flag=True, help="Keep parameters, with a SET line for each.")
@click.option(
    "-o", "--output", type=click.Choice(["sql", "json", "yaml"]), default="sql", show_default=True, help="Format."
)
@click.pass_context
@gathered(QueryOptions)
def command(ctx: click.Context, /, given: QueryOptions) -> None:
    """Print the SQL that analyze and the operator send, with comments that explain each column.

    Literals are filled in, so that you can paste it into clickhouse-client. The window is one block. Its counts are
    those that `tierwise analyze` shows for the same window.

    \b
      tierwise query --dataset humans.yaml --model bot-score --baseline v7 --candidate v8 --since 2h | clickhouse-client
      tierwise query --rollout bot-score-4               # its verdicts, also when its object is gone
      tierwise query --rollout bot-score-4 --show look   # what was asked of the log, tier by tier

    Exit status: 0, 3 no rows of either version in the window, 1 an error, 2 wrong usage.
    """
    now = datetime.now(UTC)
    if given.rollout is not None:
        _print(_of_rollout(given, now), given)
        return
    if given.baseline is None or given.candidate is None or not given.dataset_files:
        raise click.UsageError("give --dataset, --baseline and --candidate, or --rollout")
    kinds = given.kinds or ("look",)
    if VERDICTS in kinds:
        raise click.UsageError("--show verdicts needs --rollout")
    start, end = (now - at if isinstance(at, timedelta) else at for at in (given.since, given.until))
    if start is not None and start >= (end or now):
        raise click.UsageError(f"--since {start:%Y-%m-%dT%H:%M:%SZ} is not before the end of the window")
    datasets, named = _datasets(given.dataset_files, given.deployment_file, given.metrics, given.slices)
    # Imported here, because an adapter's libraries take a second to load and --help needs none of them.
    from tierwise.adapters.prediction_logs.recorded import open_recorded_store

    found: list[_Found] = []
    with open_recorded_store(given.dsn) as log:
        for dataset in datasets:
            name = given.model or named
            if name is None and dataset.spec.columns.model is not None:
                raise click.UsageError("--model is missing: which model of the log?")
            scope = Scope(name if dataset.spec.columns.model else None, given.baseline, given.candidate, given.tiers)
            seen = log.survey(dataset, scope, (start, end or now))
            rows = [seen[version] for version in (given.baseline, given.candidate) if version in seen]
            if not rows and "survey" not in kinds:
                there = ", ".join(sorted(seen)) or "none"
                versions = f"{given.baseline!r} or {given.candidate!r} (versions there: {there})"
                fact = f"dataset {dataset.name!r}: no rows of {versions}"
                click.echo(f"{fact}\nCheck --model, --tier, --since and --until.", err=True)
                ctx.exit(EXIT_NOTHING)
            first = start or min((one.first for one in rows), default=now - timedelta(days=1))
            last = end or max((one.last + timedelta(milliseconds=1) for one in rows), default=now)
            asked = log.asked(dataset, scope, [Block(first, last)], kinds, now)
            found += [_Found(None, dataset.name, log.hash_of(dataset), one) for one in asked]
    _print(found, given)


@dataclass(frozen=True, slots=True)
class _Found:
    """A query, and what it is of."""

    tier: str | None
    dataset: str | None
    hashed: str | None
    asked: Asked


def _of_rollout(given: QueryOptions, now: datetime) -> list[_Found]:
    """The queries of a rollout: of its verdicts, and of the looks at its tiers."""
    fixed = (given.deployment_file, given.model, given.baseline, given.candidate, given.since, given.until)
    if any(value is not None for value in fixed) or given.metrics or given.slices:
        raise click.UsageError("--rollout says versions, window, metrics and slices; only --tier and --show go with it")
    from tierwise.adapters.prediction_logs.recorded import open_recorded_store

    assert given.rollout is not None
    named = stored_rollout(given.dsn, given.rollout, given.namespace or "", "")
    assert named.past is not None
    for note in named.notes:
        click.echo(note, err=True)
    kinds = given.kinds or (VERDICTS,)
    found = [_Found(None, None, None, verdicts_asked(named.past))] if VERDICTS in kinds else []
    rest = [kind for kind in kinds if kind != VERDICTS]
    if not rest:
        return found
    documents = [load_one(path, "MonitoringDataset") for path in given.dataset_files]
    specs = {document.name: parse_spec(document, MonitoringDatasetSpec) for document in documents}
    with open_recorded_store(given.dsn) as log:
        for look in looks_of(named.past, given.tiers, specs):
            asked = log.asked(look.dataset, look.scope, [look.block], rest, now)
            found += [_Found(look.tier, look.dataset.name, log.hash_of(look.dataset), one) for one in asked]
    return found


def _print(found: list[_Found], given: QueryOptions) -> None:
    if given.output == "sql":
        texts = [commented(each.asked, each.hashed, with_parameters=given.with_parameters) for each in found]
        heads = [f"-- {each.tier}, {each.dataset}\n" if each.tier is not None else "" for each in found]
        click.echo("\n".join(head + text for head, text in zip(heads, texts, strict=True)), nl=False)
        return
    print_facts(
        {
            "schema": "tierwise.io/query/v1",
            "rollout": given.rollout,
            "queries": [
                {
                    "tier": each.tier,
                    "dataset": each.dataset,
                    "hash": each.hashed,
                    "kind": each.asked.kind,
                    "purpose": each.asked.purpose,
                    "sql": each.asked.query.sql if given.with_parameters else inlined(each.asked.query),
                    "parameters": parameters_of(each.asked.query) if given.with_parameters else {},
                    "columns": dict(each.asked.columns),
                }
                for each in found
            ],
        },
        given.output,
    )


def _datasets(
    files: tuple[str, ...], deployment_file: str | None, metrics: tuple[str, ...], slices: tuple[str, ...]
) -> tuple[list[Dataset], str | None]:
    """The datasets with their slices and metrics, and the deployment's model."""
    documents = [load_one(path, "MonitoringDataset") for path in files]
    specs = {document.name: parse_spec(document, MonitoringDatasetSpec) for document in documents}
    if deployment_file is None:
        chosen = [MetricSpec(name=name, margin=registry.get(name).default_margin) for name in metrics]
        analyses = [
            DatasetAnalysis.model_construct(name=name, metrics=chosen, slices=list(slices) or None, expect=[])
            for name in specs
        ]
        model = None
    else:
        if metrics or slices:
            raise click.UsageError("--deployment says metrics and slices; leave --metric and --slice away")
        deployment = parse_spec(load_one(deployment_file, "ModelDeployment"), ModelDeploymentSpec)
        analyses = [item for item in deployment.analysis.datasets if item.name in specs]
        model = deployment.model
        if not analyses:
            names = ", ".join(item.name for item in deployment.analysis.datasets)
            raise click.UsageError(f"{deployment_file} names none of the datasets given (it names {names})")
    return [
        Dataset(
            item.name, specs[item.name], groupings_of(item, specs[item.name]), reads=reads_of(item, specs[item.name])
        )
        for item in analyses
    ], model
