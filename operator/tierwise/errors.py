"""All errors that a person or a caller can get, in one tree.

* TierwiseError
  * ReasonedError        carries the reason that a gate, a condition or a command shows
    * SpecError          a person must change an object; the rollout is Stalled
      * PlanError        an analysis that cannot be planned
      * RefusedError     a dataset that cannot be read
      * UnknownMetricError
      * ManifestError    a file, with the line
    * StoreError         the prediction log cannot be read; the gate holds
      * NothingStoredError
    * MetricFailedError  a metric of another package failed; the gate holds
    * LocalClusterError  a control plane on this machine cannot be started
      * NoComponentsError
      * ComponentEndedError
    * DemoError
  * ConflictError        another writer was first: observe again
  * ClusterError         the API server does not respond: nothing is concluded from it
    * ApiError           it responded with a status of 400 or more
      * ForbiddenError   401 or 403
  * LeadershipLostError  this process may not write any more

No error ever has a credential. Exceptions that never leave their own package are not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tierwise.api.reasons import Reason


class TierwiseError(Exception):
    """What is wrong (`message`, with object and value), and what to do (`remedy`, "" if the message says it)."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(f"{message}; {remedy}" if remedy else message)
        self.message = message
        self.remedy = remedy


class ReasonedError(TierwiseError):
    """An error with the reason that a gate or condition shows; `code` is the store's own."""

    def __init__(self, message: str, remedy: str = "", *, reason: Reason, code: int | None = None) -> None:
        super().__init__(message, remedy)
        self.reason = reason
        self.code = code


class SpecError(ReasonedError):
    """A person must change an object: Stalled, by its reason (UnknownColumn, QueryRefused, NotSupported, …)."""


class PlanError(SpecError):
    """An analysis that cannot be planned."""


class RefusedError(SpecError):
    """A dataset that cannot be read."""

    def __init__(self, message: str, remedy: str = "", *, reason: Reason = Reason.DATASET_INVALID) -> None:
        super().__init__(message, remedy, reason=reason)


class UnknownMetricError(SpecError):
    """A name that no metric has."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy, reason=Reason.UNKNOWN_METRIC)


class StoreError(ReasonedError):
    """The prediction log cannot be read: a Hold, by its reason (StoreUnreachable, UnknownTable, …)."""


class NothingStoredError(StoreError):
    """The store has no distributions of the window."""


class MetricFailedError(ReasonedError):
    """A plug-in's metric raised or gave impossible arrays, so its value is not known."""

    def __init__(self, name: str, distribution: str, cause: str) -> None:
        message = f"metric {name!r} of {distribution} failed: {cause}"
        super().__init__(message, "fix it or take the metric out", reason=Reason.METRIC_FAILED)
        self.name = name
        self.distribution = distribution
        self.cause = cause

    def __reduce__(self) -> tuple[type[MetricFailedError], tuple[str, str, str]]:
        """Pickle the error by its three parts. Without this it would be rebuilt from its message alone, which fails."""
        return type(self), (self.name, self.distribution, self.cause)


class LocalClusterError(ReasonedError):
    """A local cluster cannot be started, or one of its binaries is missing; never a condition of an object."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy, reason=Reason.NOT_SUPPORTED)


class NoComponentsError(LocalClusterError):
    """There is no way to get a control plane on this machine: no binaries, no Docker with kind, no Go."""


class ConflictError(TierwiseError):
    """The object changed, no longer exists, or belongs to another owner: observe again and decide anew."""


class ClusterError(TierwiseError):
    """The API server cannot be reached, or every try failed (5xx, 429). Nothing is concluded from it."""


class ApiError(ClusterError):
    """A response with a status of 400 or more. `reason` and `message` are the server's own. It never has a header."""

    def __init__(self, status: int, reason: str, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.details = dict(details or {})

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the fields that the server found wrong (the causes of a 422)."""
        return tuple(str(cause.get("field", "")) for cause in self.details.get("causes") or [])


class ForbiddenError(ApiError):
    """401 or 403: credentials are wrong, or a Role lacks a verb. The server's message says which."""


class LeadershipLostError(TierwiseError):
    """This process no longer holds the Lease, so it must not write."""
