"""The options of `simulate` for generated rows, and the stream and policy that are made from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from tierwise.api.common import duration_seconds
from tierwise.api.modeldeployment import DatasetAnalysis, MetricSpec, ModelDeploymentSpec
from tierwise.api.monitoringdataset import Dimension, MonitoringDatasetSpec
from tierwise.cli.manifests.yaml_lines import load_one, parse_spec
from tierwise.cli.options.decorators import F, applied, with_default
from tierwise.cli.options.policy_options import TierFlags, tier_of
from tierwise.errors import PlanError, SpecError
from tierwise.monitoring.counts.model import Dataset
from tierwise.monitoring.planning.drop import Drop
from tierwise.monitoring.planning.tier_plan import alpha_of_tier, groupings_of
from tierwise.runtime.offline.planning import PlannedTier
from tierwise.simulation.policy import Policy, TierPolicy
from tierwise.simulation.streams.counts import GeneratedStream, population

MOST_ATOMS = 20_000  # largest number of combinations of values in a generated stream


class Values(click.ParamType[dict[str, int]]):
    """``carrier=16,origin=3``: names of dimensions and their numbers of values."""

    name = "dim=count,…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, int]:  # noqa: ANN401
        """Dimension → number of values."""
        if isinstance(value, dict):
            return value
        found: dict[str, int] = {}
        combinations = 1
        for part in value.split(","):
            name, equals, count = (text.strip() for text in part.partition("="))
            if not equals or not name or not count.isdigit() or not int(count):
                self.fail(f"{part!r} is not DIM=COUNT, for instance carrier=16,origin=3", param, ctx)
            found[name] = int(count)
            combinations *= int(count)
        if combinations > MOST_ATOMS:
            self.fail(
                f"{value!r} has {combinations} combinations, more than {MOST_ATOMS}; give fewer values", param, ctx
            )
        return found


class Rates(click.ParamType[tuple[float, float]]):
    """``0.05``, or ``0.01..0.08`` for rates spread over the values of the first dimension."""

    name = "rate"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, float]:  # noqa: ANN401
        """Lowest and highest."""
        if isinstance(value, tuple):
            return value
        try:
            numbers = [float(part.removesuffix("%")) / (100 if part.endswith("%") else 1) for part in value.split("..")]
        except ValueError:
            self.fail(f"{value!r} is not a rate such as 0.05 or 0.01..0.08", param, ctx)
        if len(numbers) > 2 or not all(0 < number < 1 for number in numbers):
            self.fail(f"{value!r} is not a rate between 0 and 1, nor two of them as 0.01..0.08", param, ctx)
        return numbers[0], numbers[-1]


class Rows(click.ParamType[dict[str, float]]):
    """``2000`` rows per minute in every tier, or ``tier-3=500,tier-2=2500``."""

    name = "rows"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, float]:  # noqa: ANN401
        """Tier → rows; the key "" is for all tiers."""
        if isinstance(value, dict):
            return value
        found: dict[str, float] = {}
        for part in str(value).split(","):
            name, equals, text = (piece.strip() for piece in part.rpartition("="))
            try:
                number = float(text)
            except ValueError:
                number = 0.0
            if number <= 0 or (equals and not name):
                self.fail(f"{part!r} is no number of rows; give 2000, or tier-3=500,tier-2=2500", param, ctx)
            found[name] = number
        return found


def generate_options(function: F) -> F:
    """``--generate`` and the options that describe its rows."""
    options = (
        click.option(
            "--generate",
            type=Values(),
            help="Instead of a log: dimensions with their numbers of values, carrier=16,origin=3.",
        ),
        with_default(
            "--rows-per-minute",
            Rows(),
            "2000",
            "With --generate: rows of both arms in every tier; tier-3=500,tier-2=2500 sets it for each tier.",
        ),
        with_default(
            "--error-rate",
            Rates(),
            "0.05",
            "With --generate: wrong answers; 0.01..0.08 is spread over the values of the first dimension.",
        ),
        with_default("--positive-share", click.FloatRange(0, 1), 0.5, "With --generate: positive labels."),
        with_default(
            "--labelled", click.FloatRange(0, 1, min_open=True), 1.0, "With --generate: rows that get a label."
        ),
    )
    return applied(options, function)


@dataclass(frozen=True, slots=True)
class Generated:
    """The options for generated rows."""

    values: Mapping[str, int]
    rows_per_minute: Mapping[str, float]
    error_rate: tuple[float, float]
    positive_share: float
    labelled: float


@dataclass(frozen=True, slots=True)
class Judged:
    """The options for what is judged: a deployment's analysis, or metrics and slices with α."""

    deployment_file: str | None
    metrics: tuple[MetricSpec, ...]
    slices: tuple[str, ...]
    alpha: float


