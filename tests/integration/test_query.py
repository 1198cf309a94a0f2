"""`tierwise query`: the printed SQL, run as it stands, gives the counts of `analyze`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.integration.test_analyze import VERSIONS, analysis, from_store, logs
from tierwise.adapters.clickhouse.store import open_store
from tierwise.api.slices import slice_key
from tierwise.cli.main import cli

__all__ = ["logs"]
SLICES = ("--slice", "carrier", "--slice", "carrier,origin")


def query(logs: Path, *arguments: str, versions: tuple[str, ...] = VERSIONS, expect: int = 0) -> Result:
    store = ["--store", f"chdb://{logs / 'same'}", "--dataset", str(logs / "mds.yaml"), "--model", "delays"]
    done = CliRunner().invoke(cli, ["query", *store, *versions, *arguments])
    assert done.exit_code == expect, done.output
    return done


def counts_of(sql: str, store_path: Path) -> dict[tuple[str, str], list[int]]:
    """(slice, version) → counts of label x answer, from what the SQL returns and its own comments say of g."""
    store = open_store(f"chdb://{store_path}", read_only=True)
    rows = store.query(re.sub(r"--.*", "", sql).strip().rstrip(";")).to_pylist()
    store.close()
    sets = re.search(r"--   g: the row's dimensions: (.*)", sql)[1]
    dimensions = {int(g): names.split(",") for g, names in (item.split(" ") for item in sets.split("; "))}
    names = sorted({name for named in dimensions.values() for name in named})
    found = {}
    for row in rows:
        values = {name: row[f"tierwise_d{names.index(name)}"] for name in dimensions[row["g"]]}
        for arm, version in enumerate(("v1", "v2")):
            found[slice_key(values), version] = row["h"][9 * arm : 9 * arm + 9]
    return found


def test_the_printed_sql_gives_the_counts_of_analyze(logs):
    shown = analysis(*from_store(logs, "same"), expect=0)
    window = ("--since", shown["window"]["from"], "--until", shown["window"]["to"])
    found = counts_of(query(logs, *SLICES, *window).stdout, logs / "same")
    compared = 0
    for result in shown["results"]:
        if result["metric"] != "false-positive-rate" or not result["slice"]:
            continue
        for arm, version in (("baseline", "v1"), ("candidate", "v2")):
            h = found[slice_key(result["slice"]), version]
            assert (result[arm]["n"], result[arm]["bad"]) == (h[0] + h[1], h[1])
            compared += 1
    assert compared > 20


def test_without_a_window_it_is_that_of_the_rows(logs):
    shown = analysis(*from_store(logs, "same"), expect=0)
    explicit = query(logs, "--since", shown["window"]["from"], "--until", shown["window"]["to"]).stdout
    assert query(logs).stdout == explicit


def test_parameters_can_be_kept_and_set(logs):
    text = query(logs, "--params").stdout
    assert "{candidate:String}" in text
    assert "SET param_candidate = 'v2';" in text


@pytest.mark.parametrize("kind", ["look", "distribution", "survey", "invalid", "watermark"])
def test_every_kind_runs_as_printed_and_each_of_its_columns_is_explained(logs, kind):
    (shown,) = json.loads(query(logs, "--show", kind, "--metric", "auc", "-o", "json").stdout)["queries"]
    store = open_store(f"chdb://{logs / 'same'}", read_only=True)
    assert set(store.query(shown["sql"]).column_names) == set(shown["columns"])
    store.close()
    assert shown["kind"] == kind
    assert shown["parameters"] == {}


def test_versions_that_are_not_there_are_told(logs):
    done = query(logs, versions=("--baseline", "v8", "--candidate", "v9"), expect=3)
    assert "no rows of 'v8' or 'v9' (versions there: v1" in done.stderr


def test_a_metric_that_is_none_is_told(logs):
    assert "unknown" in query(logs, "--metric", "beauty", expect=2).stderr


def test_a_slice_or_metric_that_the_dataset_has_not_is_told_with_what_to_do(logs):
    for mistake, remedy in (
        (("--slice", "beauty"), "Use one of"),
        (("--metric", "recall@cat"), "Choose another metric"),
    ):
        error = query(logs, *mistake, expect=1).stderr
        assert "unexpected" not in error
        assert f"\n{remedy}" in error


def test_a_window_that_ends_before_it_begins_is_wrong_usage(logs):
    window = ("--since", "2026-03-02T00:00:00Z", "--until", "2026-03-01T00:00:00Z")
    assert "is not before the end of the window" in query(logs, *window, expect=2).stderr
