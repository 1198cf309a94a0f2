"""Why a dataset cannot be asked, told as a value that the shell turns into its own error. Pure."""

from __future__ import annotations

from tierwise.api.reasons import Reason


class Refused(ValueError):  # noqa: N818 - a refusal, raised by checks of what people wrote
    """A dataset that a person must change: what is wrong (`message`) and what to do (`remedy`)."""

    def __init__(self, message: str, remedy: str = "", *, reason: Reason = Reason.DATASET_INVALID) -> None:
        super().__init__(f"{message}; {remedy}" if remedy else message)
        self.message = message
        self.remedy = remedy
        self.reason = reason


def not_supported(what: str, remedy: str) -> Refused:
    """A feature that this version does not have."""
    return Refused(f"{what} is not supported by this version", remedy, reason=Reason.NOT_SUPPORTED)


def query_refused(what: str, remedy: str) -> Refused:
    """SQL that the guard does not let through."""
    return Refused(what, remedy, reason=Reason.QUERY_REFUSED)
