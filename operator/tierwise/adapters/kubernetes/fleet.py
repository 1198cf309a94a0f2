"""The Fleet port against a real API server: fresh reads for the objects that decide, watch caches for pods."""

from __future__ import annotations

import base64
import logging
from collections.abc import Sequence
from typing import Any, assert_never

from tierwise.adapters.kubernetes import objects
from tierwise.adapters.kubernetes.caches.claims import claims_of_others, namesakes
from tierwise.adapters.kubernetes.caches.mirror import Mirror
from tierwise.adapters.kubernetes.client import Client, Json
from tierwise.adapters.kubernetes.events import event_manifest, post_event
from tierwise.adapters.kubernetes.invalid import report_invalid
from tierwise.adapters.kubernetes.paths import path_of
from tierwise.adapters.kubernetes.workloads import twins as twin_writes
from tierwise.adapters.kubernetes.workloads.autoscalers import autoscaled_in
from tierwise.adapters.kubernetes.workloads.base import list_workloads, view_of
from tierwise.adapters.kubernetes.workloads.deployment import DEPLOYMENT
from tierwise.adapters.kubernetes.workloads.manifests import label_value
from tierwise.adapters.kubernetes.workloads.registry import WORKLOADS
from tierwise.adapters.kubernetes.workloads.twins import twin_view
from tierwise.adapters.kubernetes.workloads.update_strategy import restore_strategy
from tierwise.adapters.kubernetes.workloads.views import is_twin
from tierwise.adapters.kubernetes.write_errors import write_error
from tierwise.api.modeldeployment import ModelDeploymentStatus
from tierwise.api.modelrollout import ModelRolloutStatus
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.names import LABEL_DEPLOYMENT, LABEL_TIER, TWIN_SUFFIX
from tierwise.api.reasons import Reason
from tierwise.errors import ApiError, SpecError
from tierwise.rollout.state.actions import (
    Action,
    Annotate,
    ApplyTwin,
    CreateRollout,
    DeleteRollout,
    DeleteTwin,
    Deliver,
    Event,
    RestoreStrategy,
    ScaleTwin,
    SetFinalizer,
)
from tierwise.rollout.state.observation import Claim, DeploymentView, Pods, RolloutView, TierView, TwinView
from tierwise.runtime.ports import Clock

logger = logging.getLogger(__name__)


