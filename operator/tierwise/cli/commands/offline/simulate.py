"""`tierwise simulate`: tests a policy on recorded or generated traffic, beside the rules of other tools."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

import click

from tierwise.api.modeldeployment import MetricSpec
from tierwise.cli.options.decorators import gathered, with_default
from tierwise.cli.options.log_options import judged_options, open_log, source_options, window_options
from tierwise.cli.options.policy_options import (
    DROP_HELP,
    Drops,
    TierFlags,
    plan_request,
    tier_flags,
    tier_options,
    with_unit,
)
from tierwise.cli.options.stream_options import (
    Generated,
    Judged,
    generate_options,
    generated_policy,
    generated_stream,
    policy_of,
)
from tierwise.cli.options.types import Span
from tierwise.cli.output.formats import console_for, print_facts
from tierwise.cli.output.progressbar import progress_bar
from tierwise.cli.output.simulate_table import render_simulation
from tierwise.metrics import registry
from tierwise.monitoring.planning.drop import Drop, is_counted
from tierwise.simulation.policy import Policy
from tierwise.simulation.streams.counts import Stream
from tierwise.simulation.streams.harm import ImpossibleDropError, can_be_simulated
from tierwise.simulation.streams.recording import Recording, record
from tierwise.simulation.trials.comparison import Simulation, simulate
from tierwise.simulation.trials.facts import Report, simulation_json

EXIT_NOT_SEEN = 3
EXIT_TOO_OFTEN = 4
SEEN_SHARE = 0.8  # share of the runs with the drop that should be rolled back before their promotion


@dataclass(frozen=True, slots=True)
class SimulateOptions:
    """The options as they were given."""

    candidate: str | None
    generate: dict[str, int] | None
    rows_per_minute: dict[str, float]
    error_rate: tuple[float, float]
    positive_share: float
    labelled: float
    drop: Drop | None
    onset: float
    exposure: float | None
    min_duration: float | None
    max_duration: float | None
    runs: int
    seed: int
    processes: int | None
    block: float | None
    history: float
    judge_every: float
    output: str


@click.command("simulate")
@source_options
@click.option("--baseline", help="The version whose rows are split into two equal arms; default: the one with most.")
@click.option("--candidate", help="Also replay the log as it was, this version against the baseline.")
@generate_options
@click.option("--drop", type=Drops(), help=DROP_HELP)
@click.option("--onset", type=Span(), default=0.0, help="When the drop begins, after the start of each tier; 30m.")
@tier_options
@with_default("--runs", click.IntRange(1, 100_000), 100, "Rollouts of each kind.")
@with_default("--seed", click.IntRange(0), 0, "The same seed, the same output.")
@click.option("--processes", type=click.IntRange(1), help="Default: one per CPU; the output does not depend on it.")
@click.option("--block", type=Span(), help="Time between two looks; default 1m, or the deployment's interval.")
@with_default(
    "--history",
    click.FloatRange(0.01, 0.9),
    0.25,
    "With a log: share of the window that is known before the rollouts begin.",
)
@click.option("--judge-every", type=Span(), default=1800.0, help="Interval of the Mann-Whitney judge; default 30m.")
@window_options
@judged_options
@with_default(("-o", "--output"), click.Choice(["table", "json", "yaml"]), "table", "Output format.")
@click.pass_context
@gathered(SimulateOptions)
def command(
    ctx: click.Context,
    /,
    own: SimulateOptions,
    **given: Any,  # noqa: ANN401  # the shared options, of their own types
) -> None:
    """How often would this policy stop a good model, and how soon a bad one? Other tools' rules run on the same counts.

    The command simulates --runs rollouts of two equal versions, and as many with the drop, through all tiers. The
    operator's own code plans, folds, judges and gates every tier. On the same counts it runs a z-test at every look,
    thresholds per slice with failureLimit 0, 3 and 10, and Kayenta's Mann-Whitney judge. All rules look until a tier's
    maxDuration, Tierwise also if it would have promoted before. A column says how many rollouts it rolled back before
    their promotion. Shares have 95 % Clopper-Pearson intervals.

    Rows come from a log or are generated. Of a log, the rows of one version are used. Each row is given to the
    candidate with the exposure as the probability, as if by a hash of the request. The drop inverts answers. With
    --candidate the log is also replayed as it was.

    \b
    A generated stream, no data at all:
      tierwise simulate --generate carrier=16,origin=3 --metric accuracy:0.02 --slice carrier --slice origin \\
        --drop 'carrier=c03 accuracy 0.95->0.85' --runs 50
    A recorded log:
      tierwise simulate --data predictions.parquet --time ts --metric accuracy:0.02 --slice carrier \\
        --drop 'carrier=VX accuracy ->0.8' --seed 7 -o json

    Exit status: 0 simulated, 3 Tierwise rolled back fewer than 80 % of the runs with the drop before they were
    promoted, 4 it stopped equal versions more often than α (the whole interval is above α), 1 an error, 2 wrong usage.
    """
    flags = tier_flags(own.exposure, own.min_duration, own.max_duration)
    for name, value in (("--block", own.block), ("--onset", own.onset), ("--judge-every", own.judge_every)):
        with_unit(name, value)
    drop = own.drop
    if drop is not None:
        if not can_be_simulated(drop.metric):
            raise click.UsageError(
                f"--drop: {drop.metric} is not a share of answers that inverted answers make worse; drop a share "
                "such as accuracy or recall, or replay a version that was bad with --candidate"
            )
        drop = replace(drop, onset_seconds=own.onset)
    replayed: tuple[Policy, Stream] | None = None
    notes: tuple[str, ...] = ()
    try:
        if own.generate is not None:
            if own.candidate is not None:
                raise click.UsageError("--candidate replays a log; leave it away with --generate")
            source = "generated"
            policy, stream = _generated(
                given,
                flags,
                Generated(own.generate, own.rows_per_minute, own.error_rate, own.positive_share, own.labelled),
                own.block,
                own.seed,
                drop,
            )
        else:
            recording = _recorded(given, flags, drop, own.candidate, own.block, own.history)
            policy, source, notes = recording.policy, recording.source, recording.notes
            stream, replayed = recording.stream, recording.replay
    except ImpossibleDropError as error:
        raise click.UsageError(f"--drop: {error}") from error
    judged = max(1, round(own.judge_every / policy.block_seconds))
    simulation = Simulation(policy, stream, own.runs, own.seed, drop is not None, judge_every=judged)
    with progress_bar("simulate: rollouts") as progress:
        found = simulate(simulation, processes=own.processes or os.cpu_count() or 1, on_progress=progress)
    replay = None
    if replayed is not None:
        replay = simulate(Simulation(*replayed, 1, own.seed, has_drop=False, judge_every=judged))
    report = Report(source, drop, found, replay, notes)
    if own.output == "table":
        console_for().print(render_simulation(report))
    else:
        print_facts(simulation_json(report), own.output)
    ctx.exit(_exit_status(report))


def _exit_status(report: Report) -> int:
    tierwise = report.rules[0]
    if tierwise.false_stops.interval[0] > report.simulated.simulation.policy.alpha:
        return EXIT_TOO_OFTEN
    # Only rollbacks before the promotion count: after it the policy would not have stopped anything.
    rolled_back = None if tierwise.detected is None else tierwise.detected.before_promotion
    if rolled_back is not None and (rolled_back.value or 0.0) < SEEN_SHARE:
        return EXIT_NOT_SEEN
    return 0


def _generated(
    given: Mapping[str, Any], flags: TierFlags, what: Generated, block: float | None, seed: int, drop: Drop | None
) -> tuple[Policy, Stream]:
    if given["data"] or given["dataset_files"] or given["baseline"]:
        raise click.UsageError("--generate makes the rows; leave --data, --dataset and --baseline away")
    judged = Judged(given["deployment_file"], given["metrics"], given["slices"], given["alpha"])
    policy = generated_policy(judged, flags, what.values, block_seconds=block)
    _require_counted([metric for item in policy.analysis for metric in item.metrics])
    if drop is not None and drop.metric not in [m.name for item in policy.analysis for m in item.metrics]:
        raise click.UsageError(f"--drop: {drop.metric} is not judged; give it with --metric")
    return policy, generated_stream(policy, what, seed=seed, drop=drop)


def _recorded(
    given: Mapping[str, Any],
    flags: TierFlags,
    drop: Drop | None,
    candidate: str | None,
    block: float | None,
    history: float,
) -> Recording:
    now = datetime.now(UTC)
    options, request, asked, deployment = plan_request(dict(given), flags, now, () if drop is None else (drop,))

    def policy(datasets: Mapping[str, Any], tiers: Any) -> Policy:  # noqa: ANN401
        return policy_of(
            asked.analysis,
            datasets,
            tiers,
            deployment,
            block_seconds=block or request.block_seconds,
            alpha=options.alpha,
        )

    with open_log(options, request) as log:
        return record(log, asked, policy, candidate=candidate, history=history, now=now)


def _require_counted(metrics: list[MetricSpec]) -> None:
    counted = [name for name in registry.names() if "@" not in name and is_counted(name)]
    for metric in metrics:
        if not is_counted(metric.name):
            raise click.UsageError(
                f"--generate makes labels and yes/no answers, and {metric.name} needs more of a row; "
                f"it has {', '.join(counted)}; judge {metric.name} on a recorded log, with --data or --store"
            )
