"""`ml_performance`: what is stored of a block."""

from __future__ import annotations

import json
import uuid
from datetime import datetime

import numpy as np

from tests.support.messy_log import BLOCKINGS, MINUTE, a_dataset
from tests.support.predictions import T0
from tierwise.adapters.clickhouse.store import ClickHouseStore
from tierwise.monitoring.counts.model import Block, Distributions, Scope
from tierwise.monitoring.query.stored.performance_table import Origin


def test_writing_a_block_twice_changes_nothing(store, log):
    _, scope = log
    dataset = a_dataset(("carrier",), ("origin",))
    found = store.read_distributions(dataset, scope, BLOCKINGS["one"][0])
    rollout = f"r-{uuid.uuid4().hex[:8]}"
    for _ in range(2):
        store.write_performance(Origin(rollout, "tier-3", 0), dataset, scope, found)
    rows = store.query(
        "SELECT value, model_version, label, n, n_invalid, bins FROM ml_performance FINAL WHERE rollout = {r:String}",
        {"r": rollout},
    ).to_pylist()
    assert sum(row["n"] for row in rows) == found.counts.sum()
    assert sum(row["n_invalid"] for row in rows) == found.counts[..., -1].sum()
    by_key = {(row["value"], row["model_version"], row["label"]): row["bins"] for row in rows}
    assert len(by_key) == len(rows)
    for s, key in enumerate(found.slices):
        for arm, version in enumerate(("v1", "v2")):
            for label in range(3):
                if found.counts[s, arm, label].any():
                    assert by_key[key, version, label] == found.counts[s, arm, label, :-1].tolist()


def a_rollout() -> str:
    return f"r-{uuid.uuid4().hex[:8]}"


def counted(*, sums: bool = False, weights: bool = False, at: datetime = T0) -> Distributions:
    """Two slices: of the second only the candidate's positives."""
    counts = np.zeros((2, 2, 3, 5), dtype=np.int64)
    counts[0] = np.arange(30).reshape(2, 3, 5) + 1
    counts[1, 1, 1] = [1, 0, 2, 0, 3]
    return Distributions(
        Block(at, at + MINUTE),
        ("", "carrier=HA"),
        counts,
        np.linspace(0, 1, 5),
        {"clicks": np.array([[1.5, 2.0], [0.0, 7.25]])} if sums else {},
        np.arange(2 * 2 * 2 * 9).reshape(2, 2, 2, 3, 3) / 4 if weights else None,
    )


def stored(store: ClickHouseStore, rollout: str) -> list[dict[str, object]]:
    return store.query(
        "SELECT value, model_version, label, n, sums, weights FROM ml_performance FINAL WHERE rollout = {r:String} "
        "ORDER BY value, model_version, label",
        {"r": rollout},
    ).to_pylist()


def test_sums_are_stored_once_per_slice_and_version_and_count_nothing(store):
    rollout, found = a_rollout(), counted(sums=True)
    store.write_performance(Origin(rollout, "tier-3", 0), a_dataset(), Scope("m", "v1", "v2"), found)
    rows = stored(store, rollout)
    sums = {(row["value"], row["model_version"]): dict(row["sums"]) for row in rows if row["label"] == 255}
    assert sums == {
        ("", "v1"): {"clicks": 1.5},
        ("", "v2"): {"clicks": 2.0},
        ("carrier=HA", "v2"): {"clicks": 7.25},
    }
    assert sum(row["n"] for row in rows) == found.counts.sum()


def test_weights_are_stored_by_label(store):
    rollout, found = a_rollout(), counted(weights=True)
    store.write_performance(Origin(rollout, "tier-3", 0), a_dataset(), Scope("m", "v1", "v2"), found)
    rows = {(row["value"], row["model_version"], row["label"]): row["weights"] for row in stored(store, rollout)}
    assert rows["", "v2", 1] == [*found.weights[0, 0, 1, 1], *found.weights[1, 0, 1, 1]]
    assert rows["carrier=HA", "v2", 1] == [*found.weights[0, 1, 1, 1], *found.weights[1, 1, 1, 1]]


def test_what_a_hash_stands_for_is_stored_with_the_edges(store):
    dataset = a_dataset(("origin",), threshold=0.57)
    store.write_performance(Origin(a_rollout(), "tier-3", 0), dataset, Scope("m", "v1", "v2"), counted())
    rows = store.query(
        "SELECT c.config, c.edges FROM tierwise_config AS c FINAL WHERE c.dataset = {d:String} "
        "AND c.config_hash IN (SELECT config_hash FROM ml_performance) AND c.config LIKE '%0.57%'",
        {"d": dataset.name},
    ).to_pylist()
    assert rows[0]["edges"] == [0, 0.25, 0.5, 0.75, 1]
    name, spec, groupings = json.loads(rows[0]["config"])
    assert (name, spec["threshold"], groupings) == ("flights", 0.57, [["origin"]])
