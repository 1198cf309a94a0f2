"""Runs ticks: a bounded pool of threads over the work queue."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Protocol

from tierwise.errors import ConflictError, LeadershipLostError, ReasonedError
from tierwise.runtime.control_loop.workqueue import Key, WorkQueue

logger = logging.getLogger(__name__)

Tick = Callable[[str, str], float | None]


class TickObserver(Protocol):
    """Receives the outcome of every tick, for metrics."""

    def tick_ended(self, outcome: str, seconds: float) -> None:
        """`outcome` is ok, conflict or error."""
        ...


class Loop:
    """Runs ticks in the order of the queue, `workers` at a time, never two ticks of one object.

    A tick that raises is logged once per back-off step and tried again. It never ends the loop.
    """

    def __init__(self, observer: TickObserver, *, workers: int = 8, queue: WorkQueue | None = None) -> None:
        self._observer = observer
        self._queue = queue or WorkQueue()
        self._changed = threading.Condition()
        self._stopping = False
        self._workers = workers
        self._threads: list[threading.Thread] = []

    def start(self, tick: Tick) -> None:
        """Start the threads. Objects that were woken before get their ticks from now on."""
        for number in range(self._workers):
            thread = threading.Thread(target=self._work, args=(tick,), name=f"tick-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def stop(self, *, timeout_seconds: float = 10.0) -> None:
        """Stop the loop. Wait at most `timeout_seconds` for running ticks to end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        deadline = time.monotonic() + timeout_seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    def wake(self, namespace: str, name: str) -> None:
        """Make the object due, because something that concerns it changed. Returns at once."""
        with self._changed:
            self._queue.wake((namespace, name), time.monotonic())
            self._changed.notify()

    def forget(self, namespace: str, name: str) -> None:
        """Remove an object that no longer exists."""
        with self._changed:
            self._queue.forget((namespace, name))

    def overdue_seconds(self) -> float:
        """For the liveness probe: see `WorkQueue.overdue_seconds`."""
        with self._changed:
            return self._queue.overdue_seconds(time.monotonic())

    def __len__(self) -> int:
        with self._changed:
            return len(self._queue)

    def _work(self, tick: Tick) -> None:
        while True:
            with self._changed:
                key = None
                while not self._stopping and (key := self._queue.take(time.monotonic())) is None:
                    self._changed.wait(self._queue.wait_seconds(time.monotonic()))
                if key is None:
                    return
            self._run(tick, key)

    def _run(self, tick: Tick, key: Key) -> None:
        started = time.monotonic()
        outcome, after = "ok", None
        try:
            after = tick(*key)
        except ConflictError as error:
            outcome = "conflict"
            logger.debug("%s/%s: %s; observes again", *key, error)
        except LeadershipLostError:
            outcome = "error"
        except Exception as error:  # noqa: BLE001  # whatever it is, the object is tried again and the others go on
            outcome = "error"
            self._log(key, error)
        ended = time.monotonic()
        with self._changed:
            if outcome == "ok":
                self._queue.finish(key, ended, after)
            elif outcome == "conflict":
                self._queue.conflict(key, ended)
            else:
                self._queue.fail(key, ended)
            self._changed.notify()
        self._observer.tick_ended(outcome, ended - started)

    def _log(self, key: Key, error: Exception) -> None:
        if isinstance(error, ReasonedError) or type(error).__module__.startswith("tierwise."):
            logger.error("%s/%s: %s; tries again", *key, error)
        else:
            logger.error("%s/%s: tick failed; tries again", *key, exc_info=error)
