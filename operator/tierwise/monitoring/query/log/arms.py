"""SQL for the two arms of a log: baseline and candidate, or two halves of the baseline. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from tierwise.monitoring.query.log.columns import Log

UNIT_BUCKETS = 64  # by a hash of the unit; a variance of so many is known to 18 %


@dataclass(frozen=True, slots=True)
class Arms:
    """Which rows are compared (a condition), and in which arm a row is (0 or 1).

    `block`: what takes the place of the block that a row is in by its time.
    """

    condition: str
    index: str
    block: str | None = None


def versions_of(log: Log) -> Arms:
    """Baseline and candidate."""
    return Arms(log.versions(), f"({log.text('version')} = {{candidate:String}})")


def halves_of(log: Log) -> Arms:
    """The baseline's pods in two halves, by a hash of the name that never changes."""
    return Arms(
        f"{log.text('version')} = {{baseline:String}}", f"(cityHash64(ifNull(toString({log.column('pod')}), '')) % 2)"
    )


def units_of(log: Log) -> Arms:
    """The baseline's rows that name their unit, as one arm, by a hash of the unit in place of blocks."""
    unit = f"ifNull(toString({log.column('unit')}), '')"
    condition = f"{log.text('version')} = {{baseline:String}} AND {unit} != ''"
    return Arms(condition, "0", f"toInt32(cityHash64({unit}) % {UNIT_BUCKETS})")
