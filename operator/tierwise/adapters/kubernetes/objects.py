"""Tierwise's own objects: read into views, status by PUT with resourceVersion, finalizers, annotations, creation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import ValidationError

from tierwise.adapters.kubernetes.client import Client, Json
from tierwise.adapters.kubernetes.paths import path_of
from tierwise.adapters.kubernetes.workloads.manifests import label_value
from tierwise.adapters.kubernetes.write_errors import write_error
from tierwise.api.common import ApiModel
from tierwise.api.modeldeployment import ModelDeploymentSpec, ModelDeploymentStatus
from tierwise.api.modelrollout import ModelRolloutSpec, ModelRolloutStatus
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.names import API_VERSION, FINALIZER, LABEL_DEPLOYMENT
from tierwise.api.reasons import Reason
from tierwise.errors import ApiError, ConflictError, SpecError
from tierwise.rollout.state.actions import CreateRollout
from tierwise.rollout.state.commands import ANNOTATIONS, Given
from tierwise.rollout.state.observation import DeploymentView, RolloutView


def created_at(item: Mapping[str, Any]) -> datetime:
    """creationTimestamp, UTC-aware."""
    return datetime.fromisoformat(item["metadata"]["creationTimestamp"])


def _parse(item: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool, bool]:
    metadata = item["metadata"]
    return metadata, "deletionTimestamp" in metadata, FINALIZER in (metadata.get("finalizers") or [])


def _invalid(item: Mapping[str, Any], error: ValidationError) -> SpecError:
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return SpecError(
        f"{item['kind']} {item['metadata']['name']}: {field}: {first['msg']}",
        "apply the CRDs of this version of Tierwise and correct the object",
        reason=Reason.INVALID_SPEC,
    )


def deployment_view(item: Mapping[str, Any]) -> DeploymentView:
    """A ModelDeployment from its JSON. Raises SpecError when it is not valid."""
    metadata, deleting, has_finalizer = _parse(item)
    try:
        spec = ModelDeploymentSpec.model_validate(item["spec"])
        status = ModelDeploymentStatus.model_validate(item.get("status") or {})
    except ValidationError as error:
        raise _invalid(item, error) from error
    return DeploymentView(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata["generation"],
        resource_version=metadata["resourceVersion"],
        spec=spec,
        status=status,
        annotations=metadata.get("annotations") or {},
        deleting=deleting,
        has_finalizer=has_finalizer,
        created_at=created_at(item),
        given=given_commands(metadata.get("managedFields") or []),
        deleted_at=datetime.fromisoformat(metadata["deletionTimestamp"]) if deleting else None,
    )


def rollout_view(item: Mapping[str, Any]) -> RolloutView:
    """A ModelRollout from its JSON. Raises SpecError when it is not valid."""
    metadata, deleting, has_finalizer = _parse(item)
    try:
        spec = ModelRolloutSpec.model_validate(item["spec"])
        status = ModelRolloutStatus.model_validate(item.get("status") or {})
    except ValidationError as error:
        raise _invalid(item, error) from error
    owners = metadata.get("ownerReferences") or []
    return RolloutView(
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata["generation"],
        resource_version=metadata["resourceVersion"],
        created_at=created_at(item),
        spec=spec,
        status=status,
        owner_uid=next((owner["uid"] for owner in owners if owner.get("kind") == "ModelDeployment"), ""),
        deleting=deleting,
        has_finalizer=has_finalizer,
    )


def given_commands(managed_fields: Sequence[Mapping[str, Any]]) -> dict[str, Given]:
    """Who wrote Tierwise's annotations and `spec.paused`, and when that manager last changed what it owns."""
    places = {f"f:{name}": verb for verb, name in ANNOTATIONS.items()}
    found: dict[str, Given] = {}
    for entry in managed_fields:
        fields = entry.get("fieldsV1") or {}
        names = (fields.get("f:metadata") or {}).get("f:annotations") or {}
        verbs: list[str] = [verb for place, verb in places.items() if place in names]
        if "f:paused" in (fields.get("f:spec") or {}):
            verbs.append("pause")
        at = datetime.fromisoformat(entry["time"]) if entry.get("time") else None
        for verb in verbs:
            before = found.get(verb)
            if before is None or before.at is None or (at is not None and at > before.at):
                found[verb] = Given(str(entry.get("manager", "")), at)
    return found


