"""`ml_performance`: what is stored of a block."""

from __future__ import annotations

import uuid

from tests.support.messy_log import BLOCKINGS, a_dataset


def test_writing_a_block_twice_changes_nothing(store, log):
    _, scope = log
    dataset = a_dataset(("carrier",), ("origin",))
    found = store.read_distributions(dataset, scope, BLOCKINGS["one"][0])
    rollout = f"r-{uuid.uuid4().hex[:8]}"
    for _ in range(2):
        store.write_performance(rollout, "tier-3", 0, dataset, scope, found)
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
