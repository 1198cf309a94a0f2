"""Errors of the ports. Each carries the reason a gate or condition shows; none ever carries a credential."""

from __future__ import annotations

from tierwise.api.reasons import Reason


class TierwiseError(Exception):
    """An error a person meets: what is wrong (`message`), and what to do (`remedy`); `code` is the store's own."""

    def __init__(self, message: str, remedy: str = "", *, reason: Reason, code: int | None = None) -> None:
        super().__init__(f"{message}; {remedy}" if remedy else message)
        self.message = message
        self.remedy = remedy
        self.reason = reason
        self.code = code


class StoreError(TierwiseError):
    """The prediction log cannot be read: a Hold, by its reason (StoreUnreachable, UnknownTable, …)."""


class SpecError(TierwiseError):
    """A person must change an object: Stalled, by its reason (UnknownColumn, QueryRefused, NotSupported, …)."""


class ConflictError(Exception):
    """Somebody else wrote first (409 or 422): observe again and decide anew."""