def dataset_spec(item: Mapping[str, Any]) -> MonitoringDatasetSpec:
    """A MonitoringDataset's spec. Raises SpecError when it is not valid."""
    try:
        return MonitoringDatasetSpec.model_validate(item["spec"])
    except ValidationError as error:
        raise _invalid(item, error) from error


def rollout_manifest(deployment: DeploymentView, action: CreateRollout) -> Json:
    """The ModelRollout to create, with Tierwise's finalizer from the start, so that its twins cannot be forgotten."""
    return {
        "apiVersion": API_VERSION,
        "kind": "ModelRollout",
        "metadata": {
            "name": action.name,
            "namespace": deployment.namespace,
            "labels": {LABEL_DEPLOYMENT: label_value(deployment.name)},
            "finalizers": [FINALIZER],
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": "ModelDeployment",
                    "name": deployment.name,
                    "uid": deployment.uid,
                    "controller": True,
                }
            ],
        },
        "spec": action.spec.to_wire(),
    }


def create_rollout(client: Client, deployment: DeploymentView, action: CreateRollout) -> None:
    """Create it; one of that name with our owner uid and the same spec is adopted, any other is a ConflictError."""
    path = path_of("modelrollouts", deployment.namespace)
    try:
        client.create(path, rollout_manifest(deployment, action))
    except ApiError as error:
        what = f"ModelRollout {action.name}"
        if error.status != 409:
            raise write_error(error, what, "check that the CRDs are of this version of Tierwise") from error
        item = client.find(path_of("modelrollouts", deployment.namespace, action.name))
        if item is None:
            raise ConflictError(f"{what}: is being deleted") from error
        found = rollout_view(item)
        if found.owner_uid != deployment.uid or found.spec != action.spec:
            raise ConflictError(f"{what} exists with another owner or spec") from error


@dataclass(frozen=True, slots=True)
class ObjectVersion:
    """One object of ours as it was seen: its kind and resource, and where and in which version it is."""

    kind: str
    resource: str
    namespace: str
    name: str
    uid: str
    resource_version: str


def replace_status(client: Client, seen: ObjectVersion, status: ApiModel) -> Json:
    """PUT of the status with resourceVersion and uid; ConflictError when either is not current."""
    body = {
        "apiVersion": API_VERSION,
        "kind": seen.kind,
        "metadata": {
            "name": seen.name,
            "namespace": seen.namespace,
            "uid": seen.uid,
            "resourceVersion": seen.resource_version,
        },
        "status": status.to_wire(),
    }
    try:
        return client.replace(path_of(seen.resource, seen.namespace, seen.name, "status"), body)
    except ApiError as error:
        raise write_error(
            error,
            f"status of {seen.kind} {seen.name}",
            "this is a fault of Tierwise or of an older CRD; apply the CRDs",
        ) from error


def patch_metadata(
    client: Client, resource: str, namespace: str, name: str, resource_version: str, metadata: Json
) -> None:
    """Merge patch of metadata at a resourceVersion; ConflictError when that is not current. Gone counts as done."""
    body = {"metadata": {**metadata, "resourceVersion": resource_version}}
    try:
        client.patch(path_of(resource, namespace, name), body)
    except ApiError as error:
        if error.status != 404:
            raise write_error(error, f"{resource}/{name}", "") from error


def set_finalizer(client: Client, resource: str, namespace: str, name: str, *, present: bool) -> None:
    """Add or release Tierwise's finalizer; others' stay. Gone counts as done; never added to an object in deletion."""
    item = client.find(path_of(resource, namespace, name))
    if item is None:
        return
    metadata, deleting, has_finalizer = _parse(item)
    if has_finalizer == present or (present and deleting):
        return
    others = [entry for entry in metadata.get("finalizers") or [] if entry != FINALIZER]
    finalizers = [*others, FINALIZER] if present else others
    patch_metadata(client, resource, namespace, name, metadata["resourceVersion"], {"finalizers": finalizers})


def set_annotations(client: Client, deployment: DeploymentView, annotations: Mapping[str, str | None]) -> None:
    """Set Tierwise's own annotations on the ModelDeployment (None removes); no write when nothing differs."""
    if any(deployment.annotations.get(key) != value for key, value in annotations.items()):
        path = path_of("modeldeployments", deployment.namespace, deployment.name)
        try:
            # Without resourceVersion: these keys are Tierwise's alone, and the uid keeps them off an object made anew.
            client.patch(path, {"metadata": {"uid": deployment.uid, "annotations": dict(annotations)}})
        except ApiError as error:
            if error.status != 404:
                raise write_error(error, f"ModelDeployment {deployment.name}", "") from error