class KubernetesFleet:
    """Implements `runtime.ports.Fleet`. Safe for several threads, one at a time per ModelDeployment.

    Every method raises ClusterError when the API server does not respond; nothing is concluded then.
    """

    def __init__(self, client: Client, mirror: Mirror, clock: Clock) -> None:
        self._client = client
        self._mirror = mirror
        self._clock = clock
        self._refused: dict[tuple[str, str], str] = {}  # namespace and name of a twin that could not be made, and why

    def get_deployment(self, namespace: str, name: str) -> DeploymentView | None:
        """Fresh; None when it does not exist."""
        item = self._client.find(path_of("modeldeployments", namespace, name))
        return objects.deployment_view(item) if item is not None else None

    def list_rollouts(self, deployment: DeploymentView) -> tuple[RolloutView, ...]:
        """Fresh; of this owner uid, by revision."""
        labels = {LABEL_DEPLOYMENT: label_value(deployment.name)}
        items = self._client.list_items(path_of("modelrollouts", deployment.namespace), labels=labels)
        views = (objects.rollout_view(_with_kind(item, "ModelRollout")) for item in items)
        return tuple(
            sorted((view for view in views if view.owner_uid == deployment.uid), key=lambda view: view.spec.revision)
        )

    def list_tiers(self, deployment: DeploymentView) -> tuple[TierView, ...]:
        """Workloads by fresh reads, pods from the caches; twins of tiers that the spec no longer has come last."""
        namespace, container = deployment.namespace, deployment.spec.delivery.container
        versions = (deployment.spec.version, deployment.status.stable)
        parameters = {name for version in versions if version is not None for name in version.parameters}
        self._mirror.require_current(namespace)
        pods = self._mirror.pods_by_owner(namespace)
        labels = {LABEL_DEPLOYMENT: label_value(deployment.name)}
        twins = [item for item in list_workloads(self._client, DEPLOYMENT, namespace, labels) if is_twin(item)]
        by_tier: dict[str, list[Json]] = {}
        for item in twins:
            by_tier.setdefault(item["metadata"]["labels"].get(LABEL_TIER, ""), []).append(item)
        # Only twins are taken away with regard to autoscalers: without one nobody asks.
        is_autoscaled = autoscaled_in(self._client, namespace) if twins else _never
        views = []
        for tier in deployment.spec.tiers:
            workload = WORKLOADS[tier.workloads.kind]
            found = list_workloads(self._client, workload, namespace, tier.workloads.selector.match_labels)
            items = [item for item in found if not is_twin(item)]
            own = by_tier.pop(label_value(tier.name), [])
            refused = self._refused_twins(namespace, items, own)
            foreign = self._foreign(namespace, items, {item["metadata"]["name"] for item in twins})
            views.append(
                TierView(
                    name=tier.name,
                    workloads=tuple(
                        view_of(
                            workload,
                            item,
                            container,
                            pods.get(item["metadata"]["uid"], []),
                            parameters=parameters,
                            autoscaled=is_autoscaled(workload.kind, item["metadata"]["name"]),
                        )
                        for item in _by_name(items)
                    ),
                    twins=(
                        *refused,
                        *_twin_views(own, container, pods, owned=True),
                        *_twin_views(foreign, container, pods, owned=False),
                    ),
                )
            )
        for name, items in sorted(by_tier.items()):
            views.append(TierView(name=name, twins=_twin_views(items, container, pods, owned=True)))
        return tuple(views)

    def _foreign(self, namespace: str, workloads: Sequence[Json], twins: set[str]) -> list[Json]:
        """Objects that have the name of a twin of these workloads without being one of this ModelDeployment."""
        names = {item["metadata"]["name"] + TWIN_SUFFIX for item in workloads} - twins
        present = [name for name in sorted(names) if self._mirror.has_deployment(namespace, name)]
        found = [self._client.find(path_of(DEPLOYMENT.resource, namespace, name)) for name in present]
        return [item for item in found if item is not None]

    def _refused_twins(self, namespace: str, workloads: Sequence[Json], twins: Sequence[Json]) -> tuple[TwinView, ...]:
        """Twins of these workloads that do not exist because the server refused them."""
        names = {item["metadata"]["name"] + TWIN_SUFFIX for item in workloads}
        missing = sorted(names - {item["metadata"]["name"] for item in twins})
        return tuple(
            _refused_view(name, self._refused[namespace, name])
            for name in missing
            if (namespace, name) in self._refused
        )

    def list_claims(self, deployment: DeploymentView) -> tuple[Claim, ...]:
        """From the caches: what others select of the workloads that this one selects."""
        namespace = deployment.namespace
        return claims_of_others(deployment.uid, self._mirror.claims(namespace), self._mirror.workloads(namespace))

    def list_namesakes(self, deployment: DeploymentView) -> tuple[str, ...]:
        """From the cache: other ModelDeployments of the namespace with the same model's name."""
        return namesakes(deployment.uid, deployment.spec.model, self._mirror.claims(deployment.namespace))

    def report_invalid(self, namespace: str, name: str, reason: Reason, message: str) -> None:
        """Conditions and an Event on an object that cannot be parsed; no write when they say so already."""
        report_invalid(self._client, namespace, name, Event("Warning", str(reason), message), self._clock.now())

    def get_dataset(self, namespace: str, name: str) -> MonitoringDatasetSpec | None:
        """Fresh; None when it does not exist."""
        item = self._client.find(path_of("monitoringdatasets", namespace, name))
        return objects.dataset_spec(item) if item is not None else None

    def get_secret(self, namespace: str, name: str, key: str) -> str | None:
        """A Secret's value, read by name; None when it or the key does not exist."""
        item = self._client.find(path_of("secrets", namespace, name))
        value = ((item or {}).get("data") or {}).get(key)
        return base64.b64decode(value).decode() if value is not None else None

    def apply(self, deployment: DeploymentView, action: Action) -> None:
        """Idempotent; ConflictError when a precondition fails, SpecError when a person has to change something."""
        client, namespace = self._client, deployment.namespace
        match action:
            case CreateRollout():
                objects.create_rollout(client, deployment, action)
            case DeleteRollout():
                self._delete_rollout(namespace, action)
            case ApplyTwin():
                self._apply_twin(deployment, action)
            case ScaleTwin():
                twin_writes.scale_twin(client, namespace, action)
            case DeleteTwin():
                twin_writes.delete_twin(client, namespace, action)
                self._refused.pop((namespace, action.twin_name), None)
            case Deliver():
                WORKLOADS[action.kind].deliver(client, namespace, action)
            case RestoreStrategy():
                restore_strategy(client, WORKLOADS[action.kind], namespace, action)
            case Annotate():
                objects.set_annotations(client, deployment, action.annotations)
            case SetFinalizer():
                resource = "modeldeployments" if action.rollout_name is None else "modelrollouts"
                name = action.rollout_name or deployment.name
                objects.set_finalizer(client, resource, namespace, name, present=action.present)
            case _:
                assert_never(action)

    def _apply_twin(self, deployment: DeploymentView, action: ApplyTwin) -> None:
        """A refusal is no error of the tick: the next look shows the twin as blocked, and the tier holds."""
        key = (deployment.namespace, action.twin_name)
        try:
            twin_writes.apply_twin(self._client, deployment.namespace, deployment.name, action)
            self._refused.pop(key, None)
        except SpecError as error:
            self._refused[key] = str(error)

    def _delete_rollout(self, namespace: str, action: DeleteRollout) -> None:
        try:
            self._client.delete(path_of("modelrollouts", namespace, action.name), uid=action.uid)
        except ApiError as error:
            raise write_error(error, f"ModelRollout {action.name}", "") from error

    def replace_deployment_status(self, deployment: DeploymentView, status: ModelDeploymentStatus) -> None:
        """One PUT with the observed resourceVersion; ConflictError on 409."""
        objects.replace_status(
            self._client,
            objects.ObjectVersion(
                "ModelDeployment",
                "modeldeployments",
                deployment.namespace,
                deployment.name,
                deployment.uid,
                deployment.resource_version,
            ),
            status,
        )

    def replace_rollout_status(self, rollout: RolloutView, namespace: str, status: ModelRolloutStatus) -> None:
        """One PUT with the observed resourceVersion; ConflictError on 409."""
        objects.replace_status(
            self._client,
            objects.ObjectVersion(
                "ModelRollout", "modelrollouts", namespace, rollout.name, rollout.uid, rollout.resource_version
            ),
            status,
        )

    def emit(self, deployment: DeploymentView, rollout: RolloutView | None, events: Sequence[Event]) -> None:
        """Best effort: a lost Event is only logged."""
        for event in events:
            if event.on == "rollout" and rollout is not None:
                kind, name, uid = "ModelRollout", rollout.name, rollout.uid
            else:
                kind, name, uid = "ModelDeployment", deployment.name, deployment.uid
            post_event(self._client, event_manifest(kind, deployment.namespace, name, uid, event, self._clock.now()))


def _refused_view(name: str, message: str) -> TwinView:
    """A twin that does not exist because the server refused it."""
    return TwinView(
        name=name,
        uid="",
        twin_of=name.removesuffix(TWIN_SUFFIX),
        owned=True,
        replicas=0,
        running=None,
        template_fingerprint="",
        settled=False,
        pods=Pods(),
        blocked=message,
    )


def _never(_kind: str, _name: str) -> bool:
    return False


def _with_kind(item: Json, kind: str) -> Json:
    """Items of a list carry no kind of their own."""
    return {"kind": kind, **item}


def _by_name(items: Sequence[Json]) -> list[Json]:
    return sorted(items, key=lambda item: str(item["metadata"]["name"]))


def _twin_views(items: Sequence[Json], container: str, pods: dict[str, Any], *, owned: bool) -> tuple[TwinView, ...]:
    return tuple(
        twin_view(item, container, pods.get(item["metadata"]["uid"], []), owned=owned) for item in _by_name(items)
    )
