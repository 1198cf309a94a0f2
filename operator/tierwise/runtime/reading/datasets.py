"""Resolves the names in an analysis to datasets and their stores. Errors name the object and the remedy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from tierwise.api.modeldeployment import Analysis
from tierwise.api.modelrollout import ModelRolloutSpec
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.reasons import Reason
from tierwise.api.supported import unsupported_features
from tierwise.errors import ReasonedError, SpecError, StoreError
from tierwise.monitoring.counts.model import Dataset, Scope
from tierwise.monitoring.planning.required_reads import reads_of
from tierwise.monitoring.planning.tier_plan import groupings_of
from tierwise.runtime.ports import Fleet, PredictionStore

StoreOf = Callable[[str | None], PredictionStore]
"""A function from a DSN (None: the operator's default store) to a store; raises StoreError or SpecError."""


@dataclass(frozen=True, slots=True)
class Source:
    """A dataset and its store."""

    dataset: Dataset
    store: PredictionStore


@dataclass(frozen=True, slots=True)
class BoundSource(Source):
    """A source with a scope, which says which of its rows to read."""

    scope: Scope


def bound(source: Source, scope: Scope) -> BoundSource:
    """The source with this scope."""
    return BoundSource(source.dataset, source.store, scope)


def stores_of(store: PredictionStore | StoreOf) -> StoreOf:
    """A function from DSN to store. A single store serves only datasets that name no DSN of their own."""
    if not hasattr(store, "read_cells"):
        return store
    default: PredictionStore = store  # type: ignore[assignment]

    def only(dsn: str | None) -> PredictionStore:
        if dsn is not None:
            raise SpecError(
                "a dataset names its own store, and only the default store is available here",
                "remove spec.store of the MonitoringDataset",
                reason=Reason.NOT_SUPPORTED,
            )
        return default

    return only


def writer_of(stores: StoreOf, otherwise: PredictionStore) -> PredictionStore:
    """Where what is kept is written: the operator's own store, whose user may insert; without one, `otherwise`.

    The user of a dataset's own store reads, and needs no other right.
    """
    try:
        return stores(None)
    except ReasonedError:
        return otherwise


def scope_of(spec: ModelRolloutSpec, dataset: Dataset, tiers: tuple[str, ...]) -> Scope:
    """The scope of the rows that a rollout's tiers produced, as far as the dataset's columns identify them."""
    columns = dataset.spec.columns
    return Scope(
        model=spec.model if columns.model else None,
        baseline=spec.from_.name,
        candidate=spec.to.name,
        tiers=tiers if columns.tier else (),
    )


def resolve(namespace: str, analysis: Analysis, fleet: Fleet, stores: StoreOf) -> Mapping[str, Source]:
    """The sources by name, in the analysis' order. Raises SpecError (stalled) or StoreError (hold)."""
    return {
        item.name: Source(*_resolve_one(namespace, item.name, analysis, fleet, stores)) for item in analysis.datasets
    }


def _resolve_one(
    namespace: str, name: str, analysis: Analysis, fleet: Fleet, stores: StoreOf
) -> tuple[Dataset, PredictionStore]:
    spec = fleet.get_dataset(namespace, name)
    if spec is None:
        raise SpecError(
            f"MonitoringDataset {name!r} does not exist in namespace {namespace!r}",
            "create it or fix spec.analysis.datasets",
            reason=Reason.DATASET_MISSING,
        )
    lines = unsupported_features(spec)
    if lines:
        raise SpecError(f"MonitoringDataset {name!r}: {lines[0]}", reason=Reason.NOT_SUPPORTED)
    item = next(item for item in analysis.datasets if item.name == name)
    groupings, reads = groupings_of(item, spec), reads_of(item, spec)
    dataset = Dataset(name, spec, groupings, reads=reads)
    return dataset, stores(dsn_of(namespace, name, spec, fleet))


class Secrets(Protocol):
    """Reads Secrets, which hold DSNs."""

    def get_secret(self, namespace: str, name: str, key: str) -> str | None:
        """As Fleet."""
        ...


def dsn_of(namespace: str, name: str, spec: MonitoringDatasetSpec, secrets: Secrets) -> str | None:
    """The DSN in the dataset's Secret; None if the dataset names no Secret and so uses the default store.

    Raises:
        StoreError: StoreAccessDenied if the Secret or its key does not exist.
    """
    if spec.store is None:
        return None
    secret = spec.store.dsn_secret
    dsn = secrets.get_secret(namespace, secret.name, secret.key)
    if dsn is None:
        raise StoreError(
            f"MonitoringDataset {name!r}: Secret {secret.name!r} with key {secret.key!r} cannot be read",
            "create it, with the store's DSN",
            reason=Reason.STORE_ACCESS_DENIED,
        )
    return dsn
