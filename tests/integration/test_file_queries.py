"""A manifest's query over a file: what it may not do is said in words of our own."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

pytest.importorskip("chdb", reason="needs the embedded ClickHouse engine (pip install tierwise[embedded])")

from tierwise.cli.main import cli

COLUMNS = {"model": "", "tier": "", "requestId": "id"}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    rows = (f"2026-03-01 06:{i // 60:02}:{i % 60:02},v{i % 2 + 1},0.6,1,r{i}" for i in range(200))
    (tmp_path / "log.csv").write_text("ts,model_version,score,label,id\n" + "\n".join(rows))
    return tmp_path / "log.csv"


@pytest.mark.parametrize(
    ("query", "fact", "remedy"),
    [
        ("SELECT * FROM log FINAL", "a file never has any to merge", "Leave FINAL away in spec.query"),
        ("SELECT * FROM log SAMPLE 0.1", "SAMPLE reads a part of the log only", "Read all of it"),
        ("SELECT * FROM log LIMIT 50", "LIMIT takes other rows", "WHERE"),
        ("SELECT * REPLACE (concat(id, toString(arrayJoin([1, 2]))) AS id) FROM log", "arrayJoin", "ARRAY JOIN"),
    ],
)
def test_a_query_that_cannot_be_judged_is_told_with_a_remedy(log, query, fact, remedy):
    manifest = {
        "apiVersion": "tierwise.io/v1alpha1",
        "kind": "MonitoringDataset",
        "metadata": {"name": "described"},
        "spec": {"table": "log", "query": query, "columns": COLUMNS},
    }
    path = log.parent / "dataset.yaml"
    path.write_text(yaml.safe_dump(manifest))
    arms = ["--baseline", "v1", "--candidate", "v2", "--metric", "accuracy:0.05"]
    result = CliRunner().invoke(cli, ["analyze", "--data", str(log), "--dataset", str(path), *arms])
    assert result.exit_code == 1
    assert fact in result.stderr
    assert remedy in result.stderr
    assert "DB::Exception" not in result.stderr
