"""A clock that moves when it is told to."""

from __future__ import annotations

from datetime import datetime, timedelta


class SimulatedClock:
    """Implements the Clock port."""

    def __init__(self, start: datetime) -> None:
        self._now = start

    def now(self) -> datetime:
        """UTC-aware."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Move forward."""
        if seconds < 0:
            raise ValueError("a clock does not go back")
        self._now += timedelta(seconds=seconds)
