"""Commands by annotation. Each value is handled once, and values that are there at first sight are not executed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from tierwise.api.names import ANNOTATION_PROMOTE, ANNOTATION_RETRY, ANNOTATION_ROLLBACK

Verb = Literal["rollback", "promote", "retry"]
ANNOTATIONS: Mapping[Verb, str] = {
    "rollback": ANNOTATION_ROLLBACK,
    "promote": ANNOTATION_PROMOTE,
    "retry": ANNOTATION_RETRY,
}
ALL = "all"
LONGEST_KEPT = 256  # characters
KEPT_START = 230  # of a longer one, so that a promotion still names its rollout and tier


@dataclass(frozen=True, slots=True)
class Given:
    """Who wrote a command, and when: the field manager of the write, as Kubernetes keeps no user with an object."""

    by: str
    at: datetime | None


def present(annotations: Mapping[str, str]) -> dict[str, str]:
    """The values by verb of the commands on the object, handled or not."""
    return {verb: annotations[name] for verb, name in ANNOTATIONS.items() if name in annotations}


def pending(verb: Verb, annotations: Mapping[str, str], *handled: Mapping[str, str]) -> str | None:
    """The command's value if no record says that it was handled; None otherwise. An empty value is no command.

    The records of the rollout and of the ModelDeployment both count, so that a crash between the two writes does not
    execute the command twice.
    """
    value = annotations.get(ANNOTATIONS[verb])
    if value is None or not value.strip():
        return None
    return None if is_handled(verb, value, *handled) else short(value)


def is_handled(verb: str, value: str, *handled: Mapping[str, str]) -> bool:
    """Whether a record has the value. Both are shortened: an earlier operator recorded a long value whole."""
    return any(verb in record and short(record[verb]) == short(value) for record in handled)


def bounded(annotations: Mapping[str, str]) -> dict[str, str]:
    """The annotations with every command's value shortened: these are copied into status, Events and log."""
    ours = ANNOTATIONS.values()
    return {name: short(value) if name in ours else value for name, value in annotations.items()}


def short(value: str) -> str:
    """What a status keeps of a value to know it again: a long one's start and hash."""
    if len(value) <= LONGEST_KEPT:
        return value
    return f"{value[:KEPT_START]}…{hashlib.sha256(value.encode()).hexdigest()[:16]}"


@dataclass(frozen=True, slots=True)
class Promotion:
    """``<rollout>/<tier>``, ``<rollout>/all`` or ``all``, then any text that makes the value unique."""

    rollout: str | None
    tier: str

    def names(self, rollout: str, tier: str) -> bool:
        """Whether the command promotes this tier of this rollout."""
        return self.rollout in (None, rollout) and self.tier in (ALL, tier)


def parse_promotion(value: str) -> Promotion | None:
    """The target of a promote annotation; None if it names none. Text after a blank or ``#`` only makes it unique."""
    words = value.replace("#", " ").split()
    if not words:
        return None
    rollout, slash, tier = words[0].partition("/")
    if not slash:
        return Promotion(None, ALL) if rollout == ALL else None
    return Promotion(rollout, tier) if rollout and tier else None
