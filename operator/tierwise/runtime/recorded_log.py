"""The port of a recorded log, which an analysis reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from tierwise.monitoring.counts.model import Block, Cells, Dataset, Invalid, PodCounts, Scope
from tierwise.monitoring.query.look.counts import Query
from tierwise.monitoring.query.look.row_patterns import Entries
from tierwise.monitoring.query.quality.arrivals import Received, Sources


@dataclass(frozen=True, slots=True)
class VersionRows:
    """Rows of one version in a log."""

    rows: int
    first: datetime
    last: datetime


class RecordedLog(Protocol):
    """What an analysis reads. adapters/prediction_logs/recorded.py implements it for ClickHouse and files."""

    def check(self, dataset: Dataset) -> None:
        """Raises when the dataset cannot be read."""
        ...

    def survey(
        self, dataset: Dataset, scope: Scope, window: tuple[datetime | None, datetime]
    ) -> Mapping[str, VersionRows]:
        """Every version of the scope's model and tiers, with its rows in the window."""
        ...

    def read_cells(self, dataset: Dataset, scope: Scope, blocks: Sequence[Block]) -> Cells:
        """As PredictionStore."""
        ...

    def read_entries(self, dataset: Dataset, scope: Scope, blocks: Sequence[Block], most: int) -> Entries:
        """Rows grouped by all their numbers, in any order, for metrics that need more than counts.

        Raises:
            SpecError: there are more than `most` combinations.
        """
        ...

    def read_halves(self, dataset: Dataset, scope: Scope, blocks: Sequence[Block]) -> Cells | None:
        """As PredictionStore."""
        ...

    def read_units(self, dataset: Dataset, scope: Scope, window: Block) -> Cells | None:
        """As PredictionStore."""
        ...

    def read_pods(self, dataset: Dataset, scope: Scope, window: Block) -> PodCounts | None:
        """As PredictionStore."""
        ...

    def count_invalid(self, dataset: Dataset, scope: Scope, window: Block, now: datetime) -> Invalid:
        """As PredictionStore."""
        ...

    def read_untimed(self, dataset: Dataset, scope: Scope, now: datetime) -> tuple[int, int]:
        """As PredictionStore."""
        ...

    def read_received(self, dataset: Dataset, scope: Scope, window: Block) -> Received:
        """As PredictionStore."""
        ...

    def read_sources(self, dataset: Dataset, scope: Scope, window: Block) -> Sources | None:
        """As PredictionStore."""
        ...

    def query_of(self, dataset: Dataset, scope: Scope, blocks: Sequence[Block]) -> Query:
        """The exact query that `read_cells` sends."""
        ...

    def hash_of(self, dataset: Dataset) -> str:
        """16 hex digits that identify what is counted. ml_performance stores the same."""
        ...
