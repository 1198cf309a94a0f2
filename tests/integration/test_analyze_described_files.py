"""A file with a manifest beside it: classes, numbers, weights, several sources of labels, against scikit-learn."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
import pytest
import yaml
from click.testing import CliRunner
from sklearn import metrics as oracle

pytest.importorskip("chdb", reason="needs the embedded ClickHouse engine (pip install tierwise[embedded])")

from tierwise.cli.main import cli

START = datetime(2026, 3, 1, tzinfo=UTC)
ROWS = 6000


@pytest.fixture
def rng():
    return np.random.default_rng(11)


def a_log(rng, **columns):
    """Two versions in turn, a row a second, from two carriers."""
    return {
        "ts": [START + timedelta(seconds=i) for i in range(ROWS)],
        "model_version": np.where(rng.random(ROWS) < 0.5, "v1", "v2"),
        "carrier": rng.choice(["AA", "DL"], ROWS),
        **columns,
    }


def a_manifest(folder, columns=None, **spec):
    document = {
        "apiVersion": "tierwise.io/v1alpha1",
        "kind": "MonitoringDataset",
        "metadata": {"name": "described"},
        "spec": {
            "table": "requests",
            "columns": {"model": "", "tier": "", **(columns or {})},
            "dimensions": [{"name": "carrier", "expression": "carrier"}],
            **spec,
        },
    }
    path = folder / "dataset.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def written(folder, table, name="log.parquet"):
    path = folder / name
    table = pa.table(dict(table))
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        pyarrow.parquet.write_table(table, path)
    return path


def invoke(path, manifest, *arguments, command="analyze"):
    versions = ["--baseline", "v1", "--candidate", "v2"]
    options = ["--data", str(path), "--dataset", str(manifest), "--block", "10m", "--slice", "carrier"]
    return CliRunner().invoke(cli, [command, *options, *versions, *arguments])


def values(path, manifest, *arguments):
    """{(metric, carrier or ""): (baseline's value, candidate's)}."""
    result = invoke(path, manifest, *arguments, "-o", "json")
    assert result.exit_code in (0, 3, 4), result.stderr
    found = json.loads(result.stdout)
    return {
        (r["metric"], r["slice"].get("carrier", "")): (r["baseline"]["value"], r["candidate"]["value"])
        for r in found["results"]
    }


@pytest.mark.parametrize("name", ["log.parquet", "log.csv"])
def test_classes_in_a_file_are_judged_as_scikit_learn_counts_them(tmp_path, rng, name):
    classes = ["cat", "dog", "bird"]
    truth = rng.choice(classes, ROWS)
    answer = np.where(rng.random(ROWS) < 0.8, truth, rng.choice(classes, ROWS))
    log = a_log(rng, predicted=answer, true_class=truth)
    manifest = a_manifest(
        tmp_path, {"score": "predicted", "label": "true_class"}, scale={"kind": "Classes"}, classes=classes
    )

    metrics = ["--metric", "multiclass-accuracy:0.5", "--metric", "macro-f1:0.5", "--metric", "recall@dog:0.5"]
    found = values(written(tmp_path, log, name), manifest, *metrics)

    for carrier in ("", "AA"):
        for arm, version in enumerate(("v1", "v2")):
            rows = (log["model_version"] == version) & ((carrier == "") | (log["carrier"] == carrier))
            y, p = truth[rows], answer[rows]
            assert found["multiclass-accuracy", carrier][arm] == pytest.approx(oracle.accuracy_score(y, p))
            assert found["macro-f1", carrier][arm] == pytest.approx(oracle.f1_score(y, p, average="macro"))
            dog = oracle.recall_score(y, p, labels=["dog"], average="macro")
            assert found["recall@dog", carrier][arm] == pytest.approx(dog)


@pytest.mark.parametrize("name", ["log.parquet", "log.csv"])
def test_numbers_in_a_file_are_judged_as_scikit_learn_measures_them(tmp_path, rng, name):
    truth = rng.gamma(3.0, 10.0, ROWS)
    predicted = np.clip(truth + rng.normal(0, 5, ROWS), 0, 500)
    log = a_log(rng, eta=predicted, took=truth)
    manifest = a_manifest(tmp_path, {"score": "eta", "label": "took"}, target="Number", domain={"min": 0, "max": 500})

    found = values(written(tmp_path, log, name), manifest, "--metric", "mae:9", "--metric", "rmse:9")

    for arm, version in enumerate(("v1", "v2")):
        rows = log["model_version"] == version
        assert found["mae", ""][arm] == pytest.approx(oracle.mean_absolute_error(truth[rows], predicted[rows]))
        assert found["rmse", ""][arm] == pytest.approx(oracle.root_mean_squared_error(truth[rows], predicted[rows]))


def test_the_best_classes_of_a_row_may_be_a_list_column(tmp_path, rng):
    classes = ["cat", "dog", "bird"]
    truth, order = rng.choice(3, ROWS), np.argsort(rng.random((ROWS, 3)), axis=1)
    names = np.array(classes)
    log = a_log(rng, score=names[order[:, 0]], label=names[truth], best=[names[row].tolist() for row in order])
    manifest = a_manifest(tmp_path, {"top": "best"}, scale={"kind": "Classes"}, classes=classes)

    found = values(written(tmp_path, log), manifest, "--metric", "top-k@2:0.5")

    for arm, version in enumerate(("v1", "v2")):
        rows = log["model_version"] == version
        assert found["top-k@2", ""][arm] == pytest.approx((order[rows, :2] == truth[rows, None]).any(axis=1).mean())


def test_weights_and_a_threshold_of_the_manifest_count_as_scikit_learn_weighs_them(tmp_path, rng):
    label = rng.random(ROWS) < 0.4
    score = np.clip(rng.normal(np.where(label, 0.6, 0.4), 0.2), 0, 1)
    weight = rng.integers(1, 5, ROWS).astype(np.float64)
    log = a_log(rng, score=score, label=label.astype(np.int64), w=weight)
    manifest = a_manifest(tmp_path, {"weight": "w"}, threshold=0.55)

    wanted = ["--metric", "accuracy:0.5", "--metric", "recall:0.5", "--metric", "auc:0.5"]
    found = values(written(tmp_path, log), manifest, *wanted)

    for arm, version in enumerate(("v1", "v2")):
        rows = log["model_version"] == version
        area = oracle.roc_auc_score(label[rows], score[rows], sample_weight=weight[rows])
        assert found["auc", ""][arm] == pytest.approx(area, abs=2e-3)  # of bins
        y, p, w = label[rows], score[rows] >= 0.55, weight[rows]
        assert found["accuracy", ""][arm] == pytest.approx(oracle.accuracy_score(y, p, sample_weight=w))
        assert found["recall", ""][arm] == pytest.approx(oracle.recall_score(y, p, sample_weight=w))


SOURCES = {
    "sources": [
        {"name": "research", "kind": "Table", "table": "db.labels", "key": "request", "column": "is_bot",
         "labelledAt": "at"},
        {"name": "support", "kind": "PostgreSQL", "collection": "pg", "table": "public.tickets", "key": "request",
         "column": "verdict"},
        {"name": "heuristic", "column": "guess"},
    ]
}  # fmt: skip


def test_label_tables_are_further_files_in_their_order_of_trust(tmp_path, rng):
    truth = rng.random(ROWS) < 0.4
    guess = truth ^ (rng.random(ROWS) < 0.2)
    score = np.where(truth ^ (rng.random(ROWS) < 0.1), 0.9, 0.1)
    request = np.array([f"{i:05d}" for i in range(ROWS)])
    log = a_log(rng, score=score, guess=guess.astype(np.int64), request=request)
    path = written(tmp_path, log)
    known = rng.random(ROWS) < 0.5
    late = rng.random(ROWS) < 0.1  # later than maturity: no label for ever
    at = [t + timedelta(hours=9 if is_late else 0, seconds=5) for t, is_late in zip(log["ts"], late, strict=True)]
    research = {"request": request[known], "is_bot": truth[known].astype(np.int64), "at": np.array(at)[known].tolist()}
    tickets = {"request": request[:50], "verdict": np.where(truth[:50], "true", "false")}
    files = [
        "--label-data", f"research={written(tmp_path, research, 'research.csv')}",
        "--label-data", f"support={written(tmp_path, tickets, 'tickets.csv')}",
    ]  # fmt: skip
    manifest = a_manifest(tmp_path, {"requestId": "request"}, labels=SOURCES, maturity="1h")

    found = values(path, manifest, "--metric", "accuracy:0.5", *files)

    support = np.arange(ROWS) < 50
    label = np.where((known & ~late) | support, truth, guess)
    for arm, version in enumerate(("v1", "v2")):
        rows = log["model_version"] == version
        assert found["accuracy", ""][arm] == pytest.approx(oracle.accuracy_score(label[rows], score[rows] >= 0.5))


def test_what_is_missing_is_told_with_what_to_do(tmp_path, rng):
    path = written(tmp_path, a_log(rng, score=rng.random(ROWS), label=np.ones(ROWS, dtype=np.int64)))
    metric = ["--metric", "accuracy:0.05"]

    def error(*arguments, columns=None, **spec):
        result = invoke(path, a_manifest(tmp_path, columns, **spec), *metric, *arguments)
        assert result.exit_code in (1, 2)
        return " ".join(result.stderr.replace("│", " ").split())

    assert 'Set spec.columns.pod to the file\'s column, or to "" when it has none' in error(columns={"pod": "pod"})
    assert "Set spec.columns.score to the file's column" in error(columns={"score": "p"})
    assert "--dataset describes the file; leave --score away and set spec.columns.score in it" in error("--score", "p")
    assert "give its rows with --label-data research=FILE" in error(
        columns={"requestId": "carrier"}, labels={"sources": SOURCES["sources"][:1]}
    )
    assert "has no such label source (none of its label sources has a table)" in error("--label-data", f"x={path}")
    assert "set spec.table to that name too" in error(query="SELECT * FROM requests", table=None)
    dimensions = [{"name": "carrier", "expression": "lower(airline)"}]
    assert "airline" in error(dimensions=dimensions)


def test_classes_and_weighted_numbers_of_a_file_are_simulated_and_replayed(tmp_path, rng):
    classes = ["cat", "dog"]
    truth = rng.choice(classes, ROWS)
    log = a_log(rng, label=truth)
    wrong = rng.random(ROWS) < np.where(log["model_version"] == "v2", 0.4, 0.1)
    log["score"] = np.where(wrong, np.where(truth == "cat", "dog", "cat"), truth)
    manifest = a_manifest(tmp_path, scale={"kind": "Classes"}, classes=classes)
    metrics = ["--metric", "recall@dog:0.1", "--metric", "macro-f1:0.1", "--runs", "1", "--processes", "1"]
    result = invoke(written(tmp_path, log), manifest, *metrics, "-o", "json", command="simulate")
    found = json.loads(result.stdout)
    assert found["rollouts"]["equal"]["rolled_back"] == 0
    assert found["replay"]["outcome"] == "RollBack"

    number = rng.gamma(3.0, 10.0, ROWS)
    off = rng.normal(0, np.where(log["model_version"] == "v2", 9, 3), ROWS)
    log |= {"label": number, "score": np.clip(number + off, 0, 500), "w": rng.integers(1, 4, ROWS).astype(np.float64)}
    manifest = a_manifest(tmp_path, {"weight": "w"}, target="Number", domain={"min": 0, "max": 500})
    metrics = ["--metric", "mae:1", "--metric", "bias:2", "--runs", "1", "--processes", "1"]
    result = invoke(written(tmp_path, log), manifest, *metrics, "-o", "json", command="simulate")
    found = json.loads(result.stdout)
    assert found["rollouts"]["equal"]["rolled_back"] == 0
    assert "mae" in {one["metric"] for one in found["replay"]["named"]}
    replayed = {rule["name"]: rule["stopped"] for rule in found["replay"]["rules"]}
    assert replayed["threshold-0"]
    assert not replayed["z-test"]


def test_plan_and_simulate_read_the_described_file_and_learn_from_its_pods(tmp_path, rng):
    label = rng.random(ROWS) < 0.4
    pods = rng.integers(0, 6, ROWS)
    wrong = rng.random(ROWS) < 0.1 + 0.05 * (pods % 3)  # what persistently differs between pods
    log = a_log(rng, score=np.where(label ^ wrong, 0.9, 0.1), label=label.astype(np.int64), pod=pods.astype(str))
    log["model_version"] = np.full(ROWS, "v1")
    path = written(tmp_path, log)
    query = "SELECT * EXCEPT (carrier), lower(carrier) AS carrier FROM ml.requests"
    manifest = a_manifest(tmp_path, {"pod": "pod"}, table="ml.requests", query=query)

    options = ["--data", str(path), "--dataset", str(manifest), "--metric", "accuracy:0.1", "-o", "json"]
    planned = CliRunner().invoke(cli, ["plan", *options])
    assert planned.exit_code in (0, 3), planned.stderr
    slices = [one["slice"] for one in json.loads(planned.stdout)["tiers"][0]["slices"]]
    assert {"carrier": "aa"} in slices
    simulated = CliRunner().invoke(cli, ["simulate", *options, "--runs", "1", "--block", "5m", "--processes", "1"])
    assert simulated.exit_code in (0, 3), simulated.stderr

    tier = json.loads(simulated.stdout)["policy"]["tiers"][0]
    assert tier["phi"] >= 1
    assert tier["sigma_pod"] > 0
    assert not any("names no pods" in note for note in json.loads(simulated.stdout)["notes"])
