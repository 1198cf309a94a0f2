"""`tierwise plan`: how long tiers must run, from the log's own traffic."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import click

from tierwise.cli.options.decorators import gathered
from tierwise.cli.options.log_options import judged_options, open_log, source_options, window_options
from tierwise.cli.options.policy_options import DROP_HELP, Drops, plan_request, tier_flags, tier_options
from tierwise.cli.output.formats import console_for, print_facts
from tierwise.monitoring.planning.drop import Drop
from tierwise.report.plan.advice import is_enough
from tierwise.report.plan.json_form import plan_json
from tierwise.report.plan.table import render_plan
from tierwise.runtime.offline.planning import plan

EXIT_NOT_SEEN = 3


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """The options as they were given."""

    drops: tuple[Drop, ...]
    exposure: float | None
    min_duration: float | None
    max_duration: float | None
    show_all: bool
    output: str


@click.command("plan")
@source_options
@click.option("--baseline", help="The version whose traffic is read; default: the one with most rows.")
@click.option("--drop", "drops", type=Drops(), multiple=True, help=DROP_HELP + " May be repeated.")
@tier_options
@window_options
@judged_options
@click.option("--all", "show_all", is_flag=True, help="Show every slice, not only those with most labels.")
@click.option(
    "-o", "--output", type=click.Choice(["table", "json", "yaml"]), default="table", show_default=True,
    help="Output format.",
)  # fmt: skip
@click.pass_context
@gathered(PlanOptions)
def command(
    ctx: click.Context,
    /,
    own: PlanOptions,
    **given: Any,  # noqa: ANN401  # the shared options, of their own types
) -> None:
    """Compute before a rollout how many labels and how much time each tier needs, from the traffic in the log.

    For each drop of --drop it says when a tier would find it, and whether that is in time: within the tier's
    maxDuration, and before the tier would be promoted. If a tier can judge no slice on its own, that comes first. For
    every slice it says the smallest drop that is found in time, and when an equal candidate passes (half of the time,
    and almost surely). It also says whether promotion waits for the slice: a slice with too little traffic is judged
    only as part of larger ones. Then it says what to change: a longer maxDuration, more exposure, another margin, fewer
    slices and metrics.

    It reads one version's rows: the last 24 h of a store, or from --since on; of a file all rows.

    \b
    A prediction log in ClickHouse:
      tierwise plan --store clickhouse://user@ch:8123/ml --dataset humans.yaml --deployment bot-score.yaml \\
        --drop 'asn_type=residential false-positive-rate 0.5%->3%'
    A file, no server at all:
      tierwise plan --data predictions.parquet --time ts --slice carrier --metric accuracy:0.01 \\
        --drop 'carrier=VX accuracy 0.9->0.8' --exposure 20% --max-duration 4h

    Exit status: 0 every drop is found in time by every tier, 3 one would be promoted or is not seen within
    maxDuration, or a tier can judge no slice, 1 an error, 2 wrong usage.
    """
    now = datetime.now(UTC)
    flags = tier_flags(own.exposure, own.min_duration, own.max_duration)
    options, request, asked, _ = plan_request(dict(given), flags, now, own.drops)
    with open_log(options, request) as log:
        found = plan(asked, log, now)
    if own.output == "table":
        console_for().print(render_plan(found, most=10_000 if own.show_all else 15))
    else:
        print_facts(plan_json(found), own.output)
    ctx.exit(0 if is_enough(found) else EXIT_NOT_SEEN)
