"""Errors that several checks of SQL share. Pure."""

from __future__ import annotations

from tierwise.api.reasons import Reason
from tierwise.errors import RefusedError


def not_supported(what: str, remedy: str) -> RefusedError:
    """The error for a feature that this version does not have."""
    return RefusedError(f"{what} is not supported by this version", remedy, reason=Reason.NOT_SUPPORTED)


def query_refused(what: str, remedy: str) -> RefusedError:
    """The error for SQL that the guard refuses."""
    return RefusedError(what, remedy, reason=Reason.QUERY_REFUSED)
