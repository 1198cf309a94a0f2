"""The past in ClickHouse: what `ml_performance` holds, and the log itself."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tierwise.adapters.clickhouse.store import ClickHouseStore
from tierwise.adapters.prediction_logs.recorded import RecordedStore
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.monitoring.query.look.decode import texts
from tierwise.monitoring.query.stored.decode import StoredPast, decode_past
from tierwise.monitoring.query.stored.distributions import (
    StoredConfig,
    Wanted,
    complete_query,
    configs_query,
    decode_complete,
    decode_configs,
    past_query,
)


class RecordedPast(RecordedStore):
    """Implements `runtime.offline.backfill.PastStore`; reads tables of earlier releases too, as far as they go."""

    def __init__(self, store: ClickHouseStore) -> None:
        super().__init__(store)
        self._columns: frozenset[str] | None = None

    def configs(self, wanted: Wanted) -> tuple[StoredConfig, ...]:
        """The configurations of the stored blocks, oldest first."""
        with_texts = bool(self._store.query("EXISTS TABLE tierwise_config").column(0)[0].as_py())
        query = configs_query(wanted, with_texts=with_texts)
        return decode_configs(self._store.query(query.sql, query.parameters))

    def complete(self, wanted: Wanted, config: StoredConfig) -> tuple[Mapping[str, float], float]:
        """The share of stored blocks that have each sum, and of rows that have weights."""
        if not self._has_sums:
            return {}, 0.0
        query = complete_query(wanted, config.hash)
        return decode_complete(self._store.query(query.sql, query.parameters))

    def past(self, wanted: Wanted, config: StoredConfig, spec: MonitoringDatasetSpec) -> StoredPast | None:
        """The stored distributions, added up; None where there are none."""
        query = past_query(wanted, config.hash, with_sums=self._has_sums)
        table = self._store.query(query.sql, query.parameters)
        return decode_past(table, wanted, spec, np.array(config.edges))

    @property
    def _has_sums(self) -> bool:
        if self._columns is None:
            self._columns = frozenset(texts(self._store.query("DESCRIBE TABLE ml_performance").column("name")))
        return "sums" in self._columns
