"""The window of an analysis: what a few rows with odd times do to it is told."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest

from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.reasons import Reason
from tierwise.errors import SpecError
from tierwise.monitoring.counts.model import Dataset, Scope
from tierwise.runtime.offline.analysis_window import (
    MAX_BLOCKS,
    AnalysisRequest,
    TierRequest,
    window_of,
    with_fitting_blocks,
)
from tierwise.runtime.recorded_log import VersionRows

NOW = datetime(2026, 3, 1, tzinfo=UTC)
DAY = [NOW - timedelta(minutes=minute) for minute in range(1, 1001)]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DATASET = Dataset("d", MonitoringDatasetSpec.model_validate({"table": "t", "maturity": "0s"}))


@dataclass
class Times:
    """A log of prediction times by version; of RecordedLog only what a window asks."""

    times: Mapping[str, list[datetime]]

    def survey(
        self, _dataset: Dataset, _scope: Scope, window: tuple[datetime | None, datetime]
    ) -> dict[str, VersionRows]:
        since = window[0] or EPOCH
        found = {name: [at for at in times if since <= at < window[1]] for name, times in self.times.items()}
        return {name: VersionRows(len(times), min(times), max(times)) for name, times in found.items() if times}


def asked(**more: object) -> AnalysisRequest:
    given = {"since": None, "until": None, "block_seconds": 60.0, **more}
    return AnalysisRequest("m", "v1", "v2", (), {}, (TierRequest(None, 0.1, 3600.0),), **given)  # type: ignore[arg-type]


def error_of(times: Mapping[str, list[datetime]], **more: object) -> SpecError:
    with pytest.raises(SpecError) as caught:
        window_of(asked(**more), [DATASET], Times(times), NOW)  # type: ignore[arg-type]
    assert caught.value.reason is Reason.QUERY_OVER_LIMITS
    return caught.value


def test_one_row_of_1970_is_named_with_since():
    error = error_of({"v1": [*DAY, EPOCH], "v2": DAY})
    assert str(error).startswith("1 of 2001 rows is before 2026-02-28 07:20, the oldest of 1970-01-01 00:00: with it")
    assert "--since 2026-02-28T07:20:00Z" in error.remedy
    assert "--block" not in error.remedy


def test_few_rows_long_after_all_others_are_named_with_until():
    error = error_of({"v1": [at - timedelta(days=900) for at in DAY], "v2": [DAY[0] - timedelta(days=900), DAY[0]]})
    assert "1 of 1002 rows is after 2023-09-12 23:59, the newest of 2026-02-28 23:59" in str(error)
    assert "--until 2023-09-12T23:59:01Z" in error.remedy


def chosen(times: Mapping[str, list[datetime]], **more: object) -> tuple[float, str]:
    """The length of the blocks in seconds, and the note; "" where they are as asked for."""
    request = asked(**more)
    window, _ = window_of(request, [DATASET], Times(times), NOW)  # type: ignore[arg-type]
    fitting, notes = with_fitting_blocks(request, window)
    assert (window.end - window.start).total_seconds() <= MAX_BLOCKS * fitting.block_seconds
    return fitting.block_seconds, " ".join(notes)


def test_rows_all_over_a_long_time_have_longer_blocks_by_themselves():
    seconds, note = chosen({"v1": [NOW - timedelta(days=day) for day in range(1, 400)], "v2": DAY[:1]})
    assert seconds == 900.0
    assert note == ("574560 blocks of 1m are more than 50000: blocks of 15m are judged; --block sets a length")


def test_a_window_that_was_asked_for_is_not_doubted():
    seconds, note = chosen({"v1": [*DAY, EPOCH], "v2": DAY}, since=EPOCH)
    assert seconds == 86_400.0
    assert "blocks of 1d are judged" in note


def test_blocks_of_rows_are_told_in_rows():
    rows = [EPOCH + timedelta(seconds=at) for at in range(60_000)]
    seconds, note = chosen({"v1": rows, "v2": rows[:1]}, block_seconds=1.0, in_file_order=True)
    assert seconds == 2.0
    assert note.startswith("60000 blocks of 1 row are more than 50000: blocks of 2 rows are judged")


def test_blocks_that_fit_are_as_they_were_asked_for():
    assert chosen({"v1": DAY, "v2": DAY}) == (60.0, "")
