"""Paths of the resources that Tierwise reads or writes."""

from __future__ import annotations

from tierwise.api.names import API_VERSION
from tierwise.api.workload_kinds import WorkloadKind

_BASES = {
    "modeldeployments": f"/apis/{API_VERSION}",
    "modelrollouts": f"/apis/{API_VERSION}",
    "monitoringdatasets": f"/apis/{API_VERSION}",
    "horizontalpodautoscalers": "/apis/autoscaling/v2",
    "leases": "/apis/coordination.k8s.io/v1",
    "pods": "/api/v1",
    "secrets": "/api/v1",
    "events": "/api/v1",
    "replicasets": "/apis/apps/v1",
    **{
        kind.facts.resource: f"/{'apis' if kind.facts.api_group else 'api'}/{kind.facts.api_version}"
        for kind in WorkloadKind
    },
}


def path_of(resource: str, namespace: str | None, name: str | None = None, subresource: str | None = None) -> str:
    """Path of a collection (all namespaces when `namespace` is None), an object or its subresource."""
    parts = [_BASES[resource]]
    if namespace is not None:
        parts += ["namespaces", namespace]
    parts.append(resource)
    return "/".join([*parts, *(part for part in (name, subresource) if part)])
