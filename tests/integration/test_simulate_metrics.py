"""`simulate` on a log with metrics of scores, sums and values: rows handed out, the peers' part, the replay."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner

pytest.importorskip("chdb", reason="needs the embedded ClickHouse engine (pip install tierwise[embedded])")

from tierwise.adapters.prediction_logs.recorded import open_recorded_file
from tierwise.api.modeldeployment import DatasetAnalysis
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.cli.main import cli
from tierwise.errors import SpecError
from tierwise.monitoring.counts.model import Dataset, Scope
from tierwise.monitoring.evidence.recorded import blocks_between
from tierwise.monitoring.planning.required_reads import reads_of
from tierwise.monitoring.planning.tier_plan import groupings_of
from tierwise.simulation.streams.slicing import Slicing

START = datetime(2026, 3, 1, tzinfo=UTC)
HOURS, ROWS = 4, 24_000
SCOPE = Scope(None, "v1", "v2")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """Four hours of v1; beside it v2, whose scores say little of carrier VX and whose answers take longer."""
    rng = np.random.default_rng(1)
    version = np.where(rng.random(ROWS) < 0.6, "v1", "v2")
    carrier = rng.choice(["AA", "DL", "VX"], ROWS, p=[0.5, 0.3, 0.2])
    label = rng.random(ROWS) < 0.4
    blind = (version == "v2") & (carrier == "VX")
    logit = rng.normal(0, 1, ROWS) + np.where(label, 1.0, -1.0) * np.where(blind, 0.1, 1.0)
    table = {
        "ts": [START + timedelta(seconds=float(s)) for s in np.sort(rng.random(ROWS)) * HOURS * 3600],
        "model_version": version,
        "score": 1 / (1 + np.exp(-logit)),
        "label": label.astype(np.int64),
        "carrier": carrier,
        "origin": rng.choice(["JFK", "SFO"], ROWS),
        "latency": rng.gamma(2.0, 40.0, ROWS),
        "clicks": rng.poisson(0.3, ROWS),
        "shown": rng.poisson(3.0, ROWS),
        "w": rng.integers(1, 4, ROWS).astype(np.float64),
    }
    found = tmp_path_factory.mktemp("log") / "log.parquet"
    pyarrow.parquet.write_table(pa.table(table), found)
    return found


def a_dataset(metrics, slices, **columns):
    spec = MonitoringDatasetSpec.model_validate(
        {
            "table": "predictions",
            "columns": {"time": "ts", "model": "", "tier": "", "latency": "latency", **columns},
            "dimensions": [{"name": name, "expression": name} for name in ("carrier", "origin")],
            "values": [{"name": name, "expression": name} for name in ("clicks", "shown")],
        }
    )
    analysis = DatasetAnalysis.model_validate(
        {"name": "d", "metrics": [{"name": m, "margin": {"absolute": 0.05}} for m in metrics], "slices": slices}
    )
    return Dataset("d", spec, groupings_of(analysis, spec), reads=reads_of(analysis, spec))


@pytest.mark.parametrize(
    ("metrics", "columns"), [(["auc"], {}), (["recall"], {"weight": "w"}), (["auc"], {"weight": "w"})]
)
def test_rows_read_one_by_one_add_up_to_what_a_look_reads(path, metrics, columns):
    metrics = [*metrics, "log-loss", "latency-over@200", "ratio@clicks/shown"]
    dataset = a_dataset(metrics, ["carrier", "carrier,origin"], **columns)
    blocks = blocks_between(START, START + timedelta(hours=HOURS), 600.0)
    with open_recorded_file(str(path), dataset.spec, None) as log:
        looked = log.read_cells(dataset, SCOPE, blocks)
        entries = log.read_entries(dataset, SCOPE, blocks, ROWS)
        with pytest.raises(SpecError, match="more than 1,000 rows that differ"):
            log.read_entries(dataset, SCOPE, blocks, 1000)

    slicing = Slicing(entries.dimensions, entries.atoms, dataset.groupings)
    found = slicing.cells(tuple(blocks), 0, entries)

    assert sorted(found.slices) == sorted(looked.slices)
    order = [found.slices.index(key) for key in looked.slices]
    assert (found.counts[:, order] == looked.counts).all()
    if "auc" in metrics:
        assert (found.bins[:, order] == looked.bins).all()
        assert (found.edges == looked.edges).all()
    assert set(found.sums) == set(looked.sums)
    for name, values in looked.sums.items():
        np.testing.assert_allclose(found.sums[name][:, order], values, rtol=1e-9, atol=1e-9)
    if columns:
        np.testing.assert_allclose(found.weights[:, :, order], looked.weights, rtol=1e-9)
    if columns and "auc" in metrics:
        np.testing.assert_allclose(found.bin_weights[:, :, order], looked.bin_weights, rtol=1e-9)


def run(path, *arguments):
    options = ["--data", str(path), "--time", "ts", "--slice", "carrier", "-o", "json", "--block", "5m"]
    result = CliRunner().invoke(cli, ["simulate", *options, *arguments])
    assert result.exit_code in (0, 3), result.stderr
    return json.loads(result.stdout)


def test_a_log_is_judged_by_metrics_of_scores_sums_and_values_and_peers_by_what_they_can(path):
    arguments = ["--metric", "auc:0.1", "--metric", "log-loss:0.2", "--metric", "latency-over@200:0.05"]
    arguments += ["--metric", "ratio@clicks/shown:0.05", "--metric", "score-shift:0.1", "--runs", "2", "--seed", "7"]
    arguments += ["--exposure", "50%", "--judge-every", "1h", "--until", "9999-12-31T00:00:00Z"]
    found = run(path, *arguments, "--candidate", "v2", "--processes", "1")

    assert found["rollouts"]["equal"] == {"runs": 2, "promoted": 2, "held": 0, "rolled_back": 0}
    assert found["policy"]["tiers"][0]["hypotheses"] == 5 * 5  # the whole, three carriers and a reserved slot
    assert any("not at --until 9999-12-31" in note for note in found["notes"])
    # As it was: v2 ranks carrier VX no better than chance.
    assert found["replay"]["outcome"] == "RollBack"
    assert {"dataset": "data", "metric": "auc", "slice": "carrier=VX"} in found["replay"]["named"]

    rules = {rule["name"]: rule for rule in found["rules"]}
    assert rules["tierwise"]["not_judged"] == []
    assert rules["z-test"]["not_judged"] == ["auc", "log-loss", "ratio@clicks/shown", "score-shift"]
    assert rules["threshold-3"]["not_judged"] == rules["mann-whitney"]["not_judged"] == ["score-shift"]
    replayed = {rule["name"]: rule for rule in found["replay"]["rules"]}
    assert replayed["threshold-3"]["stopped"]
    assert replayed["mann-whitney-critical"]["stopped"]


def test_a_rule_that_can_judge_no_metric_says_so(path):
    found, again = (run(path, "--metric", "auc:0.1", "--runs", "1", "--candidate", "v2") for _ in range(2))
    assert found == again
    rules = {rule["name"]: rule for rule in found["rules"]}
    assert [rules[name]["judges"] for name in ("z-test", "threshold-0", "mann-whitney")] == [False, True, True]

    result = CliRunner().invoke(
        cli, ["simulate", "--data", str(path), "--time", "ts", "--metric", "auc:0.1", "--runs", "1", "--block", "5m"]
    )
    row = next(line for line in result.stdout.splitlines() if line.startswith("z-test "))
    assert row.split()[1] == "–"
