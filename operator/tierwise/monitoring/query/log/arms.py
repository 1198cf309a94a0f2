"""SQL for the two arms of a log: baseline and candidate, or two halves of the baseline. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from tierwise.monitoring.query.log.columns import Log


@dataclass(frozen=True, slots=True)
class Arms:
    """Which rows are compared (a condition), and in which arm a row is (0 or 1)."""

    condition: str
    index: str


def versions_of(log: Log) -> Arms:
    """Baseline and candidate."""
    return Arms(log.versions(), f"({log.text('version')} = {{candidate:String}})")


def halves_of(log: Log) -> Arms:
    """The baseline's pods in two halves, by a hash of the name that never changes."""
    return Arms(
        f"{log.text('version')} = {{baseline:String}}", f"(cityHash64(ifNull(toString({log.column('pod')}), '')) % 2)"
    )
