"""Rows of `ml_performance`: one block's distributions, so that any metric can be computed for the past. Pure."""

from __future__ import annotations

import uuid

import numpy as np
import pyarrow as pa

from tierwise.api.slices import parse_slice_key
from tierwise.monitoring.cells import BASELINE, CANDIDATE, Dataset, Distributions, Scope
from tierwise.monitoring.query import config_hash

_TIME = pa.timestamp("us", tz="UTC")


def performance_rows(
    rollout: str, tier: str, index: int, dataset: Dataset, scope: Scope, distributions: Distributions
) -> pa.Table:
    """The block's rows, one per slice, version and label that has any prediction.

    Every value follows from the arguments: writing a block twice gives equal rows, which the engine replaces.
    `dims` are the slice's dimensions joined by a comma, `value` its key; `label` 2 is unknown.
    """
    block = distributions.block
    run = uuid.uuid5(uuid.NAMESPACE_URL, f"tierwise.io/{rollout}/{tier}/{dataset.name}/{index}")
    found = np.argwhere(distributions.counts.any(axis=-1))
    versions = {BASELINE: scope.baseline, CANDIDATE: scope.candidate}
    keys = [distributions.slices[s] for s, _, _ in found]
    counts = (
        distributions.counts[tuple(found.T)]
        if len(found)
        else distributions.counts.reshape(-1, distributions.counts.shape[-1])[:0]
    )
    n = len(found)
    columns = {
        "run_id": pa.array([str(run)] * n, pa.string()),
        "rollout": pa.array([rollout] * n, pa.string()),
        "block": pa.array([index] * n, pa.uint32()),
        "look_ts": pa.array([block.end] * n, _TIME),
        "window_from": pa.array([block.start] * n, _TIME),
        "window_to": pa.array([block.end] * n, _TIME),
        "model": pa.array([scope.model or ""] * n, pa.string()),
        "dataset": pa.array([dataset.name] * n, pa.string()),
        "dims": pa.array([",".join(sorted(parse_slice_key(key))) for key in keys], pa.string()),
        "value": pa.array(keys, pa.string()),
        "tier": pa.array([tier] * n, pa.string()),
        "model_version": pa.array([versions[int(a)] for _, a, _ in found], pa.string()),
        "label": pa.array([int(label) for _, _, label in found], pa.uint8()),
        "n": pa.array(counts.sum(axis=-1), pa.uint64()),
        "n_invalid": pa.array(counts[:, -1], pa.uint64()),
        "bins": pa.array(list(counts[:, :-1].astype(np.uint32)), pa.list_(pa.uint32())),
        "config_hash": pa.array([config_hash(dataset)] * n, pa.uint64()),
    }
    return pa.table(columns)
