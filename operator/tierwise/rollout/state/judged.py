"""What is judged on its own, in words: for the condition `SlicesJudged`, `lint`, `plan` and `analyze`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tierwise.api.common import Margin
from tierwise.api.frozen import Frozen, JudgedDimension
from tierwise.metrics.units import is_share
from tierwise.monitoring.planning.judged import is_judged, nearest_of
from tierwise.monitoring.planning.tier_plan import TierPlan

Judged = Mapping[str, Sequence[JudgedDimension]]
"""The ways of slicing by dataset."""


@dataclass(frozen=True, slots=True)
class SlicesJudged:
    """Whether promotion waits for slices of every dataset, and the words for it. Slices' values are as in the log."""

    judged: bool
    message: str


@dataclass(frozen=True, slots=True)
class Shortfall:
    """Why a dataset is not judged, and the part of it that needs most: None where there are no rows."""

    is_whole_too_small: bool
    is_sliced: bool
    most: JudgedDimension | None


def judged_of_plan(plan: TierPlan) -> Judged:
    """Of a plan, without datasets that no promotion asks for."""
    return {d.dataset.name: d.dimensions for d in plan.datasets if d.dimensions}


def judged_of_frozen(frozen: Frozen) -> Judged:
    """Of a plan as it is kept; empty of one that was written before this was kept."""
    return {d.name: d.dimensions for d in frozen.datasets if d.dimensions}


def slices_judged(found: Judged) -> SlicesJudged | None:
    """The words for a tier; None where no metric of it asks for anything before a promotion."""
    if not found:
        return None
    silent = {name: dimensions for name, dimensions in found.items() if not is_judged(dimensions)}
    if silent:
        told = [_nothing(dimensions) + _in(name, found) for name, dimensions in silent.items()]
        return SlicesJudged(judged=False, message="; ".join(told))
    told = [_shares(dimensions) + _in(name, found) for name, dimensions in found.items()]
    return SlicesJudged(judged=True, message="; ".join(told))


def unjudged_dimensions(found: Judged) -> Iterator[tuple[str, str]]:
    """Dataset and words for each dimension of which no slice is judged on its own."""
    for name, dimensions in found.items():
        for one in dimensions:
            if one.dimension and not one.powered:
                what = f"no slice of {one.dimension} has traffic enough to be judged on its own within maxDuration"
                yield name, what + _in(name, found) + remedy_text(one)


def remedy_text(found: JudgedDimension | None) -> str:
    """``: raise maxDuration to 2h, or widen the margin of accuracy to 4.1 pp, for carrier=AA``."""
    ways = [] if found is None else list(_ways(found))
    if found is None or not ways:
        return ": send traffic or labels, or slice by less"
    return f": {', or '.join(ways)}" + (f", for {found.nearest}" if found.nearest else "")


def enough(seconds: float) -> str:
    """A round duration that is surely enough: whole hours above two, else ten minutes."""
    if seconds > 7200:
        return f"{math.ceil(seconds / 3600)}h"
    minutes = max(10, math.ceil(seconds / 600) * 10)
    return f"{minutes}m" if minutes % 60 else f"{minutes // 60}h"


def shortfall_of(dimensions: Sequence[JudgedDimension]) -> Shortfall:
    """Of a dataset that is not judged: what has too few rows, and the part that needs most to be judged."""
    whole = next((found for found in dimensions if not found.dimension and not found.powered), None)
    sliced = [found for found in dimensions if found.dimension]
    # The whole has to pass beside the slice, so what needs most decides.
    parts = [found for found in (nearest_of(sliced), whole) if found is not None]
    return Shortfall(
        is_whole_too_small=whole is not None, is_sliced=bool(sliced), most=max(parts, key=_needed, default=None)
    )


def _nothing(dimensions: Sequence[JudgedDimension]) -> str:
    found = shortfall_of(dimensions)
    remedy = remedy_text(found.most)
    if not found.is_whole_too_small:
        alone = "no slice has traffic enough to be judged on its own within maxDuration"
        return f"{alone}: promotion waits for all traffic only{remedy.replace(':', ';', 1)}"
    if not found.is_sliced:
        return f"all traffic together is too little to be judged within maxDuration{remedy}"
    return f"nothing has traffic enough to be judged within maxDuration, not even all traffic together{remedy}"


def _needed(found: JudgedDimension) -> float:
    return math.inf if found.needs_seconds is None else found.needs_seconds


def _shares(dimensions: Sequence[JudgedDimension]) -> str:
    sliced = [found for found in dimensions if found.dimension]
    if not sliced:
        return "all traffic is judged as one, by no slices"
    held = [f"{found.dimension} {_percent(found.traffic)}" for found in sliced if found.powered]
    text = f"traffic in slices that are judged on their own: {', '.join(held)}"
    silent = [found for found in sliced if not found.powered]
    if silent:
        text += f"; no slice of {' and '.join(found.dimension for found in silent)}"
        text += remedy_text(nearest_of(silent)) if len(silent) == 1 else ""
    return text


def _ways(found: JudgedDimension) -> Iterator[str]:
    if found.needs_seconds is not None:
        yield f"raise maxDuration to {enough(found.needs_seconds)}"
    if found.needs_margin is not None and found.metric is not None:
        yield f"widen the margin of {found.metric} to {margin_size(found.metric, found.needs_margin)}"


def margin_size(metric: str, margin: Margin) -> str:
    """``25 % relative``, ``2.1 pp``, or ``0.02`` of a metric that is no share."""
    if margin.relative is not None:
        return f"{margin.relative * 100:.3g} % relative"
    absolute = margin.absolute or 0.0
    return f"{absolute * 100:.3g} pp" if is_share(metric) else f"{absolute:.3g}"


def _percent(share: float) -> str:
    return f"{share * 100:.3g} %"


def _in(name: str, found: Judged) -> str:
    return f" (dataset {name})" if len(found) > 1 else ""
