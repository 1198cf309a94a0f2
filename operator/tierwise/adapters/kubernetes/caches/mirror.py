"""The watch caches of the namespaces an operator serves, and whom a change of theirs concerns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tierwise.adapters.kubernetes.caches.claims import (
    ClaimRecord,
    WorkloadRecord,
    claim_record,
    selects,
    workload_record,
)
from tierwise.adapters.kubernetes.caches.watch_cache import WatchCache
from tierwise.adapters.kubernetes.client import Client
from tierwise.adapters.kubernetes.paths import path_of
from tierwise.adapters.kubernetes.workloads.deployment import DEPLOYMENT
from tierwise.adapters.kubernetes.workloads.manifests import label_value
from tierwise.adapters.kubernetes.workloads.pods import PodRecord, ReplicaSetRecord, pod_record, replica_set_record
from tierwise.adapters.kubernetes.workloads.registry import WORKLOADS
from tierwise.errors import ClusterError

STALE_SECONDS = 150.0  # two bookmarks missed


@dataclass(frozen=True, slots=True)
class _Caches:
    claims: WatchCache[ClaimRecord]
    workloads: Mapping[str, WatchCache[WorkloadRecord]]  # by kind
    replica_sets: WatchCache[ReplicaSetRecord]
    pods: WatchCache[PodRecord]

    def every(self) -> tuple[WatchCache[Any], ...]:
        return (self.claims, *self.workloads.values(), self.replica_sets, self.pods)


class Mirror:
    """Pods, ReplicaSets, workloads and claims, held from watches; `namespaces` empty means all.

    `wake(namespace, name)` is called, from a watch's thread, for every ModelDeployment that a change concerns.
    """

    def __init__(
        self, client: Client, namespaces: Sequence[str] = (), wake: Callable[[str, str], None] = lambda _ns, _name: None
    ) -> None:
        self._wake = wake
        self._caches = {namespace: self._make(client, namespace) for namespace in (namespaces or (None,))}

    def _make(self, client: Client, namespace: str | None) -> _Caches:
        return _Caches(
            claims=WatchCache(client, path_of("modeldeployments", namespace), claim_record, self._claim_changed),
            workloads={
                kind: WatchCache(
                    client,
                    path_of(workload.resource, namespace),
                    partial(workload_record, workload),
                    self._workload_changed,
                )
                for kind, workload in WORKLOADS.items()
            },
            replica_sets=WatchCache(
                client, path_of("replicasets", namespace), replica_set_record, lambda _old, _new: None
            ),
            pods=WatchCache(client, path_of("pods", namespace), pod_record, self._pod_changed),
        )

    def start(self, *, timeout_seconds: float = 60.0) -> None:
        """Start the watches and wait for the first lists. ClusterError when one does not arrive in time."""
        caches = [cache for held in self._caches.values() for cache in held.every()]
        for cache in caches:
            cache.start()
        for cache in caches:
            if not cache.wait_synced(timeout_seconds):
                self.stop()
                raise ClusterError(
                    f"watch caches are not filled after {timeout_seconds:.0f} s; see the warnings of the log"
                )

    def stop(self) -> None:
        """Ask the watches to end."""
        for held in self._caches.values():
            for cache in held.every():
                cache.stop()

    def silent_seconds(self) -> float:
        """Seconds since the quietest watch last heard of the server."""
        return max(cache.silent_seconds() for held in self._caches.values() for cache in held.every())

    def _of(self, namespace: str) -> _Caches:
        held = self._caches.get(namespace) or self._caches.get(None)
        if held is None:
            raise ClusterError(
                f"namespace {namespace!r} is not served by this operator; start it with --namespace {namespace}"
            )
        return held

    def require_current(self, namespace: str) -> None:
        """ClusterError when a watch is so long silent that nothing may be concluded from its records."""
        if max(cache.silent_seconds() for cache in self._of(namespace).every()) > STALE_SECONDS:
            raise ClusterError(f"watch caches of namespace {namespace!r} are stale")

    def claims(self, namespace: str) -> list[ClaimRecord]:
        """ModelDeployments of the namespace."""
        return self._of(namespace).claims.all(namespace)

    def workloads(self, namespace: str) -> list[WorkloadRecord]:
        """Workloads of all kinds in the namespace, twins too."""
        return [record for cache in self._of(namespace).workloads.values() for record in cache.all(namespace)]

    def has_deployment(self, namespace: str, name: str) -> bool:
        """Whether a Deployment of that name exists: every twin is one."""
        return self._of(namespace).workloads[DEPLOYMENT.kind].get(namespace, name) is not None

    def pods_by_owner(self, namespace: str) -> dict[str, list[PodRecord]]:
        """Pods by the uid of their workload."""
        by_owner: dict[str, list[PodRecord]] = {}
        for pod in self._of(namespace).pods.all(namespace):
            owner = self._owner_uid(pod)
            if owner:
                by_owner.setdefault(owner, []).append(pod)
        return by_owner

    def wake_users_of_dataset(self, namespace: str, name: str) -> None:
        """Wake the ModelDeployments that are judged on this MonitoringDataset."""
        for claim in self.claims(namespace):
            if name in claim.datasets:
                self._wake(namespace, claim.name)

    def _owner_uid(self, pod: PodRecord) -> str:
        if pod.owner_kind in WORKLOADS:
            return pod.owner_uid
        # Only Deployments own their pods through ReplicaSets.
        caches = self._of(pod.namespace)
        replica_set = caches.replica_sets.get(pod.namespace, pod.owner_name) if pod.owner_name else None
        if replica_set is not None and replica_set.uid == pod.owner_uid:
            return replica_set.owner_uid
        # A pod may be seen before its ReplicaSet: a Deployment names them <deployment>-<hash>.
        workload = caches.workloads[DEPLOYMENT.kind].get(
            pod.namespace, pod.owner_name.removesuffix(f"-{pod.template_hash}")
        )
        return workload.uid if workload is not None and pod.template_hash else ""

    def _claim_changed(self, old: ClaimRecord | None, new: ClaimRecord | None) -> None:
        """An appearing, changed or disappearing claim concerns those that share a workload with it."""
        if old is not None and new is not None and old.selectors == new.selectors:
            return
        one = new or old
        assert one is not None
        for workload in self.workloads(one.namespace):
            if any(selects(claim, workload) for claim in (old, new) if claim is not None):
                self._wake_selecting(workload, besides=one.name)

    def _workload_changed(self, old: WorkloadRecord | None, new: WorkloadRecord | None) -> None:
        for workload in {id(record): record for record in (old, new) if record is not None}.values():
            if workload.twin_for is not None:
                self._wake_labelled(workload.namespace, workload.twin_for)
            else:
                self._wake_selecting(workload)

    def _pod_changed(self, old: PodRecord | None, new: PodRecord | None) -> None:
        """Pods concern only ModelDeployments with a rollout in flight: at rest nothing is decided from them."""
        pod = new or old
        assert pod is not None
        owner = self._owner_uid(pod)
        for workload in self.workloads(pod.namespace) if owner else ():
            if workload.uid == owner:
                if workload.twin_for is not None:
                    self._wake_labelled(pod.namespace, workload.twin_for)
                else:
                    self._wake_selecting(workload, in_flight_only=True)

    def _wake_selecting(self, workload: WorkloadRecord, *, besides: str = "", in_flight_only: bool = False) -> None:
        for claim in self.claims(workload.namespace):
            if claim.name != besides and (claim.in_flight or not in_flight_only) and selects(claim, workload):
                self._wake(claim.namespace, claim.name)

    def _wake_labelled(self, namespace: str, label: str) -> None:
        for claim in self.claims(namespace):
            if label_value(claim.name) == label:
                self._wake(namespace, claim.name)
