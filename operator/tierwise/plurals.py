"""Numbers with the noun they count, for messages. Pure."""

from __future__ import annotations


def plural(count: int, one: str, several: str | None = None) -> str:
    """``1 pod``, ``2 pods``, ``0 pods``; `several` where an s at the end is not enough: ``2 entries``."""
    return f"{count} {one if count == 1 else several or one + 's'}"


def agreeing(count: int, one: str, several: str) -> str:
    """The form of a word that goes with a number: ``1 pod crashes``, ``2 pods crash``."""
    return one if count == 1 else several
