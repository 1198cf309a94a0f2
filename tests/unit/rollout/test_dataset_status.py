"""What a MonitoringDataset's status says of a finding, and when the dataset is checked again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tierwise.api.monitoringdataset import LoggedVersion, LogStatus, MonitoringDatasetSpec, MonitoringDatasetStatus
from tierwise.api.reasons import Reason
from tierwise.rollout.record.dataset_status import Finding, next_check_seconds, status_of, usable_text

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LOG = LogStatus(
    newest=T0,
    since=T0 - timedelta(hours=1),
    until=T0,
    rows=1000,
    labelled=0.25,
    versions=[LoggedVersion(name="v2", rows=600), LoggedVersion(name="v1", rows=400)],
)
USABLE = Finding(Reason.USABLE, "fine", LOG)
NEVER = MonitoringDatasetStatus()


def told(finding: Finding, before: MonitoringDatasetStatus = NEVER, *, generation: int = 1, after: float = 0.0):
    return status_of(before, finding, generation=generation, now=T0 + timedelta(seconds=after))


def truths(status: MonitoringDatasetStatus) -> dict[str, str]:
    return {condition.type: condition.status for condition in status.conditions}


@pytest.mark.parametrize(
    ("reason", "ready", "reconciling", "stalled"),
    [
        (Reason.USABLE, "True", "False", "False"),
        (Reason.STORE_UNREACHABLE, "Unknown", "True", "False"),
        (Reason.QUERY_FAILED, "Unknown", "True", "False"),
        (Reason.QUERY_OVER_LIMITS, "Unknown", "True", "False"),
        (Reason.NO_ROWS, "False", "True", "False"),
        (Reason.NO_LABELS, "False", "True", "False"),
        (Reason.STALE_LOG, "False", "True", "False"),
        (Reason.UNKNOWN_TABLE, "False", "False", "True"),
        (Reason.UNKNOWN_COLUMN, "False", "False", "True"),
        (Reason.QUERY_REFUSED, "False", "False", "True"),
        (Reason.STORE_ACCESS_DENIED, "False", "False", "True"),
    ],
)
def test_a_person_is_asked_only_where_nothing_goes_on_by_itself(
    reason: Reason, ready: str, reconciling: str, stalled: str
):
    status = told(Finding(reason, "why"))
    assert truths(status) == {"Ready": ready, "Reconciling": reconciling, "Stalled": stalled}
    assert {condition.reason for condition in status.conditions} == {str(reason)}


def test_the_same_finding_later_is_the_same_status():
    first = told(USABLE)
    assert told(USABLE, first, after=3600) == first
    assert told(USABLE, first, generation=2, after=3600) != first


def test_a_status_survives_the_api_server_unchanged():
    first = told(USABLE)
    assert told(USABLE, MonitoringDatasetStatus.model_validate(first.to_wire()), after=60) == first


def test_what_was_measured_stays_while_the_store_is_away_and_goes_with_a_new_spec():
    away = Finding(Reason.STORE_UNREACHABLE, "away")
    before = told(USABLE)
    assert told(away, before).log == LOG
    assert told(away, before, generation=2).log is None
    assert told(Finding(Reason.UNKNOWN_COLUMN, "gone"), before).log is None


def test_since_when_it_is_not_ready_is_kept_while_the_reason_changes():
    first = told(Finding(Reason.NO_ROWS, "none"))
    second = told(Finding(Reason.NO_LABELS, "none"), first, after=60)
    assert second.conditions[0].last_transition_time == T0


def test_the_row_of_kubectl_get():
    summary = told(USABLE).summary
    assert summary is not None
    assert (summary.labelled, summary.versions, summary.message) == ("25.0%", "v2, v1", "fine")


def test_many_versions_are_counted_not_listed():
    many = [LoggedVersion(name=f"v{n}", rows=1) for n in range(20)]
    text = usable_text(LOG.model_copy(update={"versions": many}), ["a note"])
    assert text.endswith("; versions v0, v1, v2, v3, v4, v5 and 14 more; a note")


@pytest.mark.parametrize(("silent", "wait"), [(0, 5), (20, 10), (60, 30), (400, 200), (86_400, 300)])
def test_it_is_checked_soon_while_it_is_not_ready_and_less_often_the_longer_it_is_not(silent: int, wait: int):
    status = told(Finding(Reason.NO_ROWS, "none"))
    assert next_check_seconds(status, None, T0 + timedelta(seconds=silent)) == wait


@pytest.mark.parametrize(("fresh", "wait"), [(None, 3600), ("1m", 300), ("20m", 1200), ("24h", 3600)])
def test_a_dataset_that_is_ready_is_checked_hourly_or_as_often_as_it_can_become_stale(fresh: str | None, wait: int):
    freshness = {} if fresh is None else {"freshness": {"maxAge": fresh}}
    spec = MonitoringDatasetSpec.model_validate({"table": "predictions", **freshness})
    assert next_check_seconds(told(USABLE), spec, T0) == wait
