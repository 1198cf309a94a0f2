"""`tierwise lint --store`: what of a manifest's tiers can be judged at the log's traffic."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import numpy as np

from tests.unit.cli.test_lint import BOTH, DEPLOYMENT
from tierwise.cli.manifests.yaml_lines import load_documents
from tierwise.cli.options.manifest_traffic import OfTraffic, check_traffic
from tierwise.monitoring.counts.model import Block, Cells, Dataset
from tierwise.runtime.recorded_log import RecordedLog, VersionRows

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class TrafficLog:
    """A log with an hour of v7's rows: of `browser` one value, so many rows of it, and a tenth of them errors."""

    def __init__(self, rows: int) -> None:
        self.rows = rows

    def check(self, dataset: object) -> None:
        """Any dataset can be read."""

    def survey(self, *_: object) -> dict[str, VersionRows]:
        return {"v7": VersionRows(self.rows, NOW - timedelta(hours=1), NOW)} if self.rows else {}

    def read_cells(self, dataset: Dataset, scope: object, blocks: Sequence[Block]) -> Cells:
        counts = np.zeros((1, 2, 2, 3, 3), dtype=np.int64)
        counts[0, :, 0, 0, :2] = [self.rows - self.rows // 10, self.rows // 10]
        return Cells(tuple(blocks[:1]), ("", "browser=Chrome"), counts)


def of_traffic(tmp_path: Path, rows: int, text: str) -> OfTraffic:
    path = tmp_path / "bot-score.yaml"
    path.write_text(text)
    log = cast("RecordedLog", TrafficLog(rows))
    return check_traffic(load_documents(path), log, NOW)


def test_with_a_store_a_tier_that_can_judge_no_slice_is_a_problem_and_a_dimension_a_warning(tmp_path: Path):
    few = of_traffic(tmp_path, 600, BOTH)
    assert [problem.key for problem in few.problems] == ["spec.tiers[0]", "spec.tiers[1]"]
    assert [problem.line for problem in few.problems] == [12, 14]
    for problem in few.problems:
        assert "at the traffic of v7, " in problem.message
        assert "raise maxDuration to" in problem.message
        assert "widen the margin of false-positive-rate to" in problem.message
    dimensions = [problem.message for problem in few.warnings]
    assert len(dimensions) == 4
    assert all(message.startswith("warning: at the traffic of v7, no slice of ") for message in dimensions)

    many = of_traffic(tmp_path, 600_000, BOTH)
    assert many.problems == ()
    assert len(many.warnings) == 2  # of asn_type,browser the log holds no slice
    assert all("no slice of asn_type,browser" in problem.message for problem in many.warnings)


def test_with_a_store_what_cannot_be_known_is_a_warning(tmp_path: Path):
    (empty,) = of_traffic(tmp_path, 0, BOTH).warnings
    assert "what can be judged is not known: no version is in dataset 'verified-humans'" in empty.message
    (alone,) = of_traffic(tmp_path, 600, DEPLOYMENT).warnings
    assert "no MonitoringDataset 'verified-humans' is in these files" in alone.message
