"""A concern reports a fact to the gate: about data, pods, time or what a person asks. It decides nothing."""

from __future__ import annotations

from dataclasses import dataclass

from tierwise.api.reasons import Reason
from tierwise.errors import ReasonedError, SpecError


@dataclass(frozen=True, slots=True)
class Concern:
    """A fact that the gate must know: the reason, and a message with numbers and what to do.

    Most concerns say why rows cannot be judged or pods cannot be compared. A few say what a person asked for
    (PromoteRequested) or which time is not over (Soaking). The gate has a row of its own for each of these.
    `regression_stands`: a regression that is proven still rolls back. `stalled`: a person must change an object.
    """

    reason: Reason
    message: str
    regression_stands: bool = False
    stalled: bool = False


def concern_of(error: ReasonedError, where: str = "") -> Concern:
    """The concern for an error; `where` begins the message. After a SpecError a person must change an object."""
    return Concern(error.reason, f"{where}{error}", stalled=isinstance(error, SpecError))
