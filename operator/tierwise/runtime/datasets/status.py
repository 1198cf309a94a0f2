"""The loop of one MonitoringDataset: check it against its store, and write its status once if it changed.

It runs in its own worker. No rollout waits for it, and no decision uses what it writes.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from tierwise.api.monitoringdataset import MonitoringDatasetSpec, MonitoringDatasetStatus
from tierwise.api.names import ConditionType
from tierwise.api.reasons import Reason
from tierwise.errors import ReasonedError, SpecError
from tierwise.metrics import registry
from tierwise.rollout.record.dataset_status import READY_SECONDS, Finding, next_check_seconds, ready_reason, status_of
from tierwise.rollout.record.summary import shared_text
from tierwise.runtime.datasets.checks import Asked, DatasetLog, check_dataset
from tierwise.runtime.ports import Clock
from tierwise.runtime.reading.datasets import Secrets, dsn_of

logger = logging.getLogger(__name__)

Key = tuple[str, str]  # namespace, name


@dataclass(frozen=True, slots=True)
class DatasetView:
    """A stored MonitoringDataset. If it cannot be read, `spec` is the error."""

    namespace: str
    name: str
    uid: str
    generation: int
    resource_version: str
    spec: MonitoringDatasetSpec | SpecError
    status: MonitoringDatasetStatus


@dataclass(frozen=True, slots=True)
class DatasetUser:
    """A ModelDeployment in the dataset's namespace that uses the dataset for its analysis."""

    deployment: str
    model: str
    tiers: frozenset[str]
    metrics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Which rows a dataset reads, and who uses it. `store` has no credential. `has_tiers`: the log names tiers."""

    store: str
    table: str
    users: tuple[DatasetUser, ...]
    has_tiers: bool

    def shares(self, user: DatasetUser, other: DatasetUser, has_tiers: bool) -> bool:
        """Whether the log cannot distinguish the two users: they have one model name and no different tiers."""
        return user.model == other.model and not (has_tiers and self.has_tiers and user.tiers.isdisjoint(other.tiers))

    def reads_as(self, other: Place) -> bool:
        """Whether both read the same table of the same store."""
        return (self.store, self.table) == (other.store, other.table)

    def shared_with(self, other: Place) -> list[tuple[DatasetUser, DatasetUser]]:
        """Pairs of a user here and a user in another namespace that the log cannot distinguish."""
        if not self.reads_as(other):
            return []
        return [(a, b) for a in self.users for b in other.users if self.shares(a, b, other.has_tiers)]


class Datasets(Secrets, Protocol):
    """MonitoringDatasets of a cluster."""

    def read(self, namespace: str, name: str) -> DatasetView | None:
        """Read it fresh; None when it does not exist or is being deleted."""
        ...

    def users(self, namespace: str, name: str) -> tuple[DatasetUser, ...]:
        """The ModelDeployments that use the dataset."""
        ...

    def replace_status(self, view: DatasetView, status: MonitoringDatasetStatus) -> bool:
        """Send one PUT with the observed resourceVersion; ConflictError on 409. False without the right to write."""
        ...


class Logs(Protocol):
    """Prediction logs by DSN (None: the operator's own)."""

    def log(self, dsn: str | None) -> DatasetLog:
        """Raises StoreError or SpecError."""
        ...

    def address(self, dsn: str | None) -> str:
        """The address of the store, without credentials."""
        ...


class DatasetStatuses:
    """Ticks of MonitoringDatasets. Safe for several threads, one at a time per object."""

    def __init__(
        self,
        datasets: Datasets,
        logs: Logs,
        clock: Clock,
        wake: Callable[[str, str], None],
        wake_users: Callable[[str, str], None],
    ) -> None:
        """`wake` makes a dataset due when it begins or stops to share its rows with another dataset.

        `wake_users` makes the users of a dataset due when it becomes usable, or is no longer usable. They read it
        themselves. Without this they would see a repaired store or Secret only at their own next tick.
        """
        self._wake_users = wake_users
        self._datasets = datasets
        self._logs = logs
        self._clock = clock
        self._wake = wake
        self._lock = threading.Lock()
        self._places: dict[Key, Place] = {}

    def tick(self, namespace: str, name: str) -> float | None:
        """Check one dataset; seconds to the next check, None when it is gone."""
        view = self._datasets.read(namespace, name)
        if view is None:
            self.forget(namespace, name)
            return None
        now = self._clock.now()
        try:
            finding = self._find(view)
        except ReasonedError as error:
            if isinstance(error, SpecError):  # nothing can be judged on it; a store that is down may come back
                self._settle((namespace, name), None)
            finding = Finding(error.reason, str(error))
        status = status_of(view.status, finding, generation=view.generation, now=now)
        if status != view.status:
            if not self._datasets.replace_status(view, status):
                return READY_SECONDS
            if ready_reason(view.status) not in (None, ready_reason(status)):
                self._wake_users(namespace, name)
            logger.info("MonitoringDataset %s/%s: %s: %s", namespace, name, finding.reason, finding.message)
        spec = view.spec if isinstance(view.spec, MonitoringDatasetSpec) else None
        return next_check_seconds(status, spec, now)

    def forget(self, namespace: str, name: str) -> None:
        """Remove a dataset that no longer exists, and check again the datasets with which it shared rows."""
        self._settle((namespace, name), None)

    def _find(self, view: DatasetView) -> Finding:
        if isinstance(view.spec, SpecError):
            raise view.spec
        dsn = dsn_of(view.namespace, view.name, view.spec, self._datasets)
        users = self._datasets.users(view.namespace, view.name)
        table = view.spec.table or view.spec.query or ""
        place = Place(self._logs.address(dsn), table, users, view.spec.columns.tier is not None)
        known = self._places.get((view.namespace, view.name))
        if known is not None and not known.reads_as(place):
            self._settle((view.namespace, view.name), None)  # it reads other rows now, even if they cannot be read
        finding = check_dataset(
            Asked(view.name, view.spec, _need_labels(users)), self._logs.log(dsn), self._clock.now()
        )
        shared = self._shared(view, place)
        if shared is None:
            return finding
        others = {**finding.others, ConditionType.MODEL_NAME_UNIQUE: ("False", Reason.MODEL_NAME_SHARED, shared)}
        return replace(finding, message=f"{finding.message}; {shared}", others=others)

    def _shared(self, view: DatasetView, place: Place) -> str | None:
        """Which users in other namespaces share rows with this dataset, as a message; None if none is known.

        Within a namespace the ModelDeployments report this themselves.
        """
        found: dict[str, set[str]] = {}
        for (namespace, _), other in self._settle((view.namespace, view.name), place).items():
            for own, theirs in place.shared_with(other):
                found.setdefault(own.model, set()).add(f"{namespace}/{theirs.deployment}")
        if not found:
            return None
        model = min(found)
        return shared_text(sorted(found[model]), model)

    def _settle(self, key: Key, place: Place | None) -> dict[Key, Place]:
        """Remember where a dataset reads (None: nowhere). Returns the places of other namespaces.

        Datasets that begin or stop to share rows with it become due.
        """
        with self._lock:
            before = self._places.pop(key, None)
            if place is not None:
                self._places[key] = place
            others = {other: at for other, at in self._places.items() if other[0] != key[0]}
        for other, at in others.items():
            if _told(before, at) != _told(place, at):
                self._wake(*other)
        return others


def _told(place: Place | None, other: Place) -> set[tuple[str, str, str]]:
    """What the status of `other` says about a place that shares its rows: the model and both ModelDeployments."""
    return set() if place is None else {(a.model, a.deployment, b.deployment) for a, b in place.shared_with(other)}


def _need_labels(users: tuple[DatasetUser, ...]) -> bool:
    """Whether a metric that is judged needs labels. True also if no user of the dataset is known."""
    metrics = [registry.find(name) for user in users for name in user.metrics]
    return not metrics or any(metric is None or metric.needs_labels for metric in metrics)
