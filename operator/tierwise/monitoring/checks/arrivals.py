"""Checks that the rows are new enough, numerous enough, and logged once. If not, the gate holds a promotion. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from tierwise.api.common import duration_seconds
from tierwise.api.reasons import Reason
from tierwise.monitoring.checks.concern import Concern
from tierwise.monitoring.checks.label_conflicts import contradictions
from tierwise.monitoring.checks.repeated_requests import left_out
from tierwise.monitoring.counts.model import Block, Dataset
from tierwise.monitoring.query.quality.arrivals import Received
from tierwise.plurals import agreeing, plural
from tierwise.stats.split import arms_differ

STALE_INTERVALS = 5
STALE_SECONDS = 60.0
# Repeated rows count twice as evidence. So few of them change no rate and no error bound noticeably.
MOST_DUPLICATES = 0.001
MOST_CONFLICTS = 0.01  # share of labelled rows; with more, labels are too unreliable for a margin of a few percent
DUPLICATES_SECONDS = 600.0  # how much of the log each look searches for repeated rows; more if blocks are longer


def stale(
    dataset: Dataset, newest: datetime, now: datetime, *, interval: float, at_least: float = STALE_SECONDS
) -> Concern | None:
    """The concern if the newest prediction is older than `freshness.maxAge` or, without it, than five intervals.

    Args:
        dataset: The dataset.
        newest: Time of its newest prediction.
        now: The time of the look.
        interval: Seconds of a block.
        at_least: Seconds below which a log without `freshness` is never stale.
    """
    limit = max(STALE_INTERVALS * interval, at_least)
    if dataset.spec.freshness is not None:
        limit = float(duration_seconds(dataset.spec.freshness.max_age))
    quiet = (now - newest).total_seconds()
    if quiet <= limit:
        return None
    return Concern(
        Reason.STALE_LOG,
        f"dataset {dataset.name!r}: the newest prediction is {quiet:.0f} s old, at most {limit:.0f} s are allowed; "
        "check that pods still log",
    )


def empty(dataset: Dataset, model: str | None = None) -> Concern:
    """The concern that there is no prediction at all (of the model)."""
    of = f" of model {model!r}" if model is not None else ""
    text = f"dataset {dataset.name!r}: the log has no predictions{of}"
    return Concern(Reason.NO_ROWS, f"{text}; check that pods log them and spec.columns")


def unlabelled(dataset: Dataset, rows: int) -> Concern:
    """The concern that no label came although the labels are due. Metrics without labels are still judged."""
    text = f"dataset {dataset.name!r}: none of {plural(rows, 'prediction')} has a label yet"
    return Concern(Reason.NO_LABELS, f"{text}; check the labels and spec.where", regression_stands=True)


def received_window(dataset: Dataset, mature: datetime, *, interval: float = 0.0) -> Block | None:
    """The window in which rows are counted, up to the newest mature prediction; None if nothing must be counted.

    Its length is `volume.per`. Without `volume` it is ten minutes, or two blocks of `interval` seconds if that is
    longer. So the windows of successive looks cover all rows while a tier is judged.
    """
    spec = dataset.spec
    tables = spec.labels is not None and any(source.kind != "Column" for source in spec.labels.sources)
    if spec.volume is None and spec.columns.request_id is None and not tables:
        return None
    seconds = max(DUPLICATES_SECONDS, 2 * interval) if spec.volume is None else duration_seconds(spec.volume.per)
    return Block(mature - timedelta(seconds=max(1, seconds)), mature)


def detect_arrivals(dataset: Dataset, received: Received) -> tuple[Concern, ...]:
    """Concerns about the rows in the window of `received_window`.

    It finds: fewer rows or labels than `volume` requires; rows that were logged twice; more rows left out as repeated
    in one arm than in the other; too many labels that contradict each other, or more of them in one arm.
    """
    return (*_too_few(dataset, received), *_repeated(dataset, received), *_contradicted(dataset, received))


def _too_few(dataset: Dataset, received: Received) -> Iterator[Concern]:
    volume = dataset.spec.volume
    if volume is None:
        return
    for found, least, what in (
        (received.rows, volume.min_rows, "predictions"),
        (received.labels, volume.min_labels, "labels"),
    ):
        if least is not None and found < least:
            yield Concern(
                Reason.TOO_FEW_ROWS,
                f"dataset {dataset.name!r}: {found} {what} in {volume.per}, at least {least} are expected "
                f"(spec.volume); check that pods log {'and labels come' if what == 'labels' else 'all of them'}",
                regression_stands=True,
            )


def _repeated(dataset: Dataset, received: Received) -> Iterator[Concern]:
    if received.duplicates is not None and received.duplicates > MOST_DUPLICATES * received.rows:
        yield Concern(Reason.DUPLICATE_ROWS, f"dataset {dataset.name!r}: {duplicated(received)}")
    if received.dropped is not None and arms_differ(received.dropped.rows, received.dropped.dropped):
        text = f"dataset {dataset.name!r}: {left_out(received.dropped)}"
        yield Concern(Reason.DUPLICATE_ROWS, text, regression_stands=True)


def _contradicted(dataset: Dataset, received: Received) -> Iterator[Concern]:
    conflicts = received.conflicts
    if conflicts is None:
        return
    text = f"dataset {dataset.name!r}: {contradictions(conflicts, received.labels)}"
    if arms_differ(conflicts.rows, conflicts.contradicted):
        yield Concern(Reason.LABELING_DIFFERS, text)
    elif conflicts.total > MOST_CONFLICTS * received.labels:
        yield Concern(Reason.LABEL_CONFLICTS, text, regression_stands=True)


def duplicated(received: Received) -> str:
    """A message with the number of rows that repeat a request, and what to do."""
    share = received.duplicates / received.rows if received.duplicates and received.rows else 0.0
    repeat = agreeing(received.duplicates or 0, "repeats", "repeat")
    return (
        f"{received.duplicates} of {plural(received.rows, 'row')} ({share:.2%}) {repeat} a request that is in the log "
        "already; set spec.deduplicate: true, or write each request once"
    )
