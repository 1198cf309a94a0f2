"""A manifest's query and numbers over a file: what cannot be judged is said in words of our own."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

pytest.importorskip("chdb", reason="needs the embedded ClickHouse engine (pip install tierwise[embedded])")

from tierwise.cli.main import cli

COLUMNS = {"model": "", "tier": "", "requestId": "id"}


@pytest.fixture
def log(tmp_path: Path) -> Path:
    rows = (f"2026-03-01 06:{i // 60:02}:{i % 60:02},v{i % 2 + 1},0.6,1,r{i},{i % 7},heavy,0" for i in range(200))
    (tmp_path / "log.csv").write_text("ts,model_version,score,label,id,number,word,zero\n" + "\n".join(rows))
    return tmp_path / "log.csv"


def analyze(log: Path, columns: dict[str, str] | None = None, **spec: str) -> Result:
    manifest = {
        "apiVersion": "tierwise.io/v1alpha1",
        "kind": "MonitoringDataset",
        "metadata": {"name": "described"},
        "spec": {"table": "log", "maturity": "0s", "columns": {**COLUMNS, **(columns or {})}, **spec},
    }
    path = log.parent / "dataset.yaml"
    path.write_text(yaml.safe_dump(manifest))
    arms = ["--baseline", "v1", "--candidate", "v2", "--metric", "accuracy:0.05"]
    return CliRunner().invoke(cli, ["analyze", "--data", str(log), "--dataset", str(path), *arms])


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
    result = analyze(log, query=query)
    assert result.exit_code == 1
    assert fact in result.stderr
    assert remedy in result.stderr
    assert "DB::Exception" not in result.stderr


@pytest.mark.parametrize(("column", "kind"), [("word", "String"), ("zero", "Int64")])
def test_a_weight_that_no_row_has_is_told(log, column, kind):
    result = analyze(log, {"weight": column})
    assert result.exit_code == 1
    told = f"no row has a weight: none of the 200 values of column '{column}' (Nullable({kind})) is a number above 0"
    assert told in result.stderr
    assert "Set spec.columns.weight" in result.stderr


def test_a_latency_of_words_is_told(log):
    assert "no latency in column 'word' can be read" in analyze(log, {"latency": "word"}).stderr


def test_a_weight_that_rows_have_is_read(log):
    assert analyze(log, {"weight": "number"}).exit_code != 1
