"""`tierwise analyze` as a program: the same judgement from Parquet, CSV and a store, with exact counts."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest

pytest.importorskip("chdb", reason="needs the embedded ClickHouse engine (pip install tierwise[embedded])")

START = datetime(2026, 3, 1, 6, 0, tzinfo=UTC)
ROWS = 60_000
COLUMNS = ["--time", "ts", "--slice", "carrier", "--slice", "carrier,origin"]
VERSIONS = ["--baseline", "v1", "--candidate", "v2"]
METRICS = ["--metric", "accuracy:0.05", "--metric", "false-positive-rate:50%"]

DATASET = """\
apiVersion: tierwise.io/v1alpha1
kind: MonitoringDataset
metadata: {name: data}
spec:
  table: predictions
  dimensions:
    - {name: carrier, expression: carrier}
    - {name: origin, expression: origin}
"""


def flights(*, worse_carrier: str | None) -> pa.Table:
    """An hour of predictions; v2 errs on 35 % of one carrier's flights instead of 10 %.

    Traps among them: scores on edges and NaN, labels that are null or 2, a third version.
    """
    rng = np.random.default_rng(7)
    carrier = rng.choice(["AA", "DL", "HA", "UA"], ROWS, p=[0.4, 0.3, 0.1, 0.2])
    version = rng.choice(["v1", "v2", "v3"], ROWS, p=[0.5, 0.47, 0.03])
    label = (rng.random(ROWS) < 0.3).astype(np.uint8)
    error = np.where((carrier == worse_carrier) & (version == "v2"), 0.35, 0.10)
    answer = label ^ (rng.random(ROWS) < error)
    score = (np.where(answer == 1, rng.integers(50, 100, ROWS), rng.integers(0, 50, ROWS)) / 100).astype(np.float32)
    score[rng.random(ROWS) < 0.002] = np.nan
    known = rng.random(ROWS)
    shown = np.where(known < 0.001, 2, label)
    millis = int(START.timestamp() * 1000) + np.sort(rng.integers(0, 3_600_000, ROWS))
    return pa.table(
        {
            "ts": pa.array(millis, pa.timestamp("ms", tz="UTC")),
            "tier": np.full(ROWS, "tier-3"),
            "model": np.full(ROWS, "delays"),
            "model_version": version,
            "carrier": carrier,
            "origin": rng.choice(["EWR", "JFK", "LGA"], ROWS),
            "score": score,
            "label": pa.array(shown, pa.uint8(), mask=known > 0.9),
        }
    )


def program(*arguments: str, expect: int | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tierwise.cli.main", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert expect is None or done.returncode == expect, done.stdout + done.stderr
    return done


@functools.cache
def analysis_text(*arguments: str, expect: int) -> str:
    return program("analyze", *arguments, "-o", "json", expect=expect).stdout


def analysis(*arguments: str, expect: int) -> dict:
    return json.loads(analysis_text(*arguments, expect=expect))


LOAD = """
import sys, pyarrow.parquet
from tierwise.adapters.clickhouse.store import open_store
store = open_store(sys.argv[1])
store.init(["carrier", "origin"])
store.insert_predictions(pyarrow.parquet.read_table(sys.argv[2]))
store.close()
"""


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """The same two logs as Parquet, CSV and a chDB directory; with the table that was written."""
    folder = tmp_path_factory.mktemp("logs")
    (folder / "mds.yaml").write_text(DATASET)
    for name, worse in (("same", None), ("worse", "HA")):
        table = flights(worse_carrier=worse)
        pa.parquet.write_table(table, folder / f"{name}.parquet")
        pa.csv.write_csv(table, folder / f"{name}.csv")
        # A directory of chDB belongs to one process: another one loads it.
        arguments = [f"chdb://{folder / name}", str(folder / f"{name}.parquet")]
        subprocess.run([sys.executable, "-c", LOAD, *arguments], check=True, timeout=300)
    return folder


def from_store(logs, name):
    store = ["--store", f"chdb://{logs / name}", "--dataset", str(logs / "mds.yaml"), "--model", "delays"]
    return [*store, "--slice", "carrier", "--slice", "carrier,origin", *VERSIONS, *METRICS]


def from_file(logs, name):
    return ["--data", str(logs / name), *COLUMNS, *VERSIONS, *METRICS]


def brute_force(table: pa.Table, until: str | None) -> dict:
    """(slice, metric, version) → (n, bad) by going through the raw rows one by one."""
    limit = datetime.fromisoformat(until) if until else START + timedelta(days=1)
    counts: dict = {}
    for row in table.to_pylist():
        answer, label, version = row["score"], row["label"], row["model_version"]
        if row["ts"] >= limit or answer != answer or label not in (0, 1) or version == "v3":
            continue
        is_positive = answer >= 0.5
        found = [("accuracy", is_positive != (label == 1))]
        if label == 0:
            found.append(("false-positive-rate", is_positive))
        pair = {"carrier": row["carrier"], "origin": row["origin"]}
        for values in ({}, {"carrier": row["carrier"]}, pair):
            for metric, bad in found:
                key = (tuple(sorted(values.items())), metric, version)
                n, errors = counts.get(key, (0, 0))
                counts[key] = (n + 1, errors + bad)
    return counts


def assert_counts_equal_the_raw_rows(found: dict, table: pa.Table) -> None:
    expected = brute_force(table, found["window"]["stopped_at"])
    seen = {}
    for result in found["results"]:
        for arm, version in (("baseline", "v1"), ("candidate", "v2")):
            key = (tuple(sorted(result["slice"].items())), result["metric"], version)
            seen[key] = (result[arm]["n"], result[arm]["bad"])
    assert seen == expected


def test_a_regressed_slice_is_rolled_back_and_named_with_exact_counts(logs):
    found = analysis(*from_file(logs, "worse.parquet"), expect=4)
    assert found["schema"] == "tierwise.io/analysis/v1"
    assert found["gate"]["decision"] == "RollBack"
    assert found["gate"]["reason"] == "Regressed"
    assert "carrier=HA" in found["gate"]["message"]
    assert found["culprits"][0]["slice"] == {"carrier": "HA"}
    assert found["window"]["stopped_at"] is not None
    assert_counts_equal_the_raw_rows(found, pa.parquet.read_table(logs / "worse.parquet"))


def test_equal_versions_are_promoted_with_exact_counts(logs):
    found = analysis(*from_file(logs, "same.parquet"), expect=0)
    assert found["gate"] == {**found["gate"], "decision": "Promote", "reason": "NonInferior"}
    assert found["window"]["stopped_at"] is None
    assert found["window"]["blocks"] == 60
    assert_counts_equal_the_raw_rows(found, pa.parquet.read_table(logs / "same.parquet"))


@pytest.mark.parametrize(("name", "status"), [("same", 0), ("worse", 4)])
def test_parquet_csv_and_a_store_give_the_same_document(logs, name, status):
    documents = [
        analysis(*from_file(logs, f"{name}.parquet"), expect=status),
        analysis(*from_file(logs, f"{name}.csv"), expect=status),
        analysis(*from_store(logs, name), expect=status),
    ]
    for document in documents:
        assert document.pop("model") in (None, "delays")
        (query,) = document.pop("queries")
        assert "GROUPING SETS" in query["sql"]
        assert len(query["hash"]) == 16
    assert documents[0] == documents[1] == documents[2]


def test_rows_left_out_are_counted_by_cause(logs):
    table = pa.parquet.read_table(logs / "same.parquet").to_pylist()
    ours = [row for row in table if row["model_version"] != "v3"]
    assert analysis(*from_file(logs, "same.parquet"), expect=0)["invalid"] == {
        "score": sum(row["score"] != row["score"] for row in ours),
        "label": sum(row["label"] == 2 for row in ours),
        "time": 0,
        "version": len(table) - len(ours),
    }


def test_every_result_has_the_documented_keys_and_no_nan(logs):
    found = analysis(*from_file(logs, "worse.parquet"), expect=4)
    keys = {"dataset", "metric", "slice", "verdict", "candidate", "baseline", "difference", "interval", "margin"}
    keys |= {"tolerance", "log10_e", "test", "control", "tier", "alpha", "phi", "sigma_pod", "labels_needed"}
    for result in found["results"]:
        assert keys <= set(result)
        assert set(result["candidate"]) == {"n", "bad", "value"}
    assert found["results"][0]["margin"] == {"absolute": 0.05}
    assert found["results"][0]["alpha"] == 0.045
    assert set(found["coverage"]) == {"traffic", "whole", "unpowered"}


def test_without_a_time_column_rows_are_folded_in_file_order_by_thousands(logs):
    arguments = ["--data", str(logs / "worse.parquet"), "--slice", "carrier", *VERSIONS, "--metric", "accuracy:0.05"]
    found = analysis(*arguments, expect=4)
    assert found["window"]["from"] is None
    assert found["window"]["stopped_at_row"] % 1000 == 0
    assert found["window"]["stopped_at_row"] == 1000 * found["window"]["blocks"]


def test_few_rows_hold(logs):
    until = (START + timedelta(seconds=30)).isoformat()
    found = analysis(*from_file(logs, "same.parquet"), "--until", until, expect=3)
    assert found["gate"]["decision"] == "Hold"


def test_a_tier_that_is_not_in_the_log_is_an_error(logs):
    done = program("analyze", *from_file(logs, "same.parquet"), "--tier-column", "tier", "--tier", "tier-9", expect=1)
    assert "there are no rows at all" in done.stderr


DEPLOYMENT = """\
apiVersion: tierwise.io/v1alpha1
kind: ModelDeployment
metadata: {name: delays}
spec:
  model: delays
  version: {name: v2, image: "example.com/delays:v2"}
  delivery: {container: server}
  tiers:
    - {name: tier-3, workloads: {selector: {matchLabels: {tier: "3"}}}}
    - {name: tier-2, workloads: {selector: {matchLabels: {tier: "2"}}}}
  analysis:
    datasets:
      - {name: data, metrics: [{name: accuracy, margin: {absolute: 0.05}}], slices: [carrier]}
