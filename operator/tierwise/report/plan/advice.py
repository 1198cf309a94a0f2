"""Advice on what to change so that a tier can see the given drops: one sentence each."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tierwise.api.slices import parse_slice_key
from tierwise.metrics.units import is_share
from tierwise.monitoring.planning.forecast import DropForecast, SliceForecast, TierForecast
from tierwise.report.text import NEVER, YEAR_SECONDS, difference_text, slice_text, value_text, wait_text
from tierwise.runtime.offline.planning import Plan

MOST_SLICES = 3


def advice_of(plan: Plan) -> tuple[str, ...]:
    """The advice as sentences, first those about drops; empty if nothing needs to change."""
    found = []
    for request, tier in zip(plan.request.tiers, plan.tiers, strict=True):
        where = f"tier {request.name!r}: " if request.name else ""
        found += [where + text for drop in tier.drops if not drop.fits for text in _of_drop(drop, tier)]
        found += [where + text for text in _of_unpowered(tier)]
        found += [where + text for text in _of_promotion(tier)]
    return tuple(found)


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
    else:
        ways = [f"maxDuration {_longer(drop.seconds)}"] if drop.seconds <= YEAR_SECONDS else []
        if drop.exposure_needed is not None:
            ways.append(f"exposure {drop.exposure_needed:.0%}")
        if drop.hypotheses_allowed is not None and drop.hypotheses_allowed >= tier.plan.hypotheses / 10:
            ways.append(f"at most {drop.hypotheses_allowed} slices x metrics instead of {tier.plan.hypotheses}")
        yield f"{drop_text(drop)} needs {wait_text(drop.seconds)}: {', or '.join(ways) or NEVER}"


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
    if late > tier.max_seconds:
        remedy = f"set maxDuration {_longer(late)}" if late <= YEAR_SECONDS else "judge fewer slices"
        yield f"a powered slice may take {wait_text(late)} to pass; {remedy}"


def _name(found: SliceForecast) -> str:
    return f"{found.metric} on {slice_text(parse_slice_key(found.slice))}"


def _ways(found: SliceForecast) -> str:
    ways = []
    if found.sure_seconds is not None and found.sure_seconds <= YEAR_SECONDS:
        ways.append(f"maxDuration {_longer(found.sure_seconds)}")
    if found.margin_needed is not None and not (is_share(found.metric) and found.margin_needed > 1):
        ways.append(f"margin {difference_text(found.metric, found.margin_needed).lstrip('+')}")
    return " or ".join(ways) or ("no rows" if found.labels_per_hour == 0 else NEVER)


def _longer(seconds: float) -> str:
    """The duration rounded up: to whole hours above two hours, else to ten minutes."""
    if seconds > 7200:
        return f"{math.ceil(seconds / 3600)}h"
    return f"{max(10, math.ceil(seconds / 600) * 10)}m"
