"""The Lease object behind `runtime.control_loop.leadership`."""

from __future__ import annotations

from datetime import UTC, datetime

from tierwise.adapters.kubernetes.client import Client, Json
from tierwise.adapters.kubernetes.paths import path_of
from tierwise.adapters.kubernetes.write_errors import write_error
from tierwise.errors import ApiError
from tierwise.runtime.control_loop.leadership import LeaseRecord


class KubernetesLease:
    """One Lease. Its client must have a time-out below the renew deadline and no guard of its own."""

    def __init__(self, client: Client, namespace: str, name: str) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name

    def read(self) -> LeaseRecord | None:
        """Fresh; None when it does not exist."""
        item = self._client.find(path_of("leases", self._namespace, self._name))
        return _record(item) if item is not None else None

    def write(self, record: LeaseRecord, duration_seconds: float) -> LeaseRecord:
        """Create, or replace at the record's version; ConflictError when somebody was first."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        metadata: Json = {"name": self._name, "namespace": self._namespace}
        spec: Json = {
            "holderIdentity": record.holder,
            "leaseDurationSeconds": max(1, round(duration_seconds)),
            "leaseTransitions": record.transitions,
            "renewTime": now,
        }
        body: Json = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}
        try:
            if not record.version:
                return _record(self._client.create(path_of("leases", self._namespace), body))
            metadata["resourceVersion"] = record.version
            return _record(self._client.replace(path_of("leases", self._namespace, self._name), body))
        except ApiError as error:
            raise write_error(error, f"Lease {self._namespace}/{self._name}", "") from error


def _record(item: Json) -> LeaseRecord:
    spec = item.get("spec") or {}
    return LeaseRecord(
        holder=spec.get("holderIdentity") or "",
        version=item["metadata"]["resourceVersion"],
        transitions=spec.get("leaseTransitions") or 0,
    )
