"""What a detector says: something about the data or the arms that a gate must know. It decides nothing itself."""

from __future__ import annotations

from dataclasses import dataclass

from tierwise.api.reasons import Reason


@dataclass(frozen=True, slots=True)
class Concern:
    """Why what was read cannot be judged: the reason, and a message with numbers and what to do.

    `regression_stands`: a regression that is proven still rolls back. `stalled`: a person must change an object.
    """

    reason: Reason
    message: str
    regression_stands: bool = False
    stalled: bool = False
