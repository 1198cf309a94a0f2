"""What an API server answered, and what that means for the loop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tierwise.api.reasons import Reason
from tierwise.runtime.errors import ConflictError, SpecError


class ClusterError(Exception):
    """The API server cannot be reached, or failed (5xx, 429) as often as we tried. Nothing is concluded from it."""


class ApiError(ClusterError):
    """An answer with a status of 400 or more. `reason` and `message` are the server's own; never holds a header."""

    def __init__(self, status: int, reason: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.details = dict(details or {})

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that the server found wrong (a 422's causes)."""
        return tuple(str(cause.get("field", "")) for cause in self.details.get("causes") or [])


class ForbiddenError(ApiError):
    """401 or 403: credentials are wrong, or a Role lacks a verb; the message of the server names which."""


def write_error(error: ApiError, what: str, remedy: str, reason: Reason = Reason.INVALID_SPEC) -> Exception:
    """The error a write's caller has to see.

    409 is a precondition that failed or an owner of a field: ConflictError. A 422 about `metadata.uid` says that the
    object was made anew: ConflictError too. Any other 422 or 400 needs a person: SpecError with `reason`. The rest
    (401, 403, 5xx) stays.
    """
    if error.status in (404, 409) or (error.status == 422 and any("metadata.uid" in field for field in error.fields)):
        return ConflictError(f"{what}: {error.message}")
    if error.status in (400, 422):
        return SpecError(f"{what}: the API server refused it: {error.message}", remedy, reason=reason)
    return error
