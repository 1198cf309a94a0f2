"""`tierwise backfill`: stored distributions and the rows themselves give the same values; changes are never mixed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import yaml
from click.testing import CliRunner, Result
from sklearn.metrics import roc_auc_score

from tests.integration.test_store_reads import a_dataset
from tests.support.predictions import T0
from tests.support.wide_log import TABLE, WideLog, finite
from tierwise.adapters.clickhouse.store import ClickHouseStore, open_store
from tierwise.adapters.prediction_logs.stored import RecordedPast
from tierwise.cli.main import cli
from tierwise.errors import SpecError, StoreError
from tierwise.metrics import registry
from tierwise.metrics.weighted import sums_of
from tierwise.monitoring.counts.model import Block, Dataset, Reads, Scope
from tierwise.monitoring.query.stored.distributions import Wanted
from tierwise.monitoring.query.stored.performance_table import Origin
from tierwise.runtime.offline.backfill import Backfill, Request, backfill

MINUTE = timedelta(minutes=1)
SCOPE = Scope(None, "v1", "v2")
ROWS = WideLog(3000)


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseStore]:
    store = open_store(f"chdb://{tmp_path_factory.mktemp('store') / 'data'}")
    store.init()
    store.execute(TABLE.format(name="log", score="Float32"))
    store._connection.insert("log", ROWS.table())
    yield store
    store.close()


@pytest.fixture
def store(loaded: ClickHouseStore) -> ClickHouseStore:
    """The log, and nothing stored of it yet."""
    for table in ("ml_performance", "tierwise_config"):
        loaded.execute(f"TRUNCATE TABLE {table}")
    loaded._stored_configs.clear()
    return loaded


def unweighted(**fields: object) -> Dataset:
    dataset = a_dataset("log", **fields)
    columns = dataset.spec.columns.model_copy(update={"weight": None})
    return replace(dataset, spec=dataset.spec.model_copy(update={"columns": columns}))


def look(store: ClickHouseStore, dataset: Dataset, blocks: range = range(6), rollout: str = "r") -> None:
    """What the operator stores: a block every five minutes."""
    for index in blocks:
        block = Block(T0 + 5 * index * MINUTE, T0 + 5 * (index + 1) * MINUTE)
        found = store.read_distributions(dataset, SCOPE, block)
        store.write_performance(Origin(rollout, "tier-3", index), dataset, SCOPE, found)


def wanted(**fields: object) -> Wanted:
    return Wanted(
        **{"model": "", "dataset": "wide", "since": T0, "until": T0 + 30 * MINUTE, "every": 10 * MINUTE} | fields
    )


def past(store: ClickHouseStore, metric: str, dataset: Dataset, origin: str = "auto", **fields: object) -> Backfill:
    asked = {key: fields.pop(key) for key in ("config",) if key in fields}
    return backfill(Request(metric, dataset, wanted(**fields), origin, **asked), RecordedPast(store))


def reads_for(*metrics: str) -> Reads:
    return Reads(sums=tuple(item for name in metrics for item in sums_of(registry.get(name), weighted=False)))


def by_key(found: Backfill) -> dict:
    return {(value.start, value.slice, value.version): value for value in found.values}


def test_counts_from_stored_distributions_are_those_of_the_rows(store):
    look(store, unweighted())
    found = past(store, "recall", unweighted())
    assert found.origin == "stored"
    blocks = [Block(*window) for window in wanted().windows]
    expected = ROWS.count_by(blocks, ROWS.arms(), ROWS.labels(), ROWS.answers(0.5), shape=(2, 3, 3))
    for w, block in enumerate(blocks):
        for s, key in enumerate(sorted(ROWS.slice_masks())):
            for arm, version in enumerate(("v1", "v2")):
                value = by_key(found)[block.start, key, version]
                counts = expected[w, s, arm]
                assert (value.n, value.bad) == (counts[1, 0] + counts[1, 1], counts[1, 0])
                assert value.value == pytest.approx(1 - value.bad / value.n)


@pytest.mark.parametrize("metric", ["false-positive-rate", "auc", "average-precision"])
def test_stored_distributions_and_rows_give_the_same_values(store, metric):
    look(store, unweighted())
    stored = past(store, metric, unweighted())
    rows = past(store, metric, unweighted(), "rows", versions=("v1", "v2"))
    assert (stored.origin, rows.origin) == ("stored", "rows")
    assert by_key(stored).keys() == by_key(rows).keys()
    for key, value in by_key(stored).items():
        assert value == by_key(rows)[key]


def test_a_sum_that_was_stored_is_read_and_one_that_was_not_is_counted_from_the_rows(store):
    look(store, replace(unweighted(), reads=reads_for("log-loss")))
    stored, rows = past(store, "log-loss", unweighted()), past(store, "log-loss", unweighted(), "rows")
    assert stored.origin == "stored"
    for key, value in by_key(stored).items():
        assert value.value == pytest.approx(by_key(rows)[key].value, rel=1e-12)
    counted = past(store, "brier", unweighted())
    assert counted.origin == "rows"
    assert "0% of its blocks" in counted.why


def test_a_sum_that_only_some_blocks_have_is_counted_from_the_rows(store):
    look(store, unweighted(), range(1))
    look(store, replace(unweighted(), reads=reads_for("log-loss")), range(1, 6))
    found = past(store, "log-loss", unweighted())
    assert found.origin == "rows"
    assert "83% of its blocks" in found.why


def test_weights_by_bin_which_no_block_stores_are_counted_from_the_rows(store):
    look(store, a_dataset("log", Reads(bins=True, weights=True)))
    found = past(store, "auc", a_dataset("log"))
    assert found.origin == "rows"
    assert "sample weights by answer, and this metric needs them by bin" in found.why
    with pytest.raises(StoreError, match="needs them by bin"):
        past(store, "auc", a_dataset("log"), "stored")
    (window,) = ROWS.block_masks([Block(T0, T0 + 10 * MINUTE)])
    weight = np.maximum(finite(ROWS.weight), 0)
    rows = window & (ROWS.arms() == 0) & (ROWS.labels() < 2) & (ROWS.answers(0.5) < 2) & (weight > 0)
    area = roc_auc_score(ROWS.labels()[rows], ROWS.bins(np.linspace(0, 1, 101))[rows], sample_weight=weight[rows])
    assert by_key(found)[T0, "", "v1"].value == pytest.approx(area, rel=1e-9)


def test_weights_that_were_stored_are_used(store):
    reads = Reads(weights=True)
    look(store, a_dataset("log", reads))
    stored, rows = past(store, "recall", a_dataset("log")), past(store, "recall", a_dataset("log"), "rows")
    assert stored.origin == "stored"
    for key, value in by_key(stored).items():
        other = by_key(rows)[key]
        assert value.value == (None if other.value is None else pytest.approx(other.value, rel=1e-12))


def test_a_block_that_two_rollouts_stored_is_counted_once(store):
    look(store, unweighted())
    once = past(store, "recall", unweighted())
    look(store, unweighted(), rollout="another")
    assert past(store, "recall", unweighted()).values == once.values


def test_a_changed_threshold_is_refused_and_named(store):
    look(store, unweighted(), range(2))
    look(store, unweighted(threshold=0.6), range(2, 6))
    with pytest.raises(SpecError, match=r"threshold 0\.5 → 0\.6") as error:
        past(store, "recall", unweighted(threshold=0.6))
    assert f"{T0 + 10 * MINUTE:%Y-%m-%d %H:%M} threshold" in error.value.message
    assert "--config" in error.value.remedy
    chosen = int(error.value.remedy.split("one of ")[1][:16], 16)
    old = past(store, "recall", unweighted(threshold=0.6), config=chosen)
    assert {value.start for value in old.values} == {T0}
    assert old.values == past(store, "recall", unweighted(), until=T0 + 10 * MINUTE).values


def test_a_manifest_that_is_not_what_was_stored_is_refused(store):
    look(store, unweighted())
    with pytest.raises(SpecError, match=r"positive \"AtOrAbove\" → \"Below\""):
        past(store, "recall", unweighted(positive="Below"))
    counted = past(store, "recall", unweighted(positive="Below"), "rows")
    assert counted.values != past(store, "recall", unweighted()).values


def test_slices_that_changed_are_named(store):
    look(store, unweighted(), range(2))
    look(store, replace(unweighted(), groupings=(("carrier",),)), range(2, 6))
    with pytest.raises(SpecError, match="slices − carrier,origin"):
        past(store, "recall", unweighted())


def test_a_shift_has_no_value_of_one_version(store):
    with pytest.raises(SpecError, match="compares two versions"):
        past(store, "score-shift", unweighted())


def program(store: ClickHouseStore, folder: Path, *arguments: str) -> Result:
    spec = unweighted().spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    spec["columns"] = {"model": "", "tier": "", "pod": "pod", "labelledAt": "labelled_at"}
    spec["columns"] |= {"latency": "latency", "status": "status", "top": "top"}
    manifest = {
        "apiVersion": "tierwise.io/v1alpha1", "kind": "MonitoringDataset", "metadata": {"name": "wide"}, "spec": spec,
    }  # fmt: skip
    (folder / "mds.yaml").write_text(yaml.safe_dump(manifest))
    dsn = str(store._connection.address)
    given = [
        "--dataset",
        str(folder / "mds.yaml"),
        "--since",
        T0.isoformat(),
        "--until",
        (T0 + 30 * MINUTE).isoformat(),
    ]
    return CliRunner().invoke(cli, ["backfill", "recall", "--store", dsn, *given, *arguments])


def test_the_command_prints_json_csv_and_a_table(store, tmp_path):
    look(store, unweighted())
    facts = json.loads(program(store, tmp_path, "-o", "json").stdout)
    assert (facts["schema"], facts["from"], facts["metric"]) == ("tierwise.io/backfill/v1", "stored", "recall")
    rows = list(csv.DictReader(io.StringIO(program(store, tmp_path, "-o", "csv", "--version", "v2").stdout)))
    assert {row["version"] for row in rows} == {"v2"}
    of_json = {(v["slice"], v["version"]): v["value"] for v in facts["values"]}
    assert all(np.isclose(float(row["value"]), of_json[row["slice"], "v2"]) for row in rows)
    assert "carrier=HA" in program(store, tmp_path).stdout


def test_a_metric_that_is_none_is_wrong_usage():
    done = CliRunner().invoke(cli, ["backfill", "recal", "--store", "chdb://memory", "--dataset", "x", "--since", "1h"])
    assert done.exit_code == 2
    assert "metric 'recal' is unknown" in done.stderr


def test_nothing_of_the_past_ends_with_3(store, tmp_path):
    done = program(store, tmp_path, "--version", "v9")
    assert done.exit_code == 3
    assert "no rows" in done.stderr
    done = program(store, tmp_path, "--version", "v9", "--from", "stored")
    assert done.exit_code == 3
    assert "no block of it is stored in this window" in done.stderr
