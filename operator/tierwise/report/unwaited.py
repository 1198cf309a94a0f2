"""Lines below a table of verdicts about slices that were too small to wait for: how many, which, how large. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from tierwise.api.names import Verdict
from tierwise.monitoring.verdicts.judgement import Result
from tierwise.plurals import agreeing, plural
from tierwise.report.text import difference_text, rate_text, slice_text

NOTHING_WAITED_FOR = "no slice was large enough to wait for: a promotion depends on all traffic together"
_MOST_LISTED = 5
_SHOWN = frozenset({Verdict.NON_INFERIOR, Verdict.IMPROVED, Verdict.REGRESSED})


def unwaited_lines(results: Sequence[Result]) -> tuple[str, ...]:
    """Lines about slices for which promotion did not wait and that have no verdict.

    They say the number of slices, their share of traffic, and which difference could have been seen. A slice with a
    verdict is left out, however small it is.
    """
    planned = [found for found in results if not found.powered and found.slice]
    open_ = [found for found in planned if found.verdict not in _SHOWN]
    if not open_:
        return ()
    total = sum(1 for found in results if found.slice)
    were, are, their = (agreeing(len(open_), *forms) for forms in (("was", "were"), ("is", "are"), ("its", "their")))
    first = (
        f"{len(open_)} of {plural(total, 'slice x metric', 'slices x metrics')} {were} planned as too small to be "
        f"waited for and {are} not shown to be within {their} margin"
    )
    lines = [f"{first}{_traffic(open_)}"]
    if len(planned) == total:
        lines.append(NOTHING_WAITED_FOR)
    largest = sorted(open_, key=lambda found: -(found.traffic or 0.0))[:_MOST_LISTED]
    lines += [f"  {slice_text(found.slice)} {found.metric}: {_blindness(found)}" for found in largest]
    if len(open_) > len(largest):
        lines.append(f"  … and {plural(len(open_) - len(largest), 'smaller one')} (-o json has all)")
    return tuple(lines)


def _traffic(found: Sequence[Result]) -> str:
    """The largest share of traffic of these slices in one grouping, because two groupings have the same rows."""
    ways: dict[tuple[str, ...], dict[str, float]] = {}
    for result in found:
        ways.setdefault(tuple(sorted(result.slice)), {})[slice_text(result.slice)] = result.traffic or 0.0
    way, shares = max(ways.items(), key=lambda item: sum(item[1].values()))
    held = sum(shares.values())
    return f"; those by {' and '.join(way)} hold {rate_text(held)} of the traffic" if held else ""


def _blindness(found: Result) -> str:
    held = "no traffic" if not found.traffic else f"{rate_text(found.traffic)} of the traffic"
    if found.smallest_detectable is None:
        return f"{held}, too few labels to see any change for the worse"
    least = difference_text(found.metric, found.smallest_detectable).removeprefix("+")
    return f"{held}, a change for the worse below about {least} could not show"
