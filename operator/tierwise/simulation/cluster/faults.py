"""Faults at writes, for tests: an operator that dies, a response that is lost, a conflict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class CrashError(BaseException):
    """The operator died. It is a BaseException, so that no handler of errors catches it."""


class Faults(Protocol):
    """Is called around every write. Raising before the write prevents it; raising after it loses the response."""

    def before(self, write: str) -> None:
        """Is called before a write."""
        ...

    def after(self, write: str) -> None:
        """Is called after a write."""
        ...


class NoFaults:
    """No write fails."""

    def before(self, write: str) -> None:
        """Nothing."""

    def after(self, write: str) -> None:
        """Nothing."""


class CountedWrites(NoFaults):
    """No write fails; `writes` is the number of writes so far."""

    def __init__(self) -> None:
        self.writes = 0

    def after(self, write: str) -> None:  # noqa: ARG002
        """Count."""
        self.writes += 1


class FaultAtWrite:
    """Raises once, before or after the n-th write (counted from 0) since this object was made."""

    def __init__(self, index: int, error: Callable[[str], BaseException], *, is_before: bool) -> None:
        self._index = index
        self._error = error
        self._is_before = is_before
        self._writes = 0
        self.has_happened = False

    def before(self, write: str) -> None:
        """Raise here or count."""
        if self._is_before and self._writes == self._index and not self.has_happened:
            self._fail(write)

    def after(self, write: str) -> None:
        """Raise here or count."""
        self._writes += 1
        if not self._is_before and self._writes == self._index + 1 and not self.has_happened:
            self._fail(write)

    def _fail(self, write: str) -> None:
        self.has_happened = True
        raise self._error(write)
