"""Makes the rows of `ml_performance`: a block's distributions, from which metrics of the past are computed. Pure."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pyarrow as pa

from tierwise.api.slices import parse_slice_key
from tierwise.arrays import AnyArray, FloatArray, IntArray
from tierwise.monitoring.counts.model import Dataset, Distributions, Scope
from tierwise.monitoring.query.log.config import config_hash, config_of

_TIME = pa.timestamp("us", tz="UTC")
ALL_LABELS = 255  # the `label` of a row with the sums of a slice and version; it has no counts


@dataclass(frozen=True, slots=True)
class Origin:
    """The block of a row: the rollout, the tier, and the block's number in the tier."""

    rollout: str
    tier: str
    index: int


def performance_rows(origin: Origin, dataset: Dataset, scope: Scope, distributions: Distributions) -> pa.Table:
    """The block's rows, one per slice, version and label that has any prediction, and one with the sums if it has any.

    Every value depends only on the arguments, so writing a block twice gives equal rows, which the engine replaces.
    `dims` are the slice's dimensions joined by a comma, `value` is its key. `label` 2 is unknown (for classes: the
    number of classes). `weights` are Σw by answer, then Σw² by answer. Columns that the dataset does not fill are left
    out, so that tables that were not migrated yet accept the other columns.
    """
    counts = distributions.counts
    slices, arms, labels = np.nonzero(counts.any(axis=-1))
    found = counts[slices, arms, labels]
    columns = {
        **_keys(origin, dataset, scope, distributions, slices, arms),
        "label": pa.array(labels.astype(np.uint8)),
        "n": pa.array(found.sum(axis=-1).astype(np.uint64)),
        "n_invalid": pa.array(found[:, -1].astype(np.uint64)),
        "bins": _lists(found[:, :-1].astype(np.uint32)),
    }
    if distributions.weights is not None:
        both = distributions.weights[:, slices, arms, labels]  # (2, rows, answers)
        columns["weights"] = _lists(np.concatenate([both[0], both[1]], axis=1))
    counted = pa.table(columns)
    if not distributions.sums:
        return counted
    return pa.concat_tables([counted, _sum_rows(origin, dataset, scope, distributions)], promote_options="default")


def config_row(dataset: Dataset, edges: Sequence[float] | FloatArray) -> pa.Table:
    """The row of `tierwise_config`: the configuration of the dataset's `config_hash`, with the edges of its bins."""
    return pa.table(
        {
            "config_hash": pa.array([config_hash(dataset)], pa.uint64()),
            "dataset": pa.array([dataset.name]),
            "config": pa.array([config_of(dataset)]),
            "edges": _lists(np.asarray(edges, dtype=np.float64)[np.newaxis]),
        }
    )


def _sum_rows(origin: Origin, dataset: Dataset, scope: Scope, distributions: Distributions) -> pa.Table:
    """A row per slice and version with any prediction, with the sums by name."""
    slices, arms = np.nonzero(distributions.counts.any(axis=(-1, -2)))
    names = sorted(distributions.sums)
    values = np.stack([distributions.sums[name][slices, arms] for name in names], axis=1)
    offsets = np.arange(len(slices) + 1, dtype=np.int32) * len(names)
    nothing = np.zeros(len(slices), dtype=np.uint64)
    return pa.table(
        {
            **_keys(origin, dataset, scope, distributions, slices, arms),
            "label": pa.array(np.full(len(slices), ALL_LABELS, dtype=np.uint8)),
            "n": pa.array(nothing),
            "n_invalid": pa.array(nothing),
            "bins": _lists(np.zeros((len(slices), 0), dtype=np.uint32)),
            "sums": pa.MapArray.from_arrays(
                pa.array(offsets), pa.array(names * len(slices), pa.string()), pa.array(values.ravel())
            ),
        }
    )


def _keys(
    origin: Origin,
    dataset: Dataset,
    scope: Scope,
    distributions: Distributions,
    slices: IntArray,
    arms: IntArray,
) -> dict[str, pa.Array]:
    """The columns that identify a row."""
    block, n = distributions.block, len(slices)
    rollout, tier, index = origin.rollout, origin.tier, origin.index
    run = uuid.uuid5(uuid.NAMESPACE_URL, f"tierwise.io/{rollout}/{tier}/{dataset.name}/{index}")
    dims = [",".join(sorted(parse_slice_key(key))) for key in distributions.slices]

    def same(value: object, kind: pa.DataType) -> pa.Array:
        return pa.repeat(pa.scalar(value, kind), n)

    def time(value: datetime) -> pa.Array:
        return same(value, _TIME)

    def of(values: Sequence[str], index: IntArray) -> pa.Array:
        return pa.array(list(values), pa.string()).take(pa.array(index))

    return {
        "run_id": same(str(run), pa.string()),
        "rollout": same(rollout, pa.string()),
        "block": same(index, pa.uint32()),
        "look_ts": time(block.end),
        "window_from": time(block.start),
        "window_to": time(block.end),
        "model": same(scope.model or "", pa.string()),
        "dataset": same(dataset.name, pa.string()),
        "dims": of(dims, slices),
        "value": of(distributions.slices, slices),
        "tier": same(tier, pa.string()),
        "model_version": of((scope.baseline, scope.candidate), arms),
        "config_hash": same(config_hash(dataset), pa.uint64()),
    }


def _lists(rows: AnyArray) -> pa.Array:
    """Rows of equal length as a column of arrays."""
    offsets = np.arange(len(rows) + 1, dtype=np.int32) * rows.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.ascontiguousarray(rows).ravel()))
