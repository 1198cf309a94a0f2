"""`analyze --data` with metrics that read more than scores and labels."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import sklearn.metrics as sk
from click.testing import CliRunner

from tierwise.cli.commands.offline.analyze import command

RNG = np.random.default_rng(3)
COUNT = 1200
ROWS = {
    "model_version": RNG.choice(["v1", "v2"], COUNT),
    "score": (RNG.integers(0, 101, COUNT) / 100).astype(np.float32),
    "label": RNG.integers(0, 2, COUNT).astype(np.uint8),
    "latency": RNG.integers(1, 400, COUNT).astype(float),
    "clicks": RNG.integers(0, 2, COUNT).astype(float),
    "impressions": RNG.integers(1, 5, COUNT).astype(float),
}
METRICS = ("auc", "brier", "latency-over@200", "ratio@clicks/impressions", "score-shift")


@pytest.fixture(params=["parquet", "csv"])
def file(request, tmp_path):
    path = tmp_path / f"rows.{request.param}"
    write = pa.parquet.write_table if request.param == "parquet" else pa.csv.write_csv
    write(pa.table(ROWS), path)
    return str(path)


def analyze(file, *metrics):
    arguments = [part for name in metrics for part in ("--metric", name)]
    return CliRunner().invoke(
        command,
        ["--data", file, "--baseline", "v1", "--candidate", "v2", "--block", "400", *arguments, "-o", "json"],
    )


def test_values_are_those_of_the_files_rows(file):
    results = {r["metric"]: r for r in json.loads(analyze(file, *METRICS).stdout)["results"]}
    assert set(results) == set(METRICS)
    middle = (np.minimum(np.floor(ROWS["score"].astype(float) * 100 + 1e-4), 99) + 0.5) / 100
    for arm, version in (("baseline", "v1"), ("candidate", "v2")):
        mine = ROWS["model_version"] == version
        score, label = ROWS["score"][mine].astype(float), ROWS["label"][mine]
        expected = {
            "auc": sk.roc_auc_score(label, middle[mine]),
            "brier": sk.brier_score_loss(label, score),
            "latency-over@200": (ROWS["latency"][mine] > 200).mean(),
            "ratio@clicks/impressions": ROWS["clicks"][mine].sum() / ROWS["impressions"][mine].sum(),
        }
        for name, value in expected.items():
            assert results[name][arm]["value"] == pytest.approx(value, rel=1e-6), (name, arm)
    assert {r["metric"]: r["test"] for r in results.values()} == {
        "auc": "mixture",
        "brier": "mixture",
        "latency-over@200": "block-betting",
        "ratio@clicks/impressions": "mixture",
        "score-shift": "block-betting",
    }
    assert results["latency-over@200"]["margin"] == {"relative": 0.25}, "its own, where none is given"
    assert "bad" not in results["auc"]["candidate"], "it is no proportion"
    assert abs(results["score-shift"]["psi"]) < 0.05, "nothing moved"
    assert "psi" not in results["auc"]


@pytest.mark.parametrize(
    ("metric", "column", "manifest"),
    [
        ("mean@revenue", "revenue", "values: [{name: revenue, expression: COLUMN}]"),
        ("server-error-rate", "status", "columns.status: COLUMN"),
    ],
)
def test_a_column_that_a_metric_reads_and_the_file_lacks_is_named_with_how_to_map_another(
    file, metric, column, manifest
):
    result = analyze(file, metric)
    assert f"column {column!r}, which a metric reads, is not there" in str(result.exception)
    assert f"--dataset ({manifest})" in str(result.exception)


@pytest.mark.parametrize(
    ("metric", "fact"),
    [
        ("latency-over:25%", "metric 'latency-over' needs a parameter; write latency-over@MS"),
        ("latency-over@soon", "'soon' is not a number of milliseconds above 0"),
        ("acuracy", "is unknown; did you mean accuracy"),
    ],
)
def test_a_metric_that_there_is_not_is_wrong_usage(tmp_path, metric, fact):
    result = analyze(str(tmp_path / "none.csv"), metric)
    assert result.exit_code == 2
    assert fact in result.stderr
