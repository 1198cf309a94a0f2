"""A concern is what a detector reports to the gate about the data or the arms. It decides nothing itself."""

from __future__ import annotations

from dataclasses import dataclass

from tierwise.api.reasons import Reason
from tierwise.errors import ReasonedError, SpecError


@dataclass(frozen=True, slots=True)
class Concern:
    """Why the rows cannot be judged: the reason, and a message with numbers and what to do.

    `regression_stands`: a regression that is proven still rolls back. `stalled`: a person must change an object.
    """

    reason: Reason
    message: str
    regression_stands: bool = False
    stalled: bool = False


def concern_of(error: ReasonedError, where: str = "") -> Concern:
    """The concern for an error; `where` begins the message. After a SpecError a person must change an object."""
    return Concern(error.reason, f"{where}{error}", stalled=isinstance(error, SpecError))
