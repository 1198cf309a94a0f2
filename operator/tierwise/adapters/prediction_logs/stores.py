"""Opened prediction logs by DSN: one each, shared by all ticks."""

from __future__ import annotations

import threading

from tierwise.adapters.clickhouse.connection import parse_dsn
from tierwise.adapters.clickhouse.store import ClickHouseStore, open_store
from tierwise.adapters.prediction_logs.dataset_log import StoredDatasetLog
from tierwise.api.reasons import Reason
from tierwise.errors import StoreError
from tierwise.runtime.ports import PredictionStore


class Stores:
    """From a DSN (None: the default) to its store, opened on first use. Safe for several threads."""

    def __init__(self, default: str | None) -> None:
        """Raises ReasonedError when the default DSN is none; the store itself is not asked yet."""
        self._lock = threading.Lock()
        self._opened: dict[str, ClickHouseStore] = {}
        self._default = default
        if default is not None:
            self._opened[default] = open_store(default)

    def __call__(self, dsn: str | None) -> PredictionStore:
        """The store. Raises StoreError when there is no default, ReasonedError when the DSN is none."""
        return self._open(dsn)

    def log(self, dsn: str | None) -> StoredDatasetLog:
        """The same store for checks of datasets."""
        return StoredDatasetLog(self._open(dsn))

    def address(self, dsn: str | None) -> str:
        """Where the store is, without credentials; "" when there is none."""
        wanted = dsn or self._default
        return str(parse_dsn(wanted)) if wanted is not None else ""

    def _open(self, dsn: str | None) -> ClickHouseStore:
        wanted = dsn or self._default
        if wanted is None:
            raise StoreError(
                "the dataset names no store and the operator has none",
                "start the operator with --store (or TIERWISE_STORE), or set spec.store.dsnSecret of the dataset",
                reason=Reason.STORE_UNREACHABLE,
            )
        with self._lock:
            if wanted not in self._opened:
                self._opened[wanted] = open_store(wanted)
            return self._opened[wanted]

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for store in self._opened.values():
                store.close()
            self._opened.clear()
