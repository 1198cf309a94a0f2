"""Advice on what to change so that a tier can see the given drops: one sentence each."""

from __future__ import annotations

from collections.abc import Iterator

from tierwise.api.slices import parse_slice_key
from tierwise.metrics.units import is_share
from tierwise.monitoring.planning.forecast import DropForecast, SliceForecast, TierForecast
from tierwise.monitoring.planning.promotion import labels_late
from tierwise.report.text import (
    NEVER,
    YEAR_SECONDS,
    difference_text,
    duration_text,
    printable,
    slice_text,
    value_text,
    wait_text,
)
from tierwise.rollout.state.judged import enough, judged_of_plan, slices_judged
from tierwise.runtime.offline.planning import Plan

MOST_SLICES = 3


def advice_of(plan: Plan) -> tuple[str, ...]:
    """The advice as sentences, first those about drops; empty if nothing needs to change."""
    found = []
    for request, tier in zip(plan.request.tiers, plan.tiers, strict=True):
        where = f"tier {request.name!r}: " if request.name else ""
        found += [where + text for drop in tier.drops if not drop.in_time for text in _of_drop(drop, tier)]
        found += [where + text for text in _of_unpowered(tier)]
        found += [where + text for text in _of_promotion(tier)]
    return tuple(found)


def unjudged_lines(plan: Plan) -> tuple[str, ...]:
    """What stands before all else: for each tier of which no slice can be judged, that, and what would help."""
    found = []
    for request, tier in zip(plan.request.tiers, plan.tiers, strict=True):
        judged = slices_judged(judged_of_plan(tier.plan))
        if judged is not None and not judged.judged:
            where = f"tier {request.name!r}: " if request.name else ""
            found.append(printable(f"{where}{judged.message}"))
    return tuple(found)


def is_enough(plan: Plan) -> bool:
    """Whether every drop is found in time by every tier, and every tier can judge slices."""
    return all(drop.in_time for tier in plan.tiers for drop in tier.drops) and not unjudged_lines(plan)


def late_text(drop: DropForecast, tier: TierForecast) -> str:
    """``no: promoted after 12m, found after 1h25m``."""
    if drop.seconds is None:
        return "no: never found"
    found, promoted = drop.seconds, drop.promoted_seconds
    if promoted is not None and promoted < min(found, tier.course.max_seconds):
        return f"no: promoted after {duration_text(promoted)}, found after {wait_text(found)}"
    return f"no: maxDuration is {duration_text(tier.course.max_seconds)}"


def drop_text(drop: DropForecast) -> str:
    """``accuracy 90.0 % → 80.0 % on carrier=VX``."""
    name = drop.drop.metric
    values = f"{value_text(name, drop.before)} → {value_text(name, drop.drop.after)}"
    return f"{name} {values} on {slice_text(drop.drop.slice)}"


def _of_drop(drop: DropForecast, tier: TierForecast) -> Iterator[str]:
    if drop.labels_per_hour == 0:
        yield f"{drop_text(drop)}: no labelled rows there; send traffic or labels to it"
    elif drop.seconds is None:
        tolerance = difference_text(drop.drop.metric, drop.tolerance).lstrip("+")
        text = f"within the tolerance of {tolerance}, so it is no regression"
        yield f"{drop_text(drop)}: {text}; set a smaller margin or tolerance of {drop.drop.metric}"
    elif drop.fits:
        yield f"{drop_text(drop)} {_after_promotion(drop, tier)}"
    else:
        ways = [_longer(drop.seconds)] if drop.seconds <= YEAR_SECONDS else []
        if drop.exposure_needed is not None:
            ways.append(f"exposure {drop.exposure_needed:.0%}")
        if drop.hypotheses_allowed is not None and drop.hypotheses_allowed >= tier.plan.hypotheses / 10:
            ways.append(f"at most {drop.hypotheses_allowed} slices x metrics instead of {tier.plan.hypotheses}")
        yield f"{drop_text(drop)} needs {wait_text(drop.seconds)}: {', or '.join(ways) or NEVER}"


def _after_promotion(drop: DropForecast, tier: TierForecast) -> str:
    """A drop that would be found within maxDuration, had the tier not been promoted before."""
    found, promoted = drop.seconds or 0.0, drop.promoted_seconds or 0.0
    soak = found + labels_late(tier.plan.datasets)
    ways = [f"minDuration {enough(soak)}" if soak <= tier.course.max_seconds else f"minDuration and {_longer(soak)}"]
    own = next((found for found in tier.slices if _is_of(found, drop) and not found.powered), None)
    if own is not None and own.sure_seconds is not None and own.sure_seconds <= YEAR_SECONDS:
        ways.append(f"{_longer(own.sure_seconds)}, so that promotion waits for the slice")
    return f"is found after {duration_text(found)}, and promoted after {duration_text(promoted)}: {', or '.join(ways)}"


def _longer(seconds: float) -> str:
    return f"maxDuration {enough(seconds)}"


def _of_unpowered(tier: TierForecast) -> Iterator[str]:
    weak = [found for found in tier.slices if not found.powered and found.slice]
    whole = [found for found in tier.slices if not found.powered and not found.slice]
    for found in whole:
        yield f"{found.metric} of all traffic has to pass and may not in time: {_ways(found)}"
    if weak:
        weak.sort(key=lambda found: -found.labels_per_hour)
        shown = ", ".join(f"{_name(found)} ({_ways(found)})" for found in weak[:MOST_SLICES])
        more = f" and {len(weak) - MOST_SLICES} more" if len(weak) > MOST_SLICES else ""
        yield f"promotion does not wait for {len(weak)} of {len(tier.slices)} slices x metrics: {shown}{more}"


def _of_promotion(tier: TierForecast) -> Iterator[str]:
    slow = [found for found in tier.slices if found.powered and found.sure_seconds is not None]
    late = max((found.sure_seconds or 0.0 for found in slow), default=0.0)
    if late > tier.course.max_seconds:
        remedy = f"set {_longer(late)}" if late <= YEAR_SECONDS else "judge fewer slices"
        yield f"a powered slice may take {wait_text(late)} to pass; {remedy}"


def _is_of(found: SliceForecast, drop: DropForecast) -> bool:
    return (found.dataset, found.metric, found.slice) == (drop.dataset, drop.drop.metric, drop.drop.key)


def _name(found: SliceForecast) -> str:
    return f"{found.metric} on {slice_text(parse_slice_key(found.slice))}"


def _ways(found: SliceForecast) -> str:
    ways = []
    if found.sure_seconds is not None and found.sure_seconds <= YEAR_SECONDS:
        ways.append(_longer(found.sure_seconds))
    if found.margin_needed is not None and not (is_share(found.metric) and found.margin_needed > 1):
        ways.append(f"margin {difference_text(found.metric, found.margin_needed).lstrip('+')}")
    return " or ".join(ways) or ("no rows" if found.labels_per_hour == 0 else NEVER)
