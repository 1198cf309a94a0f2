"""What a promotion still waits for: one list, named alike in messages, statuses and `explain`. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable

from tierwise.api.names import Verdict
from tierwise.monitoring.verdicts.judgement import Result

_OPEN = frozenset({Verdict.INCONCLUSIVE, Verdict.INSUFFICIENT_DATA})


def waited_for(results: Iterable[Result]) -> tuple[Result, ...]:
    """Results that must be within their margin before a promotion and are not shown to be yet, the slowest first.

    These are all traffic, and every slice that is powered. Slowest is what needs the most labels beside those it has;
    before all, what cannot be told to need any number. Metrics that promotion does not ask for are left out.
    """
    waiting = [
        found
        for found in results
        if (found.powered or not found.slice)
        and found.verdict in _OPEN
        and (found.log10_e_non_inferior is not None or found.labels_needed)
    ]
    return tuple(sorted(waiting, key=lambda found: -_times_as_many(found)))


def _times_as_many(found: Result) -> float:
    """Labels still needed, as a multiple of those seen: proportional to the time that they take."""
    seen = found.candidate.n + found.baseline.n
    return math.inf if not found.labels_needed or not seen else found.labels_needed / seen
