"""Connects to the cluster, and refuses to start if the operator could not work there."""

from __future__ import annotations

from tierwise.adapters.kubernetes.client import Client, connect
from tierwise.adapters.kubernetes.paths import path_of
from tierwise.api.names import API_VERSION
from tierwise.api.reasons import Reason
from tierwise.errors import ApiError, ClusterError, ForbiddenError, ReasonedError
from tierwise.runtime.control_loop.settings import OperatorSettings


def connected(settings: OperatorSettings, timeout_seconds: float) -> Client:
    """A client with this time-out. ReasonedError if there is no usable kubeconfig or API server."""
    try:
        return connect(settings.kubeconfig, settings.context, request_timeout_seconds=timeout_seconds)
    except ClusterError as error:
        raise ReasonedError(str(error), reason=Reason.CLUSTER_UNREACHABLE) from error


def check_cluster(client: Client, settings: OperatorSettings) -> None:
    """Refuse to start if the operator could not work: no response, no CRDs, no rights to read them."""
    try:
        try:
            served = client.get(f"/apis/{API_VERSION}")
        except ApiError as error:
            if error.status != 404:
                raise
            served = {"resources": []}
        missing = {"modeldeployments", "modelrollouts", "monitoringdatasets"} - {
            resource["name"] for resource in served["resources"]
        }
        if missing:
            raise ReasonedError(
                f"the cluster does not serve {', '.join(sorted(missing))} of {API_VERSION}",
                "install Tierwise's CRDs: kubectl apply --server-side -f crds/",
                reason=Reason.CRDS_MISSING,
            )
        for namespace in settings.namespaces or (None,):
            client.get(path_of("modeldeployments", namespace), limit=1)
    except ForbiddenError as error:
        raise ReasonedError(
            f"the API server refuses the operator: {error.message}",
            "give it the Role of docs/concepts/operator.md, or name the namespaces it may serve (--namespace)",
            reason=Reason.CLUSTER_UNREACHABLE,
        ) from error
    except ClusterError as error:
        raise ReasonedError(
            str(error), "check --kubeconfig and --context, and that the cluster runs", reason=Reason.CLUSTER_UNREACHABLE
        ) from error
