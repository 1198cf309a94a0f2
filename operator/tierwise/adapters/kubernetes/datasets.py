"""MonitoringDatasets as their status worker sees them: fresh reads, who uses them by the caches, one status write."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from tierwise.adapters.kubernetes.caches.mirror import Mirror
from tierwise.adapters.kubernetes.client import Client
from tierwise.adapters.kubernetes.fleet import KubernetesFleet
from tierwise.adapters.kubernetes.objects import ObjectVersion, dataset_spec, replace_status
from tierwise.adapters.kubernetes.paths import path_of
from tierwise.api.monitoringdataset import MonitoringDatasetSpec, MonitoringDatasetStatus
from tierwise.errors import ForbiddenError, SpecError
from tierwise.runtime.datasets.status import DatasetUser, DatasetView

logger = logging.getLogger(__name__)


class KubernetesDatasets:
    """Implements `runtime.datasets.status.Datasets`. Every method raises ClusterError without an answer."""

    def __init__(self, client: Client, mirror: Mirror, fleet: KubernetesFleet) -> None:
        self._client = client
        self._mirror = mirror
        self._fleet = fleet

    def read(self, namespace: str, name: str) -> DatasetView | None:
        """Fresh; None when it does not exist or is being deleted."""
        item = self._client.find(path_of("monitoringdatasets", namespace, name))
        if item is None or "deletionTimestamp" in item["metadata"]:
            return None
        return dataset_view(item)

    def users(self, namespace: str, name: str) -> tuple[DatasetUser, ...]:
        """From the cache."""
        return tuple(
            DatasetUser(claim.name, claim.model, claim.tiers, metrics)
            for claim in self._mirror.claims(namespace)
            for dataset, metrics in claim.judged_on
            if dataset == name
        )

    def get_secret(self, namespace: str, name: str, key: str) -> str | None:
        """As Fleet."""
        return self._fleet.get_secret(namespace, name, key)

    def replace_status(self, view: DatasetView, status: MonitoringDatasetStatus) -> bool:
        """One PUT with the observed resourceVersion; ConflictError on 409. False without the right to: only logged."""
        try:
            replace_status(
                self._client,
                ObjectVersion(
                    "MonitoringDataset",
                    "monitoringdatasets",
                    view.namespace,
                    view.name,
                    view.uid,
                    view.resource_version,
                ),
                status,
            )
        except ForbiddenError as error:
            what = f"status of MonitoringDataset {view.namespace}/{view.name} cannot be written: {error.message}"
            logger.warning("%s; grant update of monitoringdatasets/status (docs/concepts/operator.md)", what)
            return False
        return True


def dataset_view(item: Mapping[str, Any]) -> DatasetView:
    """A MonitoringDataset from its JSON; a spec that this version cannot read is kept as the error it is."""
    metadata = item["metadata"]
    spec: MonitoringDatasetSpec | SpecError
    try:
        spec = dataset_spec(item)
    except SpecError as error:
        spec = error
    try:
        status = MonitoringDatasetStatus.model_validate(item.get("status") or {})
    except ValidationError:
        status = MonitoringDatasetStatus()  # it is written anew
    return DatasetView(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        generation=metadata["generation"],
        resource_version=metadata["resourceVersion"],
        spec=spec,
        status=status,
    )
