"""What an analysis says before all else: its window has too few rows for any slice to be judged on its own."""

from __future__ import annotations

import math

from tierwise.monitoring.planning.judged import is_judged
from tierwise.report.text import printable
from tierwise.rollout.state.judged import Shortfall, enough, judged_of_plan, margin_size, shortfall_of
from tierwise.runtime.offline.analysis import Analysis


def unjudged_lines(analysis: Analysis) -> tuple[str, ...]:
    """One line for each tier and dataset of which no slice is judged, with what would help."""
    longest = {tier.name: tier.max_duration_seconds for tier in analysis.request.tiers}
    found = []
    for tier in analysis.tiers:
        judged = judged_of_plan(tier.plan)
        for name, dimensions in judged.items():
            if is_judged(dimensions):
                continue
            where = f"tier {tier.name!r}: " if tier.name else ""
            where += f"dataset {name!r}: " if len(judged) > 1 else ""
            found.append(printable(where + _words(shortfall_of(dimensions), analysis, longest[tier.name])))
    return tuple(found)


def _words(found: Shortfall, analysis: Analysis, max_seconds: float) -> str:
    if not found.is_whole_too_small:
        fact = "no slice has rows enough in this window to be judged on its own"
    elif found.is_sliced:
        fact = "nothing has rows enough in this window to be judged, not even all traffic together"
    else:
        fact = "all traffic together has too few rows in this window to be judged"
    near = found.most
    ways = []
    if near is not None and near.needs_seconds is not None:
        times = near.needs_seconds / max_seconds
        seconds = times * (analysis.window.end - analysis.window.start).total_seconds()
        window = f"{math.ceil(seconds)} rows" if analysis.request.in_file_order else f"a window of {enough(seconds)}"
        ways.append(f"take {math.ceil(times * 10) / 10:g} times as many rows ({window})")
    if near is not None and near.needs_margin is not None and near.metric is not None:
        ways.append(f"widen the margin of {near.metric} to {margin_size(near.metric, near.needs_margin)}")
    if near is None or not ways:
        return f"{fact}: send traffic or labels, or slice by less"
    return f"{fact}: {', or '.join(ways)}" + (f", for {near.nearest}" if near.nearest else "")
