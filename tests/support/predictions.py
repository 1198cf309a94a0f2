"""Predictions with everything that can be wrong in them, and their count by brute force: the look query's oracle."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa

from tierwise.api.slices import slice_key
from tierwise.monitoring.counts.model import Block, Dataset, Scope

T0 = datetime(2024, 3, 10, 12, 0, tzinfo=UTC)
_TIME = pa.timestamp("ms", tz="UTC")


@dataclass
class Row:
    """One logged prediction; the score is what Float32 holds."""

    ts: datetime
    version: str
    score: float
    label: int | None = 0
    labelled_at: datetime | None = None
    tier: str = "tier-3"
    model: str = "m"
    source: str = "x"
    dimensions: Mapping[str, str] = field(default_factory=dict)


def single(value: float) -> float:
    """The value as Float32 holds it."""
    return float(np.float32(value))


def columns(rows: Sequence[Row], dimensions: Sequence[str]) -> pa.Table:
    """The rows as columns of `predictions`; `source` goes into content_meta."""
    return pa.table(
        {
            "ts": pa.array([r.ts for r in rows], _TIME),
            "tier": [r.tier for r in rows],
            "pod": ["p"] * len(rows),
            "model": [r.model for r in rows],
            "model_version": [r.version for r in rows],
            "score": pa.array([r.score for r in rows], pa.float32()),
            "label": pa.array([r.label for r in rows], pa.uint8()),
            "labelled_at": pa.array([r.labelled_at for r in rows], _TIME),
            "content_meta": [r.source for r in rows],
            **{d: [r.dimensions.get(d, "") for r in rows] for d in dimensions},
        }
    )


def answer_of(score: float, dataset: Dataset) -> int:
    """0 negative, 1 positive, 2 invalid: in Float32, as the score is stored."""
    spec = dataset.spec
    s = np.float32(score)
    if math.isnan(score) or s < np.float32(spec.domain.min) or s > np.float32(spec.domain.max):
        return 2
    if any(s == np.float32(x) for x in spec.domain.exclude):
        return 2
    at_or_above = s >= np.float32(spec.threshold)
    return int(at_or_above if spec.positive == "AtOrAbove" else not at_or_above)


def label_of(row: Row, maturity: timedelta, where: str | None = None) -> int:
    """0, 1, or 2: unknown."""
    if where is not None and row.source != where:
        return 2
    if row.label not in (0, 1) or (row.labelled_at is not None and row.labelled_at > row.ts + maturity):
        return 2
    return row.label


def slices_of(row: Row, dataset: Dataset, kept: Mapping[str, Sequence[str]] | None = None) -> list[str]:
    """Keys of all slices that the row is in."""
    values = {}
    for dimension in dataset.spec.dimensions:
        value = row.dimensions.get(dimension.name, "")
        if kept and dimension.name in kept and value not in kept[dimension.name]:
            value = "other"
        values[dimension.name] = value
    return [slice_key({}), *(slice_key({name: values[name] for name in grouping}) for grouping in dataset.groupings)]


def in_scope(row: Row, scope: Scope) -> bool:
    """Of the model, the tiers and one of the two versions."""
    return (
        (scope.model is None or row.model == scope.model)
        and (not scope.tiers or row.tier in scope.tiers)
        and row.version in (scope.baseline, scope.candidate)
    )


def brute_cells(
    rows: Sequence[Row],
    dataset: Dataset,
    scope: Scope,
    blocks: Sequence[Block],
    *,
    maturity: timedelta,
    where: str | None = None,
    kept: Mapping[str, Sequence[str]] | None = None,
) -> dict[str, np.ndarray]:
    """Counts of shape (blocks, 2, 3, 3) by slice key, one row at a time."""
    found: dict[str, np.ndarray] = {"": np.zeros((len(blocks), 2, 3, 3), dtype=np.int64)}
    for row in rows:
        if not in_scope(row, scope):
            continue
        for i, block in enumerate(blocks):
            if block.start <= row.ts < block.end:
                place = (
                    i,
                    int(row.version == scope.candidate),
                    label_of(row, maturity, where),
                    answer_of(row.score, dataset),
                )
                for key in slices_of(row, dataset, kept):
                    found.setdefault(key, np.zeros((len(blocks), 2, 3, 3), dtype=np.int64))[place] += 1
    return found


def brute_bins(score: float, edges: np.ndarray, dataset: Dataset) -> int:
    """The bin of a score by comparing it with every edge in Float32; the last bin of all is "invalid"."""
    if answer_of(score, dataset) == 2:
        return len(edges) - 1
    below = int((edges.astype(np.float32) <= np.float32(score)).sum()) - 1
    return min(max(below, 0), len(edges) - 2)
