"""When each object is due. One tick at a time per object, coalesced wakes, back-off. The caller passes the time."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field

Key = tuple[str, str]  # namespace, name

BACK_OFF_SECONDS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 60.0)
CONFLICT_SECONDS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


@dataclass
class _Entry:
    due: float | None = None  # None while running
    started: float | None = None
    last_start: float = float("-inf")
    woken: bool = False  # while running: something changed, and the tick may not have seen it
    forgotten: bool = False  # while running: the object no longer exists; it may come back under the same name
    failures: int = 0
    conflicts: int = 0


@dataclass
class WorkQueue:
    """Due times of objects, in seconds of a monotonic clock.

    After `take` returns an object, it does not return it again before the tick is finished. A wake during a tick makes
    the object due at once after the tick. Ticks of one object start at least `gap_seconds` apart, so that a burst of
    watch events causes one tick. An object at rest is due every `resync_seconds`, plus or minus a tenth.
    """

    gap_seconds: float = 0.1
    resync_seconds: float = 600.0
    jitter: Callable[[], float] = random.random
    _entries: dict[Key, _Entry] = field(default_factory=dict)
    _heap: list[tuple[float, Key]] = field(default_factory=list)

    def wake(self, key: Key, now: float) -> None:
        """Make the object due now (or as soon as the gap allows)."""
        entry = self._entries.setdefault(key, _Entry())
        if entry.started is not None:
            entry.woken = True
        else:
            self._schedule(key, entry, min(entry.due or float("inf"), max(now, entry.last_start + self.gap_seconds)))

    def forget(self, key: Key) -> None:
        """Remove an object that no longer exists.

        It is not due any more, also not after a tick that still runs, unless it is woken again.
        """
        entry = self._entries.get(key)
        if entry is not None and entry.started is not None:
            entry.forgotten, entry.woken = True, False
        else:
            self._entries.pop(key, None)

    def take(self, now: float) -> Key | None:
        """The object that has been due longest, or None when none is due. It then counts as running."""
        while self._heap and self._heap[0][0] <= now:
            due, key = heapq.heappop(self._heap)
            entry = self._entries.get(key)
            if entry is None or entry.due != due:  # forgotten, or scheduled again since
                continue
            entry.due, entry.started, entry.last_start, entry.woken = None, now, now, False
            return key
        return None

    def wait_seconds(self, now: float) -> float | None:
        """Seconds until the next object may be due; None when none is waiting."""
        return max(0.0, self._heap[0][0] - now) if self._heap else None

    def finish(self, key: Key, now: float, after_seconds: float | None) -> None:
        """Note that the tick succeeded. The next one is due after `after_seconds`; None means that the object rests."""
        if (entry := self._entries.get(key)) is not None:
            entry.failures = entry.conflicts = 0
            rest = self.resync_seconds * (0.9 + 0.2 * self.jitter())
            self._end(key, entry, now, rest if after_seconds is None else after_seconds)

    def conflict(self, key: Key, now: float) -> None:
        """Note that another writer was first. The object is due at once, and later after repeated conflicts."""
        if (entry := self._entries.get(key)) is not None:
            pause = CONFLICT_SECONDS[min(entry.conflicts, len(CONFLICT_SECONDS) - 1)]
            entry.conflicts += 1
            self._end(key, entry, now, pause)

    def fail(self, key: Key, now: float) -> float:
        """Note that the tick failed. Returns the seconds until the next try.

        A wake during the failed tick does not shorten this time. A later wake makes the object due at once.
        """
        entry = self._entries.get(key)
        if entry is None:
            return 0.0
        pause = BACK_OFF_SECONDS[min(entry.failures, len(BACK_OFF_SECONDS) - 1)] * (0.8 + 0.4 * self.jitter())
        entry.failures += 1
        entry.woken = entry.woken and entry.forgotten  # a new object of the same name has not failed yet
        self._end(key, entry, now, pause)
        return pause

    def overdue_seconds(self, now: float) -> float:
        """The longest delay, in seconds: of an object that waits past its due time, or of a tick that still runs."""
        since = (entry.due if entry.started is None else entry.started for entry in self._entries.values())
        late = [now - moment for moment in since if moment is not None]
        return max([0.0, *late])

    def __len__(self) -> int:
        return len(self._entries)

    def _end(self, key: Key, entry: _Entry, now: float, after_seconds: float) -> None:
        if entry.forgotten:
            del self._entries[key]
            if entry.woken:
                self._entries[key] = entry = _Entry(last_start=entry.last_start, woken=True)
            else:
                return
        entry.started = None
        soon = entry.last_start + self.gap_seconds
        self._schedule(key, entry, max(soon, now if entry.woken else now + after_seconds))
        entry.woken = False

    def _schedule(self, key: Key, entry: _Entry, due: float) -> None:
        if entry.due != due:
            entry.due = due
            heapq.heappush(self._heap, (due, key))
