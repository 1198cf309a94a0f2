"""A store as a check of a dataset asks it."""

from __future__ import annotations

from datetime import datetime

from tierwise.adapters.clickhouse.store import ClickHouseStore
from tierwise.adapters.clickhouse.values import built
from tierwise.adapters.prediction_logs.recorded import RecordedStore
from tierwise.api.monitoringdataset import Columns
from tierwise.monitoring.counts.model import Block, Dataset, Scope
from tierwise.monitoring.query.quality.score_range import Answers


class StoredDatasetLog(RecordedStore):
    """Implements `runtime.datasets.checks.DatasetLog`."""

    def __init__(self, store: ClickHouseStore) -> None:
        super().__init__(store)
        self._reads = store

    def check(self, dataset: Dataset) -> None:
        """Raises when the dataset cannot be read, or names a column that there is not."""
        log = built(dataset, lambda: self._log(dataset))
        for role in Columns.model_fields:
            replaced = role in ("label", "labelled_at") and dataset.spec.labels is not None
            if getattr(dataset.spec.columns, role) is not None and not replaced:
                built(dataset, lambda role=role: log.column(role))  # type: ignore[misc]  # a default cannot be inferred
        super().check(dataset)

    def watermark(self, dataset: Dataset, scope: Scope, now: datetime) -> datetime | None:
        """As PredictionStore."""
        return self._reads.watermark(dataset, scope, now)

    def read_answers(self, dataset: Dataset, scope: Scope, window: Block) -> Answers:
        """How many answers of the window are valid, and the range of its scores."""
        return self._reads.read_answers(dataset, scope, window)
