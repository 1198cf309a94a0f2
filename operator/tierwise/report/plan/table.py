"""A plan on a terminal: per tier the given drops, then the slices, then what to change."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from tierwise.api.slices import parse_slice_key
from tierwise.monitoring.planning.forecast import SliceForecast, TierForecast
from tierwise.report.alpha import alpha_text
from tierwise.report.columns import NAME, Column, FittedTable
from tierwise.report.plan.advice import advice_of, drop_text, late_text, unjudged_lines
from tierwise.report.text import (
    NEVER,
    YEAR_SECONDS,
    bounds_text,
    count_text,
    duration_text,
    slice_text,
    value_text,
    wait_text,
)
from tierwise.runtime.offline.planning import Plan, PlannedTier


def render_plan(plan: Plan, *, most: int = 15) -> RenderableType:
    """The tables of a plan, with at most `most` slices per tier, those with most labels."""
    window = plan.traffic.window
    model = f"{plan.request.model} " if plan.request.model else ""
    head = (
        f"Traffic of {model}{plan.traffic.baseline}, {window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC "
        f"({duration_text(plan.traffic.seconds)})"
    )
    parts: list[RenderableType] = [Text(line, style="bold red", overflow="fold") for line in unjudged_lines(plan)]
    parts += [Text(head)]
    for request, rows, tier in zip(plan.request.tiers, plan.rows, plan.tiers, strict=True):
        parts += _tier(request, rows / plan.traffic.seconds * 3600, tier, most)
    advice = advice_of(plan)
    if advice:
        parts += [Text(""), Text("What to change", style="bold"), *(Text(f"• {line}") for line in advice)]
    return Group(*parts)


def _tier(request: PlannedTier, rows_per_hour: float, tier: TierForecast, most: int) -> Iterator[RenderableType]:
    yield Text("")
    yield Text(
        f"{f'Tier {request.name}' if request.name else 'All traffic'}: {count_text(round(rows_per_hour))} rows/h, "
        f"exposure {tier.course.exposure:.0%}, maxDuration {duration_text(tier.course.max_seconds)}, "
        f"K = {tier.plan.hypotheses} slices x metrics, {alpha_text(tier.plan.alpha, request.sharing)}",
        style="bold",
    )
    metrics = {metric.name: metric for dataset in tier.plan.datasets for metric in dataset.metrics}
    told = "; ".join(bounds_text(metric.name, metric.tolerance, metric.margin) for metric in metrics.values())
    yield Text(told, style="dim")
    promoted = tier.promoted_seconds
    first = "by nobody but a person" if promoted is None else f"after {duration_text(promoted)} at the earliest"
    yield Text(f"an equal candidate is promoted {first}")
    weighted = [dataset.dataset.name for dataset in tier.plan.datasets if dataset.dataset.reads.weights]
    if tier.drops:
        drops = FittedTable(
            [
                Column("DROP", NAME),
                Column("EFFECTIVE LABELS" if weighted else "LABELS", 2, is_number=True),
                Column("TIME"),
                Column("FOUND IN TIME", wraps=True),
            ]
        )
        for drop in tier.drops:
            drops.add_row(
                drop_text(drop),
                "–" if drop.labels is None else count_text(drop.labels),
                "never" if drop.seconds is None else wait_text(drop.seconds),
                Text("yes", style="green") if drop.in_time else Text(late_text(drop, tier), style="red"),
            )
        yield drops
    labels = "EFFECTIVE LABELS/H" if weighted else "LABELS/H"
    table = FittedTable(
        [
            Column("SLICE", NAME),
            Column("METRIC", NAME),
            Column(labels, 4, is_number=True),
            Column("NOW", 3, is_number=True),
            Column("SMALLEST DROP SEEN"),
            Column("PASSES IN", 2),
            Column("JUDGED ALONE"),
        ]
    )
    ordered = sorted(tier.slices, key=lambda found: (found.slice != "", -found.labels_per_hour, found.slice))
    for found in ordered[:most]:
        table.add_row(
            slice_text(parse_slice_key(found.slice)),
            found.metric,
            count_text(round(found.labels_per_hour)),
            value_text(found.metric, found.value),
            "never" if found.smallest_in_time is None else f"→ {value_text(found.metric, found.smallest_in_time)}",
            _passes(found),
            Text("yes", style="green") if found.powered else Text("no", style="yellow"),
        )
    yield table
    if len(ordered) > most:
        never = sum(not found.powered for found in ordered[most:])
        yield Text(f"and {len(ordered) - most} more with fewer labels, {never} of them not judged alone (-o json)")
    if weighted:
        told = "sample weights make labels count less than their number: (Σw)²/Σw² of them are effective"
        yield Text(f"{', '.join(weighted)}: {told}", style="dim")
    alone = [d.dataset.name for d in tier.plan.datasets if not d.pods and d.dataset.spec.columns.unit is None]
    if alone:
        told = "φ = 1: nothing tells how much pods differ (spec.columns.pod)"
        yield Text(f"{', '.join(alone)}: {told}", style="dim")
    if tier.not_planned:
        yield Text(f"not planned, as they have no value that could drop: {', '.join(tier.not_planned)}")


def _passes(found: SliceForecast) -> str:
    if found.pass_seconds is None or found.sure_seconds is None:
        return "never"
    if found.sure_seconds > YEAR_SECONDS:
        return NEVER
    return f"{duration_text(found.pass_seconds, short=True)} – {duration_text(found.sure_seconds, short=True)}"
