"""The options of `analyze`, `plan` and `simulate`, before they are checked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from tierwise.api.modeldeployment import MetricSpec


@dataclass(frozen=True, slots=True)
class AnalyzeOptions:
    """The options from the command line. They are parsed, but not yet checked against each other."""

    store: str | None
    dataset_files: tuple[str, ...]
    deployment_file: str | None
    data: str | None
    model: str | None
    baseline: str
    candidate: str
    since: datetime | timedelta | None
    until: datetime | timedelta | None
    block: float | int | None
    tiers: tuple[str, ...]
    metrics: tuple[MetricSpec, ...]
    slices: tuple[str, ...]
    time_column: str | None
    version_column: str
    score_column: str
    label_column: str
    tier_column: str | None
    model_column: str | None
    threshold: float
    positive: str
    alpha: float
    to_end: bool = False
    label_files: tuple[tuple[str, str], ...] = ()  # name of a label source and the file of its rows
