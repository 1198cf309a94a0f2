"""The options of `plan` and `simulate` for drops and tiers."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import click

from tierwise.api.common import duration_seconds
from tierwise.api.modeldeployment import ModelDeploymentSpec, Tier
from tierwise.cli.manifests.yaml_lines import load_one, parse_spec
from tierwise.cli.options.analysis_options import AnalyzeOptions
from tierwise.cli.options.analysis_request import request_of
from tierwise.cli.options.decorators import F, applied
from tierwise.cli.options.types import Span
from tierwise.errors import UnknownMetricError
from tierwise.metrics import registry
from tierwise.metrics.metric import Proportion, Shift
from tierwise.monitoring.planning.drop import Drop, is_worse
from tierwise.rollout.state.exposure import exposure_fraction
from tierwise.runtime.offline.analysis import AnalysisRequest, TierRequest
from tierwise.runtime.offline.planning import NO_CANDIDATE, PlannedTier, PlanRequest

STORE_WINDOW = timedelta(hours=24)  # for a store; of a file all rows are read
_DROP = re.compile(
    r"(?:(?P<slice>.+?)\s+)?(?P<metric>[a-z][-a-z0-9._@/]*)\s+(?P<before>\S+)?\s*(?:->|→)\s*(?P<after>\S+)"
)
DROP_HELP = "'carrier=VX accuracy 0.9->0.8': slice (none: the whole), metric, from (none: the log's own value) and to."


class Drops(click.ParamType[Drop]):
    """``carrier=VX,origin=JFK accuracy 0.9->0.8``: a change for the worse in a slice."""

    name = "drop"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Drop:  # noqa: ANN401
        """A Drop; the metric must exist and have a value."""
        if isinstance(value, Drop):
            return value
        found = _DROP.fullmatch(value.strip())
        if found is None:
            self.fail(
                f"{value!r} is not 'DIM=VALUE METRIC FROM->TO', for instance {DROP_HELP.split(':')[0]}", param, ctx
            )
        metric = found["metric"]
        try:
            measure = registry.get(metric).measure
        except UnknownMetricError as error:
            self.fail(str(error), param, ctx)
        if isinstance(measure, Shift):
            self.fail(f"{metric} has no value that could drop; name another metric", param, ctx)
        is_share = isinstance(measure, Proportion)
        before = self._number(found["before"], param, ctx, is_share=is_share) if found["before"] else None
        after = self._number(found["after"], param, ctx, is_share=is_share)
        if before is not None and not is_worse(metric, before, after):
            self.fail(f"{value!r} is no change for the worse in {metric}; give FROM->TO in that order", param, ctx)
        return Drop(self._slice(found["slice"], param, ctx), metric, before, after)

    def _number(self, text: str, param: click.Parameter | None, ctx: click.Context | None, *, is_share: bool) -> float:
        try:
            number = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
        except ValueError:
            self.fail(f"{text!r} is not a number; give a share such as 0.9 or 90%", param, ctx)
        if not (0 <= number <= 1 if is_share else math.isfinite(number)):
            self.fail(f"{text!r} is not a share; give one from 0 to 1, or in percent", param, ctx)
        return number

    def _slice(self, text: str | None, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        values: dict[str, str] = {}
        for part in (text or "").split(",") if text else ():
            name, equals, wanted = part.partition("=")
            if not equals or not name.strip():
                self.fail(f"{part!r} of the slice is not DIM=VALUE; several are joined by a comma", param, ctx)
            values[name.strip()] = wanted.strip()
        return values


class Share(click.ParamType[float]):
    """``20%``: 1–90 %, as a tier's exposure."""

    name = "percent"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:  # noqa: ANN401
        """A fraction."""
        if isinstance(value, float):
            return value
        try:
            return exposure_fraction(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def tier_options(function: F) -> F:
    """``--exposure``, ``--min-duration`` and ``--max-duration`` for a policy without a ModelDeployment."""
    options = (
        click.option(
            "--exposure", type=Share(), help="The candidate's share of the rows; default 20%, or the deployment's."
        ),
        click.option("--min-duration", type=Span(), help="Shortest time of a tier; default 10m, or the deployment's."),
        click.option("--max-duration", type=Span(), help="Longest time of a tier; default 4h, or the deployment's."),
    )
    return applied(options, function)


@dataclass(frozen=True, slots=True)
class TierFlags:
    """Values that override those of the deployment's tiers; None: the deployment's. Durations are seconds."""

    exposure: float | None
    min_duration: float | None
    max_duration: float | None


AS_DEPLOYED = TierFlags(None, None, None)
_SOAK_TOO_LONG = "--min-duration is longer than --max-duration; give a shorter soak or a longer tier"


def tier_flags(exposure: float | None, min_duration: float | None, max_duration: float | None) -> TierFlags:
    """The flags of `tier_options`.

    Raises:
        click.UsageError: a duration has no unit, or the soak is longer than the tier.
    """
    for name, value in (("--min-duration", min_duration), ("--max-duration", max_duration)):
        with_unit(name, value)
    if min_duration is not None and max_duration is not None and min_duration > max_duration:
        raise click.UsageError(_SOAK_TOO_LONG)
    return TierFlags(exposure, min_duration, max_duration)


def with_unit(option: str, value: float | None) -> None:
    """Check that a Span was given with a unit. Without a unit it is an int, a number of rows for `analyze --block`.

    Raises:
        click.UsageError: it has no unit.
    """
    if isinstance(value, int):
        raise click.UsageError(f"{option} {value} has no unit; give a duration such as {value}s or 1m")


def plan_request(
    given: dict[str, Any], flags: TierFlags, now: datetime, drops: tuple[Drop, ...]
) -> tuple[AnalyzeOptions, AnalysisRequest, PlanRequest, ModelDeploymentSpec | None]:
    """Make the request of a plan from the options that `analyze` has too. `baseline` may be absent.

    Raises:
        click.UsageError: an option is missing or does not fit the others.
        ManifestError: a manifest is wrong, with key and line.
    """
    baseline = given.pop("baseline")
    options = AnalyzeOptions(**given, baseline=baseline or "", candidate=NO_CANDIDATE, block=None)
    if options.data is not None and options.time_column is None and not options.dataset_files:
        raise click.UsageError("durations need times; give --time: which column of the file holds the time?")
    request = request_of(options, now)
    deployment = None
    if options.deployment_file is not None:
        deployment = parse_spec(load_one(options.deployment_file, "ModelDeployment"), ModelDeploymentSpec)
    judged = [metric.name for item in request.analysis for metric in item.metrics]
    for drop in drops:
        if drop.metric not in judged:
            raise click.UsageError(
                f"--drop: {drop.metric} is not judged; give one of {', '.join(dict.fromkeys(judged))}, or --metric"
            )
    return (
        options,
        request,
        PlanRequest(
            model=request.model,
            baseline=baseline,
            analysis=request.analysis,
            datasets=request.datasets,
            tiers=planned_tiers(request.tiers, deployment, flags),
            since=request.since,
            until=request.until,
            default_window=STORE_WINDOW if options.data is None else None,
            drops=drops,
        ),
        deployment,
    )


def planned_tiers(
    tiers: Sequence[TierRequest], deployment: ModelDeploymentSpec | None, flags: TierFlags = AS_DEPLOYED
) -> tuple[PlannedTier, ...]:
    """The tiers with their exposures and durations."""
    specs = {tier.name: tier for tier in deployment.tiers} if deployment else {}
    # A log without a tier column is read as the deployment's first tier.
    first = deployment.tiers[0] if deployment else None
    return tuple(
        replace(
            tier_of(tier.name, tier.alpha, tier.log_tiers, specs.get(tier.name or "", first), flags),
            sharing=tier.sharing,
            promotes_at_max=deployment is not None and deployment.analysis.on_inconclusive == "Promote",
        )
        for tier in tiers
    )


def tier_of(
    name: str | None, alpha: float, log_tiers: tuple[str, ...], spec: Tier | None, flags: TierFlags
) -> PlannedTier:
    """The deployment's tier (None: the defaults), with the values that the flags override.

    Raises:
        click.UsageError: a flag makes the soak longer than the tier.
    """
    defaults = Tier.model_fields
    exposure = spec.exposure if spec else defaults["exposure"].default
    shortest = spec.min_duration if spec else defaults["min_duration"].default
    longest = spec.max_duration if spec else defaults["max_duration"].default
    min_seconds = float(duration_seconds(shortest) if flags.min_duration is None else flags.min_duration)
    max_seconds = float(duration_seconds(longest) if flags.max_duration is None else flags.max_duration)
    if flags.min_duration is not None and min_seconds > max_seconds:
        raise click.UsageError(f"{_SOAK_TOO_LONG} (it is {longest} where it is not given)")
    return PlannedTier(
        name=name,
        alpha=alpha,
        exposure=exposure_fraction(exposure) if flags.exposure is None else flags.exposure,
        min_seconds=min_seconds,
        max_duration_seconds=max_seconds,
        log_tiers=log_tiers,
    )
