"""A simulation on a terminal: one row per rule, how rollouts ended, and the replay."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from tierwise.monitoring.planning.bounds import tolerance_of
from tierwise.plurals import plural
from tierwise.report.columns import NAME, Column, FittedTable
from tierwise.report.text import bounds_text, duration_text, slice_text
from tierwise.simulation.trials.facts import Report, replay_stops
from tierwise.simulation.trials.summary import Ends, RuleSummary, Share


def render_simulation(report: Report) -> RenderableType:
    """The tables of a simulation: the rule of Tierwise first, then those of other tools."""
    simulation = report.simulated.simulation
    policy = simulation.policy
    tiers = ", ".join(
        f"{tier.name or 'all traffic'} ({tier.exposure:.0%}, {duration_text(tier.max_duration)})"
        for tier in policy.tiers
    )
    parts: list[RenderableType] = [
        Text(
            f"{plural(simulation.runs, 'rollout')} of each kind, {report.source}, seed {simulation.seed}", style="bold"
        ),
        Text(
            f"Tiers: {tiers}; looks every {duration_text(policy.block_seconds)}; α = {policy.alpha:g} "
            f"of the rollout, {policy.tiers[0].alpha:.3g} {'of each tier' if len(policy.tiers) > 1 else 'of the tier'}"
        ),
    ]
    judged = {metric.name: metric for dataset in policy.analysis for metric in dataset.metrics}
    told = "; ".join(bounds_text(name, tolerance_of(metric), metric.margin) for name, metric in judged.items())
    parts.append(Text(told, style="dim"))
    drop = report.drop
    if drop is not None:
        begins = f", from {duration_text(drop.onset_seconds)} on" if drop.onset_seconds else ""
        before = "" if drop.before is None else f"{drop.before:g} "
        parts.append(Text(f"Drop: {drop.metric} {before}→ {drop.after:g} on {slice_text(drop.slice)}{begins}"))
    of_drop = (Column("DROP STOPPED"), Column("AFTER (MEDIAN)", 2), Column("ROLLED BACK BEFORE PROMOTION", 3))
    table = FittedTable(
        [
            Column("RULE", NAME),
            Column("EQUAL VERSIONS STOPPED"),
            *(of_drop if drop else ()),
            Column("WHAT IT DOES", 4, wraps=True),
        ],
    )
    for rule in report.rules:
        table.add_row(*_row(rule, policy.alpha))
    parts += [Text(""), table, Text(""), Text(_ends("Tierwise, equal versions", report.same))]
    if report.worse is not None:
        parts.append(Text(_ends("Tierwise, with the drop", report.worse)))
    if report.replay is not None:
        parts += [Text(""), Text("The log as it was", style="bold"), _replay(report)]
    parts += [Text(f"warning: {warning}", style="yellow") for warning in report.warnings]
    parts += [Text(f"note: {note}", style="dim") for note in report.notes]
    return Group(*parts)


def _row(rule: RuleSummary, alpha: float) -> list[Text | str]:
    low = rule.false_stops.interval[0]
    if not rule.judges:
        return [Text(rule.name), *([Text("–")] * (1 if rule.detected is None else 4)), Text(_what(rule), style="dim")]
    row: list[Text | str] = [
        Text(rule.name, style="bold" if rule.name == "tierwise" else ""),
        Text(_share(rule.false_stops), style="red" if low > alpha else "green"),
    ]
    if rule.detected is not None:
        found = rule.detected
        row.append(_share(found.share))
        row.append("never" if found.median_seconds is None else duration_text(found.median_seconds))
        row.append("–" if found.before_promotion is None else _share(found.before_promotion))
    return [*row, Text(_what(rule), style="dim")]


def _what(rule: RuleSummary) -> str:
    if not rule.not_judged:
        return rule.description
    return f"{rule.description}; cannot judge {', '.join(rule.not_judged)}"


def _share(share: Share) -> str:
    low, high = share.interval
    return f"{share.value or 0:.1%} ({low:.1%} – {high:.1%})"


def _ends(what: str, ends: Ends) -> str:
    named = "" if ends.named is None else f", {ends.named} of them with the drop's slice and metric named"
    return (
        f"{what}: {ends.promoted} of {ends.runs} promoted through all tiers, {ends.held} held, "
        f"{ends.rolled_back} rolled back{named}"
    )


def _replay(report: Report) -> FittedTable:
    assert report.replay is not None
    table = FittedTable([Column("RULE", NAME), Column("STOPPED"), Column("WHAT IT DOES", 2, wraps=True)])
    for rule, tier, seconds in replay_stops(report.replay):
        where = f" in {tier}" if tier else ""
        never = "never" if rule.judges else "–"
        table.add_row(rule.name, never if seconds is None else f"after {duration_text(seconds)}{where}", _what(rule))
    return table
