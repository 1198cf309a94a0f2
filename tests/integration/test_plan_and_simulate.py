"""`plan` and `simulate` on a file: traffic read as counts, split into equal arms, replayed as it was."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner

pytest.importorskip("chdb", reason="needs the embedded ClickHouse engine (pip install tierwise[embedded])")

from tierwise.cli.main import cli

START = datetime(2026, 3, 1, tzinfo=UTC)
ROWS = 24_000
VX_WRONG = 0.1


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """Four hours of v1, beside it v2 that is wrong for carrier VX."""
    rng = np.random.default_rng(1)
    version = np.where(rng.random(ROWS) < 0.8, "v1", "v2")
    carrier = rng.choice(["AA", "DL", "VX"], ROWS, p=[0.6, 0.3, 0.1])
    label = rng.random(ROWS) < 0.3
    rate = np.where(carrier == "VX", np.where(version == "v2", 0.5, VX_WRONG), 0.05)
    answer = label ^ (rng.random(ROWS) < rate)
    table = {
        "ts": [START + timedelta(seconds=float(s)) for s in np.sort(rng.random(ROWS)) * 4 * 3600],
        "model_version": version,
        "score": np.where(answer, 0.9, 0.1),
        "label": label.astype(np.int64),
        "carrier": carrier,
    }
    path = tmp_path_factory.mktemp("log") / "log.parquet"
    pyarrow.parquet.write_table(pa.table(table), path)
    v1 = version == "v1"
    vx_wrong = float((answer != label)[v1 & (carrier == "VX")].mean())
    return path, int(v1.sum()), vx_wrong


def run(command, path, *arguments):
    options = ["--data", str(path), "--time", "ts", "--slice", "carrier", "--metric", "accuracy:0.05", "-o", "json"]
    result = CliRunner().invoke(cli, [command, *options, *arguments])
    assert result.exit_code in (0, 3), result.stderr
    return json.loads(result.stdout)


def test_a_plan_is_of_the_traffic_that_is_in_the_log(log):
    path, rows, vx_wrong = log
    found = run("plan", path, "--drop", "carrier=VX accuracy ->0.6", "--drop", "carrier=VX accuracy 0.9->0.87")

    assert found["schema"] == "tierwise.io/plan/v1"
    assert found["baseline"] == "v1"
    tier = found["tiers"][0]
    assert tier["rows_per_hour"] == pytest.approx(rows / 4, rel=0.01)
    by_slice = {one["slice"].get("carrier", ""): one for one in tier["slices"]}
    assert by_slice[""]["labels_per_hour"] == pytest.approx(rows / 4, rel=0.01)
    assert by_slice["VX"]["value"] == pytest.approx(1 - vx_wrong, abs=0.005)

    large, small = tier["drops"]
    assert large["within_max_duration"]
    assert large["from"] == by_slice["VX"]["value"]
    assert not small["within_max_duration"]
    assert any("carrier=VX" in line and "maxDuration" in line for line in found["advice"])


def test_a_drop_that_would_be_promoted_before_it_is_found_is_no_yes_and_simulated_rollouts_say_the_same(log):
    drop = ["--drop", "carrier=VX accuracy ->0.78", "--exposure", "50%"]
    simulated = ["--runs", "4", "--max-duration", "3h", "--block", "2m", "--processes", "1", "--seed", "3"]
    told = run("plan", log[0], *drop)["tiers"][0]["drops"][0]
    assert told["within_max_duration"]
    assert not told["found_in_time"]
    assert told["promoted_seconds"] < told["seconds"] / 3
    assert run("simulate", log[0], *drop, *simulated)["rollouts"]["drop"]["promoted"] >= 2

    soak = ["--min-duration", f"{round(1.2 * told['seconds'])}s"]  # half are found by the time that is told
    assert run("plan", log[0], *drop, *soak)["tiers"][0]["drops"][0]["found_in_time"]
    assert run("simulate", log[0], *drop, *simulated, *soak)["rollouts"]["drop"]["rolled_back"] >= 3


def test_the_exit_status_is_3_where_a_drop_comes_too_late_or_nothing_is_judged_and_that_is_said_first(log):
    def plan(*more):
        asked = ["--data", str(log[0]), "--time", "ts", "--slice", "carrier", "--metric", "accuracy:0.05"]
        return CliRunner().invoke(cli, ["plan", *asked, "--exposure", "50%", *more])

    assert plan("--drop", "accuracy ->0.8").exit_code == 0
    late = plan("--drop", "carrier=VX accuracy ->0.78")
    assert late.exit_code == 3
    assert re.search(r"no: promoted after \w+, found after \w+", late.stdout)
    assert "so that promotion waits for the slice" in late.stdout

    nothing = plan("--max-duration", "11m")
    assert nothing.exit_code == 3
    first = nothing.stdout.splitlines()[0]
    assert first.startswith("nothing has traffic enough to be judged within maxDuration, not even all traffic together")
    raised = re.search(r"raise maxDuration to (\w+)", first)
    assert raised is not None
    assert plan("--max-duration", raised[1]).stdout.startswith("Traffic of v1")


def test_labels_of_a_dataset_with_sample_weights_are_told_as_effective_ones(log, tmp_path):
    path, _, vx_wrong = log
    table = pyarrow.parquet.read_table(path)
    weights = pa.array(np.random.default_rng(3).choice([1.0, 4.0], ROWS))
    pyarrow.parquet.write_table(table.append_column("w", weights), tmp_path / "log.parquet")
    (tmp_path / "mds.yaml").write_text(DATASET + "  columns: {model: '', tier: '', time: ts, weight: w}\n")
    asked = ["--data", str(tmp_path / "log.parquet"), "--dataset", str(tmp_path / "mds.yaml"), "--slice", "carrier"]
    asked += ["--metric", "accuracy:0.05", "--drop", "carrier=VX accuracy ->0.6"]
    shown, told = (CliRunner().invoke(cli, ["plan", *asked, "-o", form]) for form in ("table", "json"))

    assert "EFFECTIVE LABELS/H" in shown.stdout
    tier = json.loads(told.stdout)["tiers"][0]
    assert tier["metrics"][0]["weighted"]
    by_slice = {one["slice"].get("carrier", ""): one for one in tier["slices"]}
    assert by_slice["VX"]["value"] == pytest.approx(1 - vx_wrong, abs=0.02)
    assert by_slice["VX"]["smallest_drop"] < by_slice["VX"]["value"]
    assert tier["drops"][0]["seconds"] is not None


def test_a_slice_that_is_not_there_is_told_with_those_that_are(log):
    result = CliRunner().invoke(
        cli,
        ["plan", "--data", str(log[0]), "--time", "ts", "--slice", "carrier", "--metric", "accuracy:0.05",
         "--drop", "carrier=ZZ accuracy ->0.6"],
    )  # fmt: skip
    assert result.exit_code == 1
    assert "'carrier=ZZ' has no rows" in result.stderr
    assert "carrier=VX" in result.stderr


@pytest.mark.parametrize("command", ["plan", "simulate"])
def test_a_drop_in_a_dimension_that_is_not_sliced_by_is_told_with_the_option_that_does_it(log, command):
    result = CliRunner().invoke(
        cli,
        [command, "--data", str(log[0]), "--time", "ts", "--slice", "carrier", "--metric", "accuracy:0.05",
         "--drop", "device=ios accuracy ->0.6"],
    )  # fmt: skip
    assert result.exit_code == 1
    assert "not sliced by device (by carrier)" in result.stderr
    assert "--slice device" in result.stderr


def test_a_plan_and_an_analysis_tell_the_same_k_and_what_alpha_is_a_part_of(log):
    asked = ["--data", str(log[0]), "--time", "ts", "--slice", "carrier", "--metric", "accuracy:0.05"]
    arms = ["--baseline", "v1", "--candidate", "v2"]
    planned, analysed = (
        CliRunner().invoke(cli, words).stdout for words in (["plan", *asked], ["analyze", *asked, *arms])
    )
    for shown in (planned, analysed):
        assert "K = 5" in shown
        assert "α = 0.045 (0.9 of 0.05)" in shown


@pytest.mark.parametrize("command", ["plan", "simulate"])
def test_scores_that_are_all_outside_the_domain_are_the_cause_that_is_told(log, tmp_path, command):
    (tmp_path / "mds.yaml").write_text(
        DATASET + "  columns: {model: '', tier: '', time: ts}\n  domain: {min: 1, max: 2}\n"
    )
    asked = ["--data", str(log[0]), "--dataset", str(tmp_path / "mds.yaml"), "--slice", "carrier"]
    result = CliRunner().invoke(cli, [command, *asked, "--metric", "accuracy:0.05"])
    assert result.exit_code == 1
    assert "no row has a valid score" in result.stderr
    assert "(1 … 2)" in result.stderr


def test_equal_arms_of_one_version_are_promoted_and_the_drop_is_found_in_them_and_in_the_log(log):
    path, _, _ = log
    arguments = ["--drop", "carrier=VX accuracy ->0.6", "--runs", "4", "--max-duration", "3h", "--exposure", "50%"]
    arguments += ["--min-duration", "2h"]  # a soak: the slice is too small for promotion to wait for it
    found = run("simulate", path, *arguments, "--candidate", "v2", "--block", "2m", "--processes", "1", "--seed", "3")

    assert found["source"].startswith("recorded v1")
    assert found["rollouts"]["equal"]["rolled_back"] == 0
    assert found["rollouts"]["drop"] == {"runs": 4, "promoted": 0, "held": 0, "rolled_back": 4, "named": 4}
    replayed = {rule["name"]: rule for rule in found["replay"]["rules"]}
    assert replayed["tierwise"]["stopped"]
    assert found["replay"]["outcome"] == "RollBack"
    assert found["replay"]["named"] == [{"dataset": "data", "metric": "accuracy", "slice": "carrier=VX"}]


def test_the_output_does_not_depend_on_processes(log):
    arguments = ["--runs", "12", "--max-duration", "30m", "--block", "5m", "--seed", "3"]
    alone, together = (run("simulate", log[0], *arguments, "--processes", count) for count in ("1", "2"))
    assert alone == together


DATASET = """\
apiVersion: tierwise.io/v1alpha1
kind: MonitoringDataset
metadata: {name: verified}
spec:
  table: predictions
  dimensions:
    - {name: carrier, expression: carrier}
