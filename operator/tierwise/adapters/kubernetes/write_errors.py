"""What an answer to a write means for the loop."""

from __future__ import annotations

from tierwise.api.reasons import Reason
from tierwise.errors import ApiError, ConflictError, SpecError


def write_error(error: ApiError, what: str, remedy: str, reason: Reason = Reason.INVALID_SPEC) -> Exception:
    """The error a write's caller has to see.

    404 (the object is gone) and 409 (a precondition failed, or another manager owns a field) are ConflictError. A 422
    about `metadata.uid` says that the object was made anew: ConflictError too. Any other 422 or 400 needs a person:
    SpecError with `reason`. The rest (401, 403, 5xx) stays.
    """
    if error.status in (404, 409) or (error.status == 422 and any("metadata.uid" in field for field in error.fields)):
        return ConflictError(f"{what}: {error.message}")
    if error.status in (400, 422):
        return SpecError(f"{what}: the API server refused it: {error.message}", remedy, reason=reason)
    return error
