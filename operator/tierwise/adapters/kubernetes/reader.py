"""What `status` and `explain` read: one ModelDeployment with its rollouts, workloads and pods. Never writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from kubernetes import config as k8s_config

from tierwise.adapters.kubernetes.caches.mirror import Mirror
from tierwise.adapters.kubernetes.client import Client, connect
from tierwise.adapters.kubernetes.fleet import KubernetesFleet
from tierwise.adapters.kubernetes.objects import rollout_view
from tierwise.adapters.kubernetes.paths import path_of
from tierwise.api.reasons import Reason
from tierwise.errors import ApiError, SpecError
from tierwise.rollout.state.observation import DeploymentView, RolloutView, TierView

SYNC_SECONDS = 20.0
Read = tuple[DeploymentView, tuple[RolloutView, ...], tuple[TierView, ...]]


class _Clock:
    def now(self) -> datetime:
        return datetime.now(UTC)


class Reader:
    """Reads of one namespace; pods come from watches, so that reading again is cheap."""

    def __init__(self, client: Client, fleet: KubernetesFleet, namespace: str) -> None:
        self._client = client
        self._fleet = fleet
        self.namespace = namespace

    def read(self, name: str) -> Read:
        """A ModelDeployment with everything that is shown of it.

        Raises:
            SpecError: there is none of that name; names those there are.
            ClusterError: the API server does not respond.
        """
        deployment = self._fleet.get_deployment(self.namespace, name)
        if deployment is None:
            raise self._missing(name)
        return deployment, self._fleet.list_rollouts(deployment), self._fleet.list_tiers(deployment)

    def find(self, name: str) -> Read | None:
        """As `read`; None when there is no ModelDeployment of that name."""
        return None if self._fleet.get_deployment(self.namespace, name) is None else self.read(name)

    def find_rollout(self, name: str) -> RolloutView | None:
        """A ModelRollout by its name; None when there is none, or none any more."""
        item = self._client.find(path_of("modelrollouts", self.namespace, name))
        return None if item is None else rollout_view({"kind": "ModelRollout", **item})

    def names(self, resource: str) -> tuple[str, ...]:
        """Names of the namespace's objects of a kind, such as ``modelrollouts``, sorted."""
        items = self._client.list_items(path_of(resource, self.namespace))
        return tuple(sorted(item["metadata"]["name"] for item in items))

    def _missing(self, name: str) -> SpecError:
        there = ", ".join(self.names("modeldeployments")[:20]) or "none"
        return SpecError(
            f"ModelDeployment {name!r} does not exist in namespace {self.namespace!r} (there: {there})",
            "fix the name, or give the namespace with -n",
            reason=Reason.INVALID_SPEC,
        )


@contextmanager
def open_reader(kubeconfig: str | None, context: str | None, namespace: str | None) -> Iterator[Reader]:
    """A reader of `namespace`, else of the context's namespace, else of ``default``.

    Raises:
        ClusterError: no cluster to talk to. SpecError: the cluster does not have Tierwise's CRDs.
    """
    client = connect(kubeconfig, context)
    chosen = namespace or context_namespace(kubeconfig, context)
    try:
        client.list_items(path_of("modeldeployments", chosen))
    except ApiError as error:
        if error.status != 404:
            raise
        raise SpecError(
            "this cluster does not know ModelDeployments",
            "install the CRDs: kubectl apply --server-side -f crds/",
            reason=Reason.CRDS_MISSING,
        ) from error
    mirror = Mirror(client, [chosen])
    mirror.start(timeout_seconds=SYNC_SECONDS)
    try:
        yield Reader(client, KubernetesFleet(client, mirror, _Clock()), chosen)
    finally:
        mirror.stop()


def context_namespace(kubeconfig: str | None, context: str | None) -> str:
    """The namespace that the kubeconfig's context names; ``default`` when it names none."""
    try:
        contexts, active = k8s_config.list_kube_config_contexts(kubeconfig)  # type: ignore[no-untyped-call]
    except (k8s_config.ConfigException, OSError, TypeError):
        return "default"  # in a pod: no kubeconfig
    chosen = next((item for item in contexts if item["name"] == context), active) if context else active
    return str((chosen or {}).get("context", {}).get("namespace") or "default")
