"""What people ask for by annotation: each value is handled once, and values present at first sight are not executed."""

from __future__ import annotations

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


@dataclass(frozen=True, slots=True)
class Given:
    """Who wrote a command, and when: the field manager of the write, as Kubernetes keeps no user with an object."""

    by: str
    at: datetime | None


def present(annotations: Mapping[str, str]) -> dict[str, str]:
    """Value per verb of the commands that are on the object, handled or not."""
    return {verb: annotations[name] for verb, name in ANNOTATIONS.items() if name in annotations}


def pending(verb: Verb, annotations: Mapping[str, str], *handled: Mapping[str, str]) -> str | None:
    """The command's value when no record says that it was handled; None otherwise.

    The rollout's record counts as much as the ModelDeployment's: a crash between the two writes must not fire it twice.
    """
    value = annotations.get(ANNOTATIONS[verb])
    if value is None or any(record.get(verb) == value for record in handled):
        return None
    return value


@dataclass(frozen=True, slots=True)
class Promotion:
    """``<rollout>/<tier>``, ``<rollout>/all`` or ``all``, then anything that makes the value unique."""

    rollout: str | None
    tier: str

    def names(self, rollout: str, tier: str) -> bool:
        """Whether this promotes that tier of that rollout."""
        return self.rollout in (None, rollout) and self.tier in (ALL, tier)


def parse_promotion(value: str) -> Promotion | None:
    """The target of a promote annotation; None when it names nothing. What follows a blank or ``#`` is a token."""
    words = value.replace("#", " ").split()
    if not words:
        return None
    rollout, slash, tier = words[0].partition("/")
    if not slash:
        return Promotion(None, ALL) if rollout == ALL else None
    return Promotion(rollout, tier) if rollout and tier else None
