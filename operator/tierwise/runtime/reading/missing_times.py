"""Reads rows outside every block from the store, before a look may promote."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from tierwise.monitoring.checks.concern import Concern
from tierwise.monitoring.checks.missing_times import untimed
from tierwise.monitoring.counts.model import Dataset, Scope
from tierwise.monitoring.query.quality.missing_times import WRITTEN_MEANWHILE
from tierwise.monitoring.verdicts.judgement import Judgement
from tierwise.runtime.reading.datasets import BoundSource


class Untimed(Protocol):
    """Reads rows without a time from a store or a recorded log."""

    def read_untimed(self, dataset: Dataset, scope: Scope, now: datetime) -> tuple[int, int]:
        """As PredictionStore."""
        ...


def untimed_rows(sources: Mapping[str, BoundSource], judged: Judgement, now: datetime) -> tuple[Concern, ...]:
    """The concerns if too many of the candidate's rows have no time or one in the future. Then a look must not promote.

    Only the candidate's rows count, because the baseline's rows without a time may be months old. If a regression is
    proven, nothing is read.
    """
    if judged.regressed or not any(judged.rows):
        return ()
    asked = (
        untimed_of_log(source.store, source.dataset, source.scope, judged.rows, now, of_candidate_only=True)
        for name, source in sources.items()
    )
    return tuple(found for found in asked if found is not None)


def untimed_of_log(
    log: Untimed,
    dataset: Dataset,
    scope: Scope,
    timed: tuple[int, int],
    now: datetime,
    *,
    of_candidate_only: bool = False,
) -> Concern | None:
    """The concern if there are too many rows without a time to ignore them. `timed` are the rows that were judged."""
    without = log.read_untimed(dataset, scope, now + WRITTEN_MEANWHILE)
    return untimed(dataset, timed, without, of_candidate_only=of_candidate_only) if any(without) else None
