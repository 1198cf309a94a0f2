"""Whether what arrived is new enough, enough, and logged once: else the gate holds, and nothing passes. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from tierwise.api.common import duration_seconds
from tierwise.api.reasons import Reason
from tierwise.monitoring.checks.concern import Concern
from tierwise.monitoring.checks.label_conflicts import contradictions
from tierwise.monitoring.checks.repeated_requests import left_out
from tierwise.monitoring.counts.model import Block, Dataset
from tierwise.monitoring.query.quality.arrivals import Received
from tierwise.stats.presence import arms_differ

STALE_INTERVALS = 5
STALE_SECONDS = 60.0
# Repeated rows count twice as evidence; so few change no rate and no error bound that is judged.
MOST_DUPLICATES = 0.001
MOST_CONFLICTS = 0.01  # share of labelled rows: beyond it labels are no measure of a margin of a few percent
DUPLICATES_SECONDS = 600.0  # of the log that each look searches for repeated rows; more where blocks are longer


def stale(
    dataset: Dataset, newest: datetime, now: datetime, *, interval: float, at_least: float = STALE_SECONDS
) -> Concern | None:
    """Whether the newest prediction is older than `freshness.maxAge`; without it, than five intervals.

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
    """There is no prediction at all (of the model)."""
    of = f" of model {model!r}" if model is not None else ""
    text = f"dataset {dataset.name!r}: the log has no predictions{of}"
    return Concern(Reason.NO_ROWS, f"{text}; check that pods log them and spec.columns")


def unlabelled(rows: int) -> Concern:
    """There are predictions whose labels had their time to come, and none did."""
    return Concern(Reason.NO_LABELS, f"none of {rows} predictions has a label yet; check the labels and spec.where")


def received_window(dataset: Dataset, mature: datetime, *, interval: float = 0.0) -> Block | None:
    """The window in which rows are counted, up to the newest mature prediction; None when nothing is to be counted.

    It holds at least two blocks of `interval` seconds, so that looks leave out none while a tier is judged.
    """
    spec = dataset.spec
    tables = spec.labels is not None and any(source.kind != "Column" for source in spec.labels.sources)
    if spec.volume is None and spec.columns.request_id is None and not tables:
        return None
    seconds = max(DUPLICATES_SECONDS, 2 * interval) if spec.volume is None else duration_seconds(spec.volume.per)
    return Block(mature - timedelta(seconds=max(1, seconds)), mature)


def withheld(dataset: Dataset, received: Received) -> Concern | None:
    """Whether the window of `received_window` has fewer rows or labels than `volume` asks, or rows logged twice.

    Or left out more of one arm's rows as repeated, or labels that contradict each other: too many, or one arm's.
    """
    volume = dataset.spec.volume
    if volume is not None:
        for found, least, what in (
            (received.rows, volume.min_rows, "predictions"),
            (received.labels, volume.min_labels, "labels"),
        ):
            if least is not None and found < least:
                return Concern(
                    Reason.TOO_FEW_ROWS,
                    f"dataset {dataset.name!r}: {found} {what} in {volume.per}, at least {least} are expected "
                    f"(spec.volume); check that pods log {'and labels come' if what == 'labels' else 'all of them'}",
                    regression_stands=True,
                )
    if received.duplicates is not None and received.duplicates > MOST_DUPLICATES * received.rows:
        return Concern(Reason.DUPLICATE_ROWS, f"dataset {dataset.name!r}: {duplicated(received)}")
    if received.dropped is not None and arms_differ(received.dropped.rows, received.dropped.dropped):
        text = f"dataset {dataset.name!r}: {left_out(received.dropped)}"
        return Concern(Reason.DUPLICATE_ROWS, text, regression_stands=True)
    conflicts = received.conflicts
    differ = conflicts is not None and arms_differ(conflicts.rows, conflicts.contradicted)
    if conflicts is not None and (conflicts.total > MOST_CONFLICTS * received.labels or differ):
        text = f"dataset {dataset.name!r}: {contradictions(conflicts, received.labels)}"
        reason = Reason.LABELING_DIFFERS if differ else Reason.LABEL_CONFLICTS
        return Concern(reason, text, regression_stands=not differ)
    return None


def duplicated(received: Received) -> str:
    """How many rows repeat a request, with what to do."""
    share = received.duplicates / received.rows if received.duplicates and received.rows else 0.0
    return (
        f"{received.duplicates} of {received.rows} rows ({share:.2%}) repeat a request that is in the log already; "
        "set spec.deduplicate: true, or write each request once"
    )