"""


def test_a_deployment_gives_metrics_slices_tiers_and_alpha(logs, tmp_path):
    manifest = tmp_path / "md.yaml"
    manifest.write_text(DEPLOYMENT)
    options = ["--dataset", str(logs / "mds.yaml"), "--deployment", str(manifest), *VERSIONS]
    found = analysis("--store", f"chdb://{logs / 'worse'}", *options, expect=4)
    assert found["model"] == "delays"
    assert {result["tier"] for result in found["results"]} == {"tier-3"}, "after a rollback later tiers stay untouched"
    assert found["results"][0]["alpha"] == pytest.approx(0.9 * 0.05 / 2)
    assert found["culprits"][0]["slice"] == {"carrier": "HA"}
    # tier-2 has no rows: what cannot be read is never a pass
    found = analysis("--store", f"chdb://{logs / 'same'}", *options, expect=3)
    assert (found["gate"]["decision"], found["gate"]["reason"]) == ("Hold", "NoRows")
    assert "tier-2" in found["gate"]["message"]


def test_html_is_one_file_without_network(logs, tmp_path):
    page = tmp_path / "report.html"
    program("analyze", *from_file(logs, "worse.parquet"), "-o", "html", "--out", str(page), expect=4)
    text = page.read_text()
    assert "carrier=HA" in text
    assert "http" not in text.replace("http-equiv", "")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"--score": "scores"}, ["column 'scores' is not there", "columns: ts, tier, model", "--score"]),
        ({"--baseline": "v9"}, ["baseline 'v9' is not in dataset 'data'", "versions there: v1, v2, v3"]),
        ({"--data": "no-such.parquet"}, ["no-such.parquet: no such file"]),
        ({"--slice": "airline"}, ["airline"]),
    ],
)
def test_bad_input_says_what_is_wrong_and_what_there_is(logs, change, expected):
    options = {"--data": str(logs / "same.parquet"), "--time": "ts", "--baseline": "v1", "--candidate": "v2"}
    options |= {"--metric": "accuracy:0.05", "--slice": "carrier"} | change
    done = program("analyze", *[text for pair in options.items() for text in pair], expect=1)
    for text in expected:
        assert text in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_wrong_manifest_names_key_and_line(logs, tmp_path):
    wrong = tmp_path / "mds.yaml"
    wrong.write_text(DATASET.replace("  table:", "  tabel:"))
    arguments = [
        "--store",
        f"chdb://{logs / 'same'}",
        "--dataset",
        str(wrong),
        "--model",
        "delays",
        *VERSIONS,
        *METRICS,
    ]
    done = program("analyze", *arguments, expect=1)
    assert f"{wrong}:5: spec.tabel: is not a known field" in done.stderr
