"""Files that cannot be read, or whose times and names are unusual: told in two lines, or read as they are meant."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner

pytest.importorskip("chdb", reason="needs the embedded ClickHouse engine (pip install tierwise[embedded])")

from tierwise.cli.main import cli

START = datetime(2026, 3, 1, 6, tzinfo=UTC)
HEADER = "ts,model_version,score,label\n"
ROW = "2026-03-01 06:00:00,v1,0.6,1\n"


def analyze(path, *arguments):
    options = [
        "--data",
        str(path),
        "--time",
        "ts",
        "--baseline",
        "v1",
        "--candidate",
        "v2",
        "--metric",
        "accuracy:0.05",
    ]
    return CliRunner().invoke(cli, ["analyze", *options, *arguments])


def a_parquet(path, rows=40, **columns):
    table = {
        "ts": [START + timedelta(seconds=i) for i in range(rows)],
        "model_version": ["v1", "v2"] * (rows // 2),
        "score": [0.6] * rows,
        "label": [1] * rows,
    }
    pyarrow.parquet.write_table(pa.table(table | columns), path)
    return path


@pytest.mark.parametrize(
    ("name", "contents", "fact"),
    [
        ("log.parquet", b"not a parquet file", "this is no Parquet file, or its end is missing"),
        ("log.parquet", b"", "the file is empty"),
        ("log.csv", b"", "the file is empty"),
        ("log.csv", HEADER.encode(), "the file has a header and no rows"),
        ("log.csv", b"a,b\n1,2,3\n", "the header has 2 names and the first row 3 values"),
        ("log.csv", (HEADER + ROW + ROW.strip() + ",9\n").encode(), "cannot be read as CSV"),
        ("log.csv", (HEADER + ROW + '"open,v1,0.5,1\n').encode(), "cannot be read as CSV"),
        ("log.csv", b"ts,score,score\n1,2,3\n", "two columns are named 'score'"),
        ("log.csv", gzip.compress((HEADER + ROW).encode()), "it is compressed with gzip"),
    ],
)
def test_a_broken_file_is_told_in_two_lines_without_the_engine_s_words(tmp_path, name, contents, fact):
    path = tmp_path / name
    path.write_bytes(contents)
    result = analyze(path)
    assert result.exit_code == 1
    assert fact in result.stderr
    assert len(result.stderr.strip().splitlines()) == 2
    assert "DB::Exception" not in result.stderr


def test_a_file_that_was_cut_off_is_told(tmp_path):
    path = a_parquet(tmp_path / "log.parquet", 4000)
    path.write_bytes(path.read_bytes()[:-100])
    assert "its end is missing" in analyze(path).stderr


@pytest.mark.parametrize("factor", [1, 1_000, 1_000_000, 1_000_000_000])
def test_times_that_are_numbers_are_read_by_their_size(tmp_path, factor):
    start = int(START.timestamp())
    path = a_parquet(tmp_path / "log.parquet", ts=[(start + i) * factor for i in range(40)])
    result = analyze(path, "-o", "json")
    assert '"from": "2026-03-01T06:00:00Z"' in result.stdout, result.stderr


def test_a_window_that_ends_long_after_the_data_ends_with_it_and_says_so(tmp_path):
    result = analyze(a_parquet(tmp_path / "log.parquet"), "--until", "2026-12-31T00:00:00Z", "-o", "json")
    assert '"to": "2026-03-01T06:00:39.001Z"' in result.stdout, result.stderr
    assert "the window ends at 2026-03-01T06:00:39Z with the last mature row" in result.stdout


def test_names_that_queries_use_are_refused_where_they_are_used_and_harmless_elsewhere(tmp_path):
    path = a_parquet(tmp_path / "log.parquet", tierwise_cell=[0.7] * 40, tierwise_d0=["x"] * 40)
    assert analyze(path, "-o", "json").exit_code == 3
    for arguments in (["--score", "tierwise_cell"], ["--slice", "tierwise_d0"]):
        result = analyze(path, *arguments)
        assert result.exit_code == 1
        assert "is used by Tierwise itself" in result.stderr


@pytest.mark.parametrize(
    ("column", "values"),
    [("score", [[0.5]] * 40), ("label", [[1]] * 40), ("model_version", [["v1"], ["v2"]] * 20), ("ts", [{"s": 1}] * 40)],
)
def test_a_column_of_lists_is_told_without_the_engine_s_words(tmp_path, column, values):
    result = analyze(a_parquet(tmp_path / "log.parquet", **{column: values}))
    assert result.exit_code == 1
    assert f"column '{column}' holds lists or structures" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 2
    assert "DB::Exception" not in result.stderr


def test_a_whole_number_that_is_missing_is_no_time_and_not_1970(tmp_path):
    start = int(START.timestamp())
    times = pa.array([None if i % 4 == 0 else start + i for i in range(40)], type=pa.int64())
    found = json.loads(analyze(a_parquet(tmp_path / "log.parquet", ts=times), "-o", "json").stdout)
    assert found["window"]["from"].startswith("2026-03-01T06:00:01")
    assert found["invalid"]["time"] == 10

    result = analyze(a_parquet(tmp_path / "log.parquet", ts=pa.nulls(40, pa.int64())))
    assert "no time in column 'ts' can be read" in result.stderr


def test_an_end_far_beyond_the_rows_is_clipped_to_them_and_said(tmp_path):
    path = a_parquet(tmp_path / "log.parquet")
    found = json.loads(analyze(path, "--until", "9999-12-31T00:00:00Z", "-o", "json").stdout)
    assert found["window"]["to"].startswith("2026-03-01T06:00:39")
    assert any("not at --until 9999-12-31" in note for note in found["notes"])
