"""Checks what arrived in the log, before a judgement counts: too few rows, rows that were logged twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from tierwise.monitoring.checks.arrivals import detect_arrivals, duplicated, received_window
from tierwise.monitoring.checks.concern import Concern
from tierwise.monitoring.checks.label_conflicts import contradictions
from tierwise.monitoring.checks.repeated_requests import left_out
from tierwise.monitoring.counts.model import Block, Dataset, Scope
from tierwise.monitoring.query.quality.arrivals import Received, Sources
from tierwise.plurals import plural
from tierwise.runtime.reading.datasets import BoundSource
from tierwise.runtime.recorded_log import RecordedLog


def arrival_concerns(
    sources: Mapping[str, BoundSource],
    mature: Mapping[str, datetime],
    interval: float,
) -> tuple[Concern, ...]:
    """Concerns about missing or repeated rows, for each dataset in its latest window. `interval` is that of a block."""
    found: list[Concern] = []
    for name, source in sources.items():
        window = received_window(source.dataset, mature[name], interval=interval)
        if window is not None:
            received = source.store.read_received(source.dataset, source.scope, window)
            found += detect_arrivals(source.dataset, received)
    return tuple(found)


class Receiving(Protocol):
    """Reads which rows and labels arrived, from a store or a recorded log."""

    def read_received(self, dataset: Dataset, scope: Scope, window: Block) -> Received:
        """As PredictionStore."""
        ...


def recorded_arrival_concerns(
    log: Receiving, datasets: Sequence[Dataset], scope: Scope, window: Block
) -> tuple[Concern, ...]:
    """As `arrival_concerns`, for a recorded window. Rows that were logged twice are searched in the whole window."""
    found: list[Concern] = []
    for dataset in datasets:
        asked = received_window(dataset, window.end)
        if asked is None:
            continue
        windows = [] if dataset.spec.volume is None else [asked]
        if not windows or dataset.spec.columns.request_id is not None:
            windows.append(window)
        for each in windows:
            found += detect_arrivals(dataset, log.read_received(dataset, scope, each))
    return tuple(found)


def arrival_notes(log: RecordedLog, datasets: Sequence[Dataset], scope: Scope, window: Block) -> tuple[str, ...]:
    """Notes of repeated rows and contradicting labels, however few, and of each source of labels and each pair."""
    notes: list[str] = []
    for dataset in datasets:
        if dataset.spec.columns.request_id is not None:
            received = log.read_received(dataset, scope, window)
            if received.duplicates:
                notes.append(f"dataset {dataset.name!r}: {duplicated(received)}")
            if received.dropped is not None and any(received.dropped.dropped):
                notes.append(f"dataset {dataset.name!r}: {left_out(received.dropped)}")
            if received.conflicts is not None and received.conflicts.total:
                notes.append(f"dataset {dataset.name!r}: {contradictions(received.conflicts, received.labels)}")
        sources = log.read_sources(dataset, scope, window)
        if sources is not None:
            notes += [f"dataset {dataset.name!r}: {line}" for line in _lines(sources)]
    return tuple(notes)


def _lines(sources: Sources) -> list[str]:
    lines = [
        f"label source {says.name!r} labels {plural(says.labels, 'row')} and decides {says.decides}"
        for says in sources.sources
    ]
    return lines + conflict_lines(sources)


def conflict_lines(sources: Sources) -> list[str]:
    """One line per pair of sources that label the same rows: on how many rows they differ."""
    return [
        f"label sources {pair.first!r} and {pair.second!r} differ on {pair.differ} of {plural(pair.both, 'row')} "
        f"({pair.share:.1%})"
        for pair in sources.conflicts
        if pair.both
    ]