"""
DEPLOYMENT = """\
apiVersion: tierwise.io/v1alpha1
kind: ModelDeployment
metadata: {name: delays}
spec:
  model: delays
  version: {name: v2, image: example.org/delays:v2}
  delivery: {container: server}
  tiers:
    - name: small
      workloads: {selector: {matchLabels: {tier: small}}}
      maxDuration: 30m
    - name: large
      workloads: {selector: {matchLabels: {tier: large}}}
      exposure: 40%
      maxDuration: 2h
  analysis:
    falseRollbackRate: 0.1
    datasets:
      - name: verified
        metrics:
          - {name: accuracy, margin: {absolute: 0.05}}
          - {name: auc, margin: {absolute: 0.05}}
        slices: [carrier]
"""
LOAD = """
import sys, pyarrow.parquet
from tierwise.adapters.clickhouse.store import open_store
store = open_store(sys.argv[1])
store.init(["carrier"])
store.insert_predictions(pyarrow.parquet.read_table(sys.argv[2]))
store.close()
"""


def test_each_tier_is_planned_on_its_own_traffic_with_the_deployment_s_policy(log, tmp_path):
    table = pyarrow.parquet.read_table(log[0])
    rng = np.random.default_rng(2)
    tiers = np.where(rng.random(ROWS) < 0.1, "small", "large")
    table = table.append_column("tier", pa.array(tiers)).append_column("model", pa.array(["delays"] * ROWS))
    pyarrow.parquet.write_table(table, tmp_path / "log.parquet")
    dsn = f"chdb://{tmp_path / 'store'}"
    # A directory of chDB belongs to one process: another one loads it and another one reads it.
    subprocess.run([sys.executable, "-c", LOAD, dsn, str(tmp_path / "log.parquet")], check=True, timeout=300)
    (tmp_path / "mds.yaml").write_text(DATASET)
    (tmp_path / "mdep.yaml").write_text(DEPLOYMENT)

    manifests = ["--dataset", str(tmp_path / "mds.yaml"), "--deployment", str(tmp_path / "mdep.yaml")]
    window = [
        "--since",
        "2026-03-01T00:00:00Z",
        "--drop",
        "carrier=VX accuracy ->0.6",
        "--baseline",
        "v1",
        "-o",
        "json",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "tierwise.cli.main", "plan", "--store", dsn, *manifests, *window],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip

    assert done.returncode == 3, done.stderr
    found = json.loads(done.stdout)
    small, large = found["tiers"]
    of_v1 = np.array(table["model_version"].to_pylist()) == "v1"
    for tier, name in ((small, "small"), (large, "large")):
        assert tier["rows_per_hour"] == pytest.approx((of_v1 & (tiers == name)).sum() / 4, rel=0.01)
        assert tier["alpha"] == pytest.approx(0.9 * 0.1 / 2)
        assert {one["metric"] for one in tier["slices"]} == {"accuracy", "auc"}
    assert (small["exposure"], large["exposure"]) == (0.2, 0.4)
    assert not small["drops"][0]["within_max_duration"]
    assert large["drops"][0]["within_max_duration"]
    assert small["drops"][0]["seconds"] > 5 * large["drops"][0]["seconds"]
    assert not small["slices_judged"]
    assert large["slices_judged"]

    # `lint` reads the same traffic: the last day's, of the version that has most of it.
    files = [str(tmp_path / "mdep.yaml"), str(tmp_path / "mds.yaml")]
    linted = subprocess.run(
        [sys.executable, "-m", "tierwise.cli.main", "lint", "--store", dsn, *files, "-o", "json"],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert linted.returncode == 1, linted.stderr
    facts = json.loads(linted.stdout)
    (problem,) = facts["problems"]
    assert problem["key"] == "spec.tiers[0]"
    assert (
        problem["message"]
        == f"at the traffic of v1, {found['unjudged'][0].removeprefix('tier ' + repr('small') + ': ')}"
    )
    assert "raise maxDuration to" in problem["message"]
    (warning,) = facts["warnings"]
    assert warning["key"] == "spec.tiers[0]"
    assert warning["message"].startswith("warning: at the traffic of v1, no slice of carrier has traffic enough")
