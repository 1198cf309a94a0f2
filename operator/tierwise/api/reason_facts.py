"""The facts about a reason, and functions for the entries of the registry (reasons.py)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Literal

Severity = Literal["info", "warning", "critical"]
Scope = Literal["gate", "rollout", "deployment", "dataset", "program"]


class Health(Enum):
    """The state of a MonitoringDataset while it has a reason."""

    UNKNOWN = "unknown"  # nothing is known, because the store did not respond
    PASSING = "passing"  # it ends by itself when rows, labels or the store's load change
    BLOCKED = "blocked"  # it waits for a person


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts about a reason.

    `meaning` is one sentence for people. `remedy` says what a person should do ("" if nothing). `severity` info is
    progress, warning ends by itself, critical waits for a person or has undone something. `untrusted` means that the
    rows that were read cannot be judged, so that AnalysisHealthy is False.
    """

    scope: Scope
    severity: Severity
    meaning: str
    remedy: str = ""
    untrusted: bool = False
    dataset: Health = Health.BLOCKED


# For the type checker an entry is the value of an enum member. The member is a string with its facts beside it.
Entry = tuple[str, Facts]

_FACTS: dict[str, Facts] = {}  # by value, because members of an enum cannot have further attributes


class Described(StrEnum):
    """A string enum whose members have facts; the members are made from entries."""

    def __new__(cls, value: str, facts: Facts | None = None) -> Described:
        """Make a member from the value and facts of an entry. Without facts, look up the value."""
        assert facts is not None
        member = str.__new__(cls, value)
        member._value_ = value
        _FACTS[value] = facts
        return member

    @property
    def facts(self) -> Facts:
        """The facts about the member."""
        return _FACTS[self.value]


def progress(value: str, scope: Scope, meaning: str) -> Entry:
    """Make an entry for normal progress."""
    return value, Facts(scope, "info", meaning)


def warning(value: str, scope: Scope, meaning: str, remedy: str = "") -> Entry:
    """Make an entry for a state that ends by itself and that a person may want to check."""
    return value, Facts(scope, "warning", meaning, remedy)


def critical(value: str, scope: Scope, meaning: str, remedy: str = "") -> Entry:
    """Make an entry for a state that waits for a person, or in which something was undone."""
    return value, Facts(scope, "critical", meaning, remedy)


def hold(value: str, meaning: str, remedy: str = "") -> Entry:
    """Make an entry for a hold of the gate that ends by itself."""
    return warning(value, "gate", meaning, remedy)


def unread(value: str, meaning: str, remedy: str, dataset: Health = Health.BLOCKED) -> Entry:
    """Make an entry for a hold because the rows cannot be judged. `dataset` is then the state of the dataset."""
    return value, Facts("gate", "warning", meaning, remedy, untrusted=True, dataset=dataset)


def broken(value: str, meaning: str, remedy: str) -> Entry:
    """Make an entry for an error that a person must correct in the dataset or the analysis."""
    return value, Facts("dataset", "critical", meaning, remedy, untrusted=True)