GENERATED = "generated"  # the dataset's name without a deployment


def generated_policy(
    judged: Judged, flags: TierFlags, values: Mapping[str, int], *, block_seconds: float | None
) -> Policy:
    """The policy for generated rows: that of a deployment, or one tier with the given metrics.

    Raises:
        click.UsageError: no metric, or a deployment and metrics.
        ManifestError: the manifest is wrong, with key and line.
        SpecError: a slice that is not generated.
    """
    deployment = None
    if judged.deployment_file is not None:
        if judged.metrics or judged.slices:
            raise click.UsageError("--deployment says metrics and slices; leave --metric and --slice away")
        deployment = parse_spec(load_one(judged.deployment_file, "ModelDeployment"), ModelDeploymentSpec)
        analysis = tuple(deployment.analysis.datasets)
        share = alpha_of_tier(deployment.analysis.false_rollback_rate, len(deployment.tiers))
        tiers = [tier_of(tier.name, share, (), tier, flags) for tier in deployment.tiers]
    else:
        if not judged.metrics:
            raise click.UsageError(
                "which metric? give --metric NAME:MARGIN, for instance accuracy:0.01, or --deployment"
            )
        analysis = (
            DatasetAnalysis.model_construct(
                name=GENERATED, metrics=list(judged.metrics), slices=list(judged.slices) or None, expect=[]
            ),
        )
        tiers = [tier_of(None, alpha_of_tier(judged.alpha, 1), (), None, flags)]
    seconds = duration_seconds(deployment.analysis.interval) if deployment else 60.0
    return policy_of(
        analysis,
        generated_datasets(analysis, values),
        tiers,
        deployment,
        block_seconds=block_seconds or float(seconds),
        alpha=judged.alpha,
    )


def policy_of(
    analysis: tuple[DatasetAnalysis, ...],
    datasets: Mapping[str, Dataset],
    tiers: Sequence[PlannedTier],
    deployment: ModelDeploymentSpec | None,
    *,
    block_seconds: float,
    alpha: float,
) -> Policy:
    """The policy that the options describe."""
    return Policy(
        analysis=analysis,
        datasets=datasets,
        tiers=tuple(
            TierPolicy(tier.name, tier.alpha, tier.exposure, tier.min_seconds, tier.max_duration_seconds)
            for tier in tiers
        ),
        block_seconds=block_seconds,
        alpha=deployment.analysis.false_rollback_rate if deployment else alpha,
        on_inconclusive=deployment.analysis.on_inconclusive if deployment else "Hold",
    )


def generated_datasets(analysis: tuple[DatasetAnalysis, ...], values: Mapping[str, int]) -> dict[str, Dataset]:
    """Datasets with the generated dimensions.

    Raises:
        SpecError: a slice that is not generated, or a metric or expectation that does not exist.
    """
    dimensions = [Dimension.model_construct(name=name, expression=name, max_values=10_000) for name in sorted(values)]
    spec = MonitoringDatasetSpec.model_construct(table="generated", dimensions=dimensions)
    found = {}
    for item in analysis:
        try:
            found[item.name] = Dataset(item.name, spec, groupings_of(item, spec))
        except PlanError as error:
            remedy = f"{error.remedy.split(' or add it')[0]} or add it to --generate"
            raise SpecError(error.message, remedy, reason=error.reason) from error
    return found


def generated_stream(policy: Policy, given: Generated, *, seed: int, drop: Drop | None) -> GeneratedStream:
    """The stream that the options describe. Every dataset gets rows of its own.

    Raises:
        click.UsageError: a tier without rows, or a drop in a slice that is not generated.
    """
    found = population(
        given.values, error_rate=given.error_rate, positive_share=given.positive_share, labelled=given.labelled
    )
    rows = []
    for tier in policy.tiers:
        of_tier = given.rows_per_minute.get(tier.name or "", given.rows_per_minute.get(""))
        if of_tier is None:
            raise click.UsageError(f"--rows-per-minute says nothing of tier {tier.name!r}; give {tier.name}=NUMBER too")
        rows.append(of_tier * policy.block_seconds / 60)
    if drop is not None:
        for dimension, value in drop.slice.items():
            count = given.values.get(dimension)
            known = [f"{dimension[:1]}{i + 1:02d}" for i in range(count or 0)]
            if value not in known:
                shown = f"{', '.join(known[:3])} … {known[-1]}" if known else "none: it is not in --generate"
                raise click.UsageError(f"--drop: {dimension}={value} is not generated; values of {dimension}: {shown}")
    return GeneratedStream(policy, dict.fromkeys(policy.datasets, found), rows, seed=seed, drop=drop)
