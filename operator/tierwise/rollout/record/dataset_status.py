"""Makes the status of a MonitoringDataset from the result of a check. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tierwise.api.common import duration_seconds
from tierwise.api.monitoringdataset import (
    DatasetSummary,
    LoggedVersion,
    LogStatus,
    MonitoringDatasetSpec,
    MonitoringDatasetStatus,
)
from tierwise.api.names import ConditionType
from tierwise.api.reason_facts import Health
from tierwise.api.reasons import Reason
from tierwise.plurals import plural
from tierwise.rollout.state.conditions import Report, Standing, Truth, render
from tierwise.rollout.state.wording import clip, seconds

READY_SECONDS = 3600.0
FRESH_SECONDS = 300.0  # shortest time between checks of a dataset with `freshness`
FIRST_RETRY_SECONDS = 5.0
LAST_RETRY_SECONDS = 300.0

_MOST_NAMED = 6


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of a check: `reason` is Usable, or what is wrong. `log` is None if it could not be measured."""

    reason: Reason
    message: str
    log: LogStatus | None = None
    others: Mapping[ConditionType, tuple[Truth, Reason, str]] = field(default_factory=dict)


def status_of(
    before: MonitoringDatasetStatus, finding: Finding, *, generation: int, now: datetime
) -> MonitoringDatasetStatus:
    """The status for a finding; it is equal to `before` if nothing changed.

    While the store does not respond, the last measured values stay.
    """
    others = dict(finding.others)
    state = finding.reason.facts.dataset
    health: Standing = "Stalled" if state is Health.BLOCKED else "Reconciling"
    if finding.reason is Reason.USABLE:
        health = "Ready"
    if state is Health.UNKNOWN:
        others[ConditionType.READY] = ("Unknown", finding.reason, finding.message)
    report = Report(health, finding.reason, finding.message, others)
    log = finding.log
    if log is None and state is Health.UNKNOWN and before.observed_generation == generation:
        log = before.log
    return MonitoringDatasetStatus(
        observed_generation=generation,
        conditions=render(report, before.conditions, generation=generation, now=now),
        log=log,
        summary=DatasetSummary(
            labelled=_share(log), versions=_versions(log.versions) if log else "", message=clip(finding.message)
        ),
    )


def usable_text(log: LogStatus, warnings: Sequence[str] = ()) -> str:
    """The message for a usable dataset, with numbers and warnings."""
    labelled = f", {_share(log)} labelled" if log.labelled is not None else ""
    window = f"in {seconds((log.until - log.since).total_seconds())} until {log.until:%Y-%m-%d %H:%M:%SZ}"
    versions = f"versions {_versions(log.versions)}" if log.versions else "none of a version"
    return "; ".join([f"{plural(log.rows, 'prediction')} {window}{labelled}; {versions}", *warnings])


def ready_reason(status: MonitoringDatasetStatus) -> str | None:
    """The reason of Ready; None before the first check."""
    return next((each.reason for each in status.conditions if each.type == ConditionType.READY), None)


def next_check_seconds(status: MonitoringDatasetStatus, spec: MonitoringDatasetSpec | None, now: datetime) -> float:
    """Seconds to the next check: hourly while Ready, more often while not Ready.

    While the dataset is not Ready, the wait is half of the time since it is not Ready, between 5 s and 5 min.
    """
    ready = next((each for each in status.conditions if each.type == ConditionType.READY), None)
    if ready is None or ready.status != "True":
        since = (now - ready.last_transition_time).total_seconds() if ready is not None else 0.0
        return min(LAST_RETRY_SECONDS, max(FIRST_RETRY_SECONDS, since / 2))
    if spec is not None and spec.freshness is not None:
        return min(READY_SECONDS, max(FRESH_SECONDS, float(duration_seconds(spec.freshness.max_age))))
    return READY_SECONDS


def _share(log: LogStatus | None) -> str:
    return f"{log.labelled:.1%}" if log is not None and log.labelled is not None else ""


def _versions(versions: Sequence[LoggedVersion]) -> str:
    names = [version.name for version in versions]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return clip(", ".join(names[:_MOST_NAMED]) + more, 500)
