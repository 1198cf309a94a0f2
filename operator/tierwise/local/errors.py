"""What a person meets when a local cluster cannot be had."""

from __future__ import annotations

from tierwise.api.reasons import Reason
from tierwise.runtime.errors import TierwiseError


class LocalClusterError(TierwiseError):
    """A local cluster or one of its binaries cannot be had; never a condition of an object."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy, reason=Reason.NOT_SUPPORTED)


class NoComponentsError(LocalClusterError):
    """There is no way to get a control plane on this machine: no binaries, no Docker with kind, no Go."""
