"""One check of a MonitoringDataset against its store: try the queries of a look on no rows, then measure the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from tierwise.api.common import duration_seconds
from tierwise.api.monitoringdataset import DifferingSources, LoggedVersion, LogStatus, MonitoringDatasetSpec
from tierwise.api.names import ConditionType
from tierwise.api.reasons import Reason
from tierwise.metrics import registry
from tierwise.metrics.support import missing
from tierwise.metrics.tally import Sum
from tierwise.metrics.weighted import sums_of
from tierwise.monitoring.checks.arrivals import detect_arrivals, empty, stale, unlabelled
from tierwise.monitoring.checks.concern import Concern
from tierwise.monitoring.checks.missing_times import untimed, untimed_text
from tierwise.monitoring.counts.model import Block, Dataset, PodCounts, Reads, Scope
from tierwise.monitoring.query.quality.arrivals import Received, Sources
from tierwise.monitoring.query.quality.missing_times import WRITTEN_MEANWHILE
from tierwise.monitoring.query.quality.score_range import Answers, invalid_text
from tierwise.plurals import agreeing
from tierwise.rollout.gate import OUT_OF_DOMAIN_ROWS, OUT_OF_DOMAIN_SHARE, first_concern
from tierwise.rollout.record.dataset_status import Finding, usable_text
from tierwise.rollout.state.conditions import Truth
from tierwise.runtime.reading.arrivals import conflict_lines
from tierwise.runtime.recorded_log import VersionRows

WINDOW_SECONDS = 3600.0
MOST_VERSIONS = 20
_NOBODY = "(no version)"
_JUST_AFTER = timedelta(microseconds=1)  # windows are half-open


class DatasetLog(Protocol):
    """What a check reads from a store. Every method may raise StoreError or SpecError."""

    def check(self, dataset: Dataset) -> None:
        """Raises when the dataset cannot be read, or names a column that does not exist."""
        ...

    def watermark(self, dataset: Dataset, scope: Scope, now: datetime) -> datetime | None:
        """As PredictionStore."""
        ...

    def survey(
        self, dataset: Dataset, scope: Scope, window: tuple[datetime | None, datetime]
    ) -> Mapping[str, VersionRows]:
        """As RecordedLog."""
        ...

    def read_received(self, dataset: Dataset, scope: Scope, window: Block) -> Received:
        """As PredictionStore."""
        ...

    def read_sources(self, dataset: Dataset, scope: Scope, window: Block) -> Sources | None:
        """As PredictionStore."""
        ...

    def read_pods(self, dataset: Dataset, scope: Scope, window: Block) -> PodCounts | None:
        """As PredictionStore."""
        ...

    def read_untimed(self, dataset: Dataset, scope: Scope, now: datetime) -> tuple[int, int]:
        """As PredictionStore."""
        ...

    def read_answers(self, dataset: Dataset, scope: Scope, window: Block) -> Answers:
        """How many answers of the two versions in the window are valid, and the range of their scores."""
        ...


@dataclass(frozen=True, slots=True)
class Asked:
    """What is checked: a dataset, its name, and whether any of its users judges a metric that needs labels."""

    name: str
    spec: MonitoringDatasetSpec
    needs_labels: bool = True


def whole_dataset(name: str, spec: MonitoringDatasetSpec) -> Dataset:
    """The dataset with every dimension, value and column that a metric could ask for."""
    wanted = [f"mean@{value.name}" for value in spec.values]
    columns = spec.columns
    wanted += ["latency-over@1000"] if columns.latency is not None else []
    wanted += ["server-error-rate"] if columns.status is not None else []
    wanted += ["top-k@2"] if columns.top is not None else []
    metrics = [metric for metric in map(registry.find, wanted) if metric is not None and missing(metric, spec) is None]
    is_weighted = columns.weight is not None
    sums: dict[str, Sum] = {each.name: each for metric in metrics for each in sums_of(metric, weighted=is_weighted)}
    groupings = tuple((dimension.name,) for dimension in spec.dimensions)
    return Dataset(name, spec, groupings, reads=Reads(sums=tuple(sums.values()), weights=is_weighted))


def check_dataset(asked: Asked, log: DatasetLog, now: datetime) -> Finding:
    """Try the dataset, and measure its log.

    Raises:
        SpecError: a person must change the dataset. StoreError: the store cannot be read.
    """
    dataset = whole_dataset(asked.name, asked.spec)
    log.check(dataset)
    everyone = Scope(None, _NOBODY, _NOBODY)
    newest = log.watermark(dataset, everyone, now)
    if newest is None:
        nothing = empty(dataset)
        return Finding(nothing.reason, nothing.message)
    until = min(newest, now - timedelta(seconds=duration_seconds(asked.spec.maturity)))
    window = Block(until - timedelta(seconds=_seconds(asked.spec)), until + _JUST_AFTER)
    seen = log.survey(dataset, everyone, (window.start, window.end))
    scope = _most_rows(seen)
    log.read_pods(dataset, scope, Block(window.end - _JUST_AFTER, window.end))  # raises if the column is missing
    received = log.read_received(dataset, scope, window)
    sources = log.read_sources(dataset, scope, window)
    found = _measured(newest, window, seen, received, sources)
    others = _agreement(sources)
    answers = log.read_answers(dataset, scope, window)
    rows = _rows_of(scope.baseline, seen), _rows_of(scope.candidate, seen)
    without = log.read_untimed(dataset, scope, now + WRITTEN_MEANWHILE)
    concerns = [
        stale(dataset, newest, now, interval=0.0) if asked.spec.freshness is not None else None,
        *detect_arrivals(dataset, received),
        _unlabelled(dataset, received) if asked.needs_labels else None,
        _invalid(dataset, answers),
        untimed(dataset, rows, without, of_candidate_only=True),
    ]
    held = first_concern(concern for concern in concerns if concern is not None)
    if held is not None:
        return Finding(held.reason, held.message, found, others)
    warnings = [text for truth, _, text in others.values() if truth == "False"]
    warnings += [invalid_text(asked.spec, answers)] if answers.invalid else []
    if any(without):
        warnings.append(f"{untimed_text(sum(without))}, and {agreeing(sum(without), 'counts', 'count')} nowhere")
    return Finding(Reason.USABLE, usable_text(found, warnings), found, others)


def _invalid(dataset: Dataset, found: Answers) -> Concern | None:
    """The concern if the share of invalid answers is as high as the one that holds a rollout."""
    if found.rows < OUT_OF_DOMAIN_ROWS or found.invalid < OUT_OF_DOMAIN_SHARE * found.rows:
        return None
    text = f"dataset {dataset.name!r}: {invalid_text(dataset.spec, found)}; correct it, or spec.columns.score"
    return Concern(Reason.DOMAIN_SUSPECT, text)


def _rows_of(version: str, seen: Mapping[str, VersionRows]) -> int:
    return seen[version].rows if version in seen else 0


def _unlabelled(dataset: Dataset, received: Received) -> Concern | None:
    if received.labels:
        return None
    if received.rows:
        return unlabelled(dataset, received.rows)
    maturity = dataset.spec.maturity
    return Concern(Reason.NO_LABELS, f"no prediction is as old as spec.maturity ({maturity}) yet: labels may come")


def _seconds(spec: MonitoringDatasetSpec) -> float:
    return WINDOW_SECONDS if spec.volume is None else float(max(1, duration_seconds(spec.volume.per)))


def _most_rows(seen: Mapping[str, VersionRows]) -> Scope:
    """The scope of the two versions with the most rows."""
    first, second, *_ = [*_ranked(seen), _NOBODY, _NOBODY]
    return Scope(None, first, second)


def _ranked(seen: Mapping[str, VersionRows]) -> Sequence[str]:
    return sorted(seen, key=lambda version: (-seen[version].rows, version))


def _measured(
    newest: datetime, window: Block, seen: Mapping[str, VersionRows], received: Received, sources: Sources | None
) -> LogStatus:
    conflicts = sources.conflicts if sources is not None else ()
    return LogStatus(
        newest=_to_millis(newest),
        since=_to_millis(window.start),
        until=_to_millis(window.end - _JUST_AFTER),
        rows=sum(one.rows for one in seen.values()),
        labelled=round(received.labels / received.rows, 4) if received.rows else None,
        versions=[LoggedVersion(name=name[:256], rows=seen[name].rows) for name in _ranked(seen)[:MOST_VERSIONS]],
        differing_sources=[
            DifferingSources(first=pair.first, second=pair.second, both=pair.both, differ=pair.differ)
            for pair in conflicts
            if pair.differ
        ],
    )


def _to_millis(moment: datetime) -> datetime:
    """The time rounded as the API server stores it, so that an unchanged status compares as equal."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def _agreement(sources: Sources | None) -> dict[ConditionType, tuple[Truth, Reason, str]]:
    """The condition LabelsAgree: whether sources that label the same rows give them the same labels."""
    if sources is None:
        return {}
    text = "; ".join(conflict_lines(sources)) or "no row is labelled by two sources"
    if any(pair.differ for pair in sources.conflicts):
        return {ConditionType.LABELS_AGREE: ("False", Reason.LABEL_SOURCES_DIFFER, text)}
    return {ConditionType.LABELS_AGREE: ("True", Reason.LABEL_SOURCES_AGREE, text)}
