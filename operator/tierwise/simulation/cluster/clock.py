"""A clock that moves only when `advance` is called."""

from __future__ import annotations

from datetime import datetime, timedelta


class SimulatedClock:
    """Implements the Clock port."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        """The simulated time, UTC-aware."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move the clock forward."""
        if seconds < 0:
            raise ValueError("a clock does not go back")
        self._now += timedelta(seconds=seconds)
