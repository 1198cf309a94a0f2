"""What is known of a reason, and the few forms that entries of the registry (reasons.py) have."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import Literal

Severity = Literal["info", "warning", "critical"]
Scope = Literal["gate", "rollout", "deployment", "dataset", "program"]


class Health(Enum):
    """What a MonitoringDataset is while it has a reason."""

    UNKNOWN = "unknown"  # nothing was learned of it: the store did not answer
    PASSING = "passing"  # it goes on by itself once rows, labels or the store's load are other ones
    BLOCKED = "blocked"  # it waits for a person


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a reason.

    `meaning` is one sentence for people, `remedy` what a person does about it ("" where nothing has to be done).
    `severity`: info is progress, warning goes on by itself, critical waits for a person or has undone something.
    `untrusted`: what was read cannot be judged, so that AnalysisHealthy is False.
    """

    scope: Scope
    severity: Severity
    meaning: str
    remedy: str = ""
    untrusted: bool = False
    dataset: Health = Health.BLOCKED


# An entry is made under the type of the enum's value: a member is a string, and carries its facts beside it.
Entry = tuple[str, Facts]

_FACTS: dict[str, Facts] = {}  # by value: an enum takes no attributes of its members that are not values


class Described(StrEnum):
    """Texts with facts, made from entries."""

    def __new__(cls, value: str, facts: Facts | None = None) -> Described:
        """A member of an entry's value and facts; without facts, the look-up of a value."""
        assert facts is not None
        member = str.__new__(cls, value)
        member._value_ = value
        _FACTS[value] = facts
        return member

    @property
    def facts(self) -> Facts:
        """What else is known of it."""
        return _FACTS[self.value]


def progress(value: str, scope: Scope, meaning: str) -> Entry:
    """All is well."""
    return value, Facts(scope, "info", meaning)


def warning(value: str, scope: Scope, meaning: str, remedy: str = "") -> Entry:
    """It goes on by itself, and a person may want to look."""
    return value, Facts(scope, "warning", meaning, remedy)


def critical(value: str, scope: Scope, meaning: str, remedy: str = "") -> Entry:
    """It waits for a person, or something was undone."""
    return value, Facts(scope, "critical", meaning, remedy)


def hold(value: str, meaning: str, remedy: str = "") -> Entry:
    """The gate waits, and goes on by itself."""
    return warning(value, "gate", meaning, remedy)


def unread(value: str, meaning: str, remedy: str, dataset: Health = Health.BLOCKED) -> Entry:
    """The gate waits, because what was read cannot be judged; `dataset` is what its MonitoringDataset is then."""
    return value, Facts("gate", "warning", meaning, remedy, untrusted=True, dataset=dataset)


def broken(value: str, meaning: str, remedy: str) -> Entry:
    """A person has to change the dataset or the analysis before anything can be read."""
    return value, Facts("dataset", "critical", meaning, remedy, untrusted=True)
