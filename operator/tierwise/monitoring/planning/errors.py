"""An analysis that cannot be planned."""

from __future__ import annotations

from tierwise.api.reasons import Reason


class PlanError(ValueError):
    """A person must change an object: what is wrong, and the remedy."""

    def __init__(self, message: str, remedy: str, *, reason: Reason) -> None:
        super().__init__(f"{message}; {remedy}")
        self.message = message
        self.remedy = remedy
        self.reason = reason
