"""Leadership by a Lease. The leader checks a deadline by the monotonic clock before every write.

The rules are those of client-go. A candidate takes over when it has seen no renewal for the Lease's whole duration by
its own clock; it never compares clocks. A leader that could not renew for `renew_deadline` stops. Since renew_deadline
< duration, the old leader has stopped writing before a new one starts. A request that was already sent may still
arrive, but every request is idempotent.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from tierwise.errors import ConflictError, LeadershipLostError

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LeaseTimes:
    """Seconds. A request to the API server must end well before `renew_deadline`: see `request_timeout`."""

    duration: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        if not 0 < self.retry < self.renew_deadline < self.duration:
            raise ValueError(
                f"lease times: retry {self.retry:g} s < renew deadline {self.renew_deadline:g} s < duration "
                f"{self.duration:g} s must hold"
            )

    @property
    def request_timeout(self) -> float:
        """Seconds that one request may take: after a request that hangs there is time for another try."""
        return max(0.5, (self.renew_deadline - self.retry) / 2)


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """The Lease. `version` is its resourceVersion, "" before it exists. `holder` is "" after a release."""

    holder: str
    version: str = ""
    transitions: int = 0


class LeaseStore(Protocol):
    """Reads and writes the Lease."""

    def read(self) -> LeaseRecord | None:
        """None when it does not exist."""
        ...

    def write(self, record: LeaseRecord, duration_seconds: float) -> LeaseRecord:
        """Create (version "") or replace exactly that version, renewed now.

        Raises:
            ConflictError: another process wrote the Lease first.
        """
        ...


@dataclass
class Elector:
    """One candidate. `try_lead` is one attempt to acquire or renew; `guard` stops a write that comes too late."""

    store: LeaseStore
    identity: str
    monotonic: Callable[[], float]
    times: LeaseTimes = field(default_factory=LeaseTimes)
    _seen: LeaseRecord | None = None
    _seen_at: float = float("-inf")
    _deadline: float = float("-inf")

    def is_leading(self) -> bool:
        """Whether the last renewal is younger than the renew deadline, by the monotonic clock."""
        return self.monotonic() < self._deadline

    def guard(self) -> None:
        """Raises LeadershipLostError unless leading."""
        if not self.is_leading():
            raise LeadershipLostError("the Lease has not been renewed in time; nothing is written any more")

    def try_lead(self) -> bool:
        """Acquire or renew the Lease if this process may; returns whether it leads now.

        Raises:
            ConflictError: another process wrote the Lease meanwhile.
            Exception: whatever the store raises when it does not respond.
        """
        record = self.store.read()
        now = self.monotonic()
        if record != self._seen:
            self._seen, self._seen_at = record, now
        if record is not None and record.holder not in ("", self.identity) and not self._is_expired(now):
            self._deadline = float("-inf")  # another process leads
            return False
        taking_over = record is None or record.holder != self.identity
        wanted = LeaseRecord(
            holder=self.identity,
            version=record.version if record else "",
            transitions=(record.transitions if record else 0) + (1 if taking_over and record else 0),
        )
        # The deadline starts before the request. Other processes count from when they see it, which is later.
        written = self.store.write(wanted, self.times.duration)
        self._seen, self._seen_at = written, self.monotonic()
        self._deadline = now + self.times.renew_deadline
        return self.is_leading()

    def release(self) -> None:
        """Release the Lease, so that another process can take it at once. If this fails, the Lease expires anyway."""
        if not self.is_leading() or self._seen is None:
            return
        self._deadline = float("-inf")
        try:
            released = LeaseRecord("", self._seen.version, self._seen.transitions)
            self.store.write(released, 1.0)
        except Exception as error:  # noqa: BLE001  # the process ends; the Lease expires by itself
            logger.info("the Lease could not be released and expires by itself: %s", error)

    def acquire(self, stop: threading.Event) -> bool:
        """Try until this process leads (True) or is stopped (False)."""
        while not stop.is_set():
            if self._attempt():
                logger.info("leading as %s", self.identity)
                return True
            stop.wait(self.times.retry)
        return False

    def keep(self, stop: threading.Event) -> bool:
        """Renew until this process is stopped (True) or has lost the Lease (False)."""
        while not stop.wait(self.times.retry):
            if not self._attempt() and not self.is_leading():
                logger.error("leadership lost by %s", self.identity)
                return False
        return True

    def _attempt(self) -> bool:
        try:
            return self.try_lead()
        except ConflictError as error:
            logger.info("lease: %s", error)
        except Exception as error:  # noqa: BLE001  # an unanswered request is another try, within the deadline
            logger.warning("lease: %s", error)
        return False

    def _is_expired(self, now: float) -> bool:
        return now >= self._seen_at + self.times.duration
