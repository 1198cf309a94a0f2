"""Geometry of the report's charts, in percent of their width. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from tierwise.api.modelrollout import TierStatus
from tierwise.report.text import duration_text
from tierwise.rollout.state.observation import RolloutView

_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, 86400, 172800, 604800)


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a tier's time."""

    kind: str  # probe, judge, deliver, verify, rollback
    left: float
    width: float
    label: str


@dataclass(frozen=True, slots=True)
class Row:
    """The row of one tier."""

    name: str
    phase: str
    segments: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Tiers over time; `ticks` are places and their labels."""

    rows: tuple[Row, ...]
    ticks: tuple[tuple[float, str], ...]


@dataclass(frozen=True, slots=True)
class IntervalMarks:
    """A difference with its interval on the common scale of all rows; None for none. 50 means no difference."""

    point: float | None
    low: float | None
    high: float | None
    tolerance: float
    margin: float
    worse_is_right: bool


def timeline_of(rollout: RolloutView, now: datetime) -> Timeline:
    """The timeline: when each tier was probed, judged, delivered or rolled back."""
    start = rollout.status.started_at or rollout.created_at
    end = max(rollout.status.finished_at or now, start + timedelta(seconds=1))
    span = (end - start).total_seconds()

    def segment(kind: str, first: datetime, last: datetime) -> Segment:
        left = (first - start).total_seconds() / span * 100
        seconds = max(0.0, (last - first).total_seconds())
        return Segment(
            kind, round(left, 3), round(max(seconds / span * 100, 0.4), 3), f"{kind} {duration_text(seconds)}"
        )

    rows = tuple(Row(tier.name, tier.phase, tuple(_segments(tier, end, segment))) for tier in rollout.status.tiers)
    return Timeline(rows, ticks_of(span))


def ticks_of(span: float) -> tuple[tuple[float, str], ...]:
    """At most nine round times within `span` seconds."""
    step = next((step for step in _STEPS if span / step <= 8), _STEPS[-1])
    return tuple((round(at * step / span * 100, 3), duration_text(at * step)) for at in range(int(span // step) + 1))


def _segments(tier: TierStatus, end: datetime, segment):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
    if tier.started_at is None:
        return
    over = tier.finished_at or end
    judging, delivering = tier.judging_since, tier.delivering_since
    yield segment("probe", tier.started_at, judging or delivering or over)
    if judging is not None:
        yield segment("judge", judging, delivering or over)
    if delivering is not None:
        yield segment("deliver", delivering, over)
    if tier.phase in ("RolledBack", "RollingBack"):
        yield segment("rollback", over, over)


def interval_marks(
    differences: Sequence[float | None],
    intervals: Sequence[tuple[float, float] | None],
    bounds: Sequence[tuple[float, float]],
    worse_is_right: Sequence[bool],
) -> tuple[IntervalMarks, ...]:
    """Marks of rows on one scale: wide enough for every difference and margin, intervals are clipped to it.

    `bounds` are tolerance and margin.
    """
    found = max([abs(d) for d in differences if d is not None], default=0.0)
    ends = [abs(end) for interval in intervals if interval is not None for end in interval]
    # The interval of a tiny slice would make all others too small, so it is cut at twice the largest difference.
    largest = max(
        found * 1.3, min(max(ends, default=0.0), found * 2), max((max(both) for both in bounds), default=0.0) * 2, 1e-6
    )

    def place(value: float) -> float:
        return round(50 + max(-1.0, min(1.0, value / largest)) * 50, 2)

    return tuple(
        IntervalMarks(
            point=None if difference is None else place(difference),
            low=None if interval is None else place(interval[0]),
            high=None if interval is None else place(interval[1]),
            tolerance=place(tolerance if is_right else -tolerance),
            margin=place(margin if is_right else -margin),
            worse_is_right=is_right,
        )
        for difference, interval, (tolerance, margin), is_right in zip(
            differences, intervals, bounds, worse_is_right, strict=True
        )
    )
