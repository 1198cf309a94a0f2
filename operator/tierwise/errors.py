"""Every error that a person or a caller meets, in one tree.

* TierwiseError
  * ReasonedError        carries the reason that a gate, a condition or a command shows
    * SpecError          a person must change an object; the rollout is Stalled
      * PlanError        an analysis that cannot be planned
      * RefusedError     a dataset that cannot be asked
      * UnknownMetricError
      * ManifestError    a file, with the line
    * StoreError         the prediction log cannot be read; the gate holds
      * NothingStoredError
    * MetricFailedError  a metric of another package failed; the gate holds
    * LocalClusterError  a control plane on this machine cannot be had
      * NoComponentsError
      * ComponentEndedError
    * DemoError
  * ConflictError        somebody else wrote first: observe again
  * ClusterError         the API server does not answer: nothing is concluded from it
    * ApiError           it answered with a status of 400 or more
      * ForbiddenError   401 or 403
  * LeadershipLostError  this process may not write any more

No error ever carries a credential. Signals that never leave their own package are not here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tierwise.api.reasons import Reason


class TierwiseError(Exception):
    """What is wrong (`message`, naming object and value), and what to do (`remedy`, "" where the message says all)."""

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
    """A dataset that cannot be asked."""

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
    """A plug-in's metric raised, or gave arrays that make no sense: nothing is known of this metric."""

    def __init__(self, name: str, distribution: str, cause: str) -> None:
        message = f"metric {name!r} of {distribution} failed: {cause}"
        super().__init__(message, "fix it or take the metric out", reason=Reason.METRIC_FAILED)
        self.name = name
        self.distribution = distribution
        self.cause = cause

    def __reduce__(self) -> tuple[type[MetricFailedError], tuple[str, str, str]]:
        """Another process gets it back from its three parts: without this it would be made from its one message."""
        return type(self), (self.name, self.distribution, self.cause)


class LocalClusterError(ReasonedError):
    """A local cluster or one of its binaries cannot be had; never a condition of an object."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy, reason=Reason.NOT_SUPPORTED)


class NoComponentsError(LocalClusterError):
    """There is no way to get a control plane on this machine: no binaries, no Docker with kind, no Go."""


class ConflictError(TierwiseError):
    """The object changed, is gone, or belongs to another owner: observe again and decide anew."""


class ClusterError(TierwiseError):
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


class LeadershipLostError(TierwiseError):
    """This process does not hold the Lease any more: no write may leave it."""
