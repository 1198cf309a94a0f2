"""Datasets, a log and a cluster in memory, and the ticks of the datasets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from tierwise.api.monitoringdataset import MonitoringDatasetSpec, MonitoringDatasetStatus
from tierwise.errors import ConflictError
from tierwise.monitoring.counts.model import Block, Dataset, Scope
from tierwise.monitoring.query.quality.arrivals import Received, Sources
from tierwise.monitoring.query.quality.score_range import Answers
from tierwise.runtime.datasets.status import DatasetStatuses, DatasetUser, DatasetView
from tierwise.runtime.recorded_log import VersionRows

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
ACCURACY = DatasetUser("bot", "bot", frozenset({"tier-1"}), ("accuracy",))


@dataclass
class Log:
    """A prediction log that says what it is told to."""

    newest: datetime | None = T0
    rows: dict[str, int] = field(default_factory=lambda: {"v1": 900, "v2": 100})
    labels: int = 500
    sources: Sources | None = None
    error: Exception | None = None
    answers: Answers = field(default_factory=lambda: Answers(1000, 0))
    untimed: tuple[int, int] = (0, 0)
    windows: list[Block] = field(default_factory=list)

    def check(self, dataset: Dataset) -> None:
        if self.error is not None:
            raise self.error

    def watermark(self, dataset: Dataset, scope: Scope, now: datetime) -> datetime | None:
        return self.newest

    def survey(
        self, dataset: Dataset, scope: Scope, window: tuple[datetime | None, datetime]
    ) -> dict[str, VersionRows]:
        return {version: VersionRows(rows, T0, T0) for version, rows in self.rows.items()}

    def read_received(self, dataset: Dataset, scope: Scope, window: Block) -> Received:
        self.windows.append(window)
        return Received(sum(self.rows.values()), self.labels if self.rows else 0)

    def read_sources(self, dataset: Dataset, scope: Scope, window: Block) -> Sources | None:
        return self.sources

    def read_pods(self, dataset: Dataset, scope: Scope, window: Block) -> None:
        return None

    def read_untimed(self, dataset: Dataset, scope: Scope, now: datetime) -> tuple[int, int]:
        return self.untimed

    def read_answers(self, dataset: Dataset, scope: Scope, window: Block) -> Answers:
        return self.answers


@dataclass
class World:
    """Datasets in memory, one log, and the ticks of them."""

    log: Log = field(default_factory=Log)
    views: dict[tuple[str, str], DatasetView] = field(default_factory=dict)
    using: dict[tuple[str, str], tuple[DatasetUser, ...]] = field(default_factory=dict)
    writes: int = 0
    may_write: bool = True
    woken: list[tuple[str, str]] = field(default_factory=list)
    told: list[tuple[str, str]] = field(default_factory=list)
    now_: datetime = T0

    def __post_init__(self) -> None:
        self.ticks = DatasetStatuses(
            self, _Logs(self), self, lambda *key: self.woken.append(key), lambda *key: self.told.append(key)
        )

    def add(self, namespace: str = "ns", *, users: tuple[DatasetUser, ...] = (), **spec: Any) -> None:
        parsed = MonitoringDatasetSpec.model_validate({"table": "predictions", **spec})
        key = (namespace, "humans")
        self.views[key] = DatasetView(*key, "uid", 1, "1", parsed, MonitoringDatasetStatus())
        self.using[key] = users

    def tick(self, namespace: str = "ns") -> float | None:
        return self.ticks.tick(namespace, "humans")

    def ready(self, namespace: str = "ns") -> tuple[str, str, str]:
        status = self.views[namespace, "humans"].status
        found = next(condition for condition in status.conditions if condition.type == "Ready")
        return found.status, found.reason, found.message

    def now(self) -> datetime:
        return self.now_

    def read(self, namespace: str, name: str) -> DatasetView | None:
        return self.views.get((namespace, name))

    def users(self, namespace: str, name: str) -> tuple[DatasetUser, ...]:
        return self.using[namespace, name]

    def get_secret(self, namespace: str, name: str, key: str) -> str | None:
        return None

    def replace_status(self, view: DatasetView, status: MonitoringDatasetStatus) -> bool:
        if not self.may_write:
            return False
        if self.views[view.namespace, view.name].resource_version != view.resource_version:
            raise ConflictError("somebody wrote first")
        self.writes += 1
        self.views[view.namespace, view.name] = replace(view, status=status, resource_version=f"{self.writes + 1}")
        return True


class _Logs:
    def __init__(self, world: World) -> None:
        self._world = world

    def log(self, dsn: str | None) -> Log:
        return self._world.log

    def address(self, dsn: str | None) -> str:
        return "clickhouse://ch:8123/logs"
