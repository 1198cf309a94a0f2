"""Refusals that many checks of people's SQL share. Pure."""

from __future__ import annotations

from tierwise.api.reasons import Reason
from tierwise.errors import RefusedError


def not_supported(what: str, remedy: str) -> RefusedError:
    """A feature that this version does not have."""
    return RefusedError(f"{what} is not supported by this version", remedy, reason=Reason.NOT_SUPPORTED)


def query_refused(what: str, remedy: str) -> RefusedError:
    """SQL that the guard does not let through."""
    return RefusedError(what, remedy, reason=Reason.QUERY_REFUSED)
