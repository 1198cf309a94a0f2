"""A prediction log with a column for everything that a metric can ask for, and its counts by brute force."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tests.support.predictions import T0
from tierwise.api.slices import slice_key
from tierwise.monitoring.counts.model import Block

CLASSES = ("ant", "bee", "it's")
CARRIERS, ORIGINS = ("AA", "HA", "a,b"), ("JFK", "LGA")
MATURITY_SECONDS = 300

TABLE = """
CREATE TABLE {name} (
    ts DateTime64(3, 'UTC'), pod Nullable(String), model_version LowCardinality(String), score {score},
    label Nullable(UInt8), labelled_at Nullable(DateTime64(3, 'UTC')), weight Nullable(Float64),
    latency Nullable(Float32), status UInt16, clicks Nullable(Float64), impressions Float64,
    found String, truth Nullable(String), top Array(String), carrier String, origin LowCardinality(String)
) ENGINE = MergeTree ORDER BY ts
"""


class WideLog:
    """`count` rows of half an hour from T0 on; every column as an array, dyadic numbers so that sums are exact."""

    def __init__(self, count: int = 4000, seed: int = 3, *, score: str = "Float32") -> None:
        rng = np.random.default_rng(seed)

        def pick(values: Sequence[object]) -> npt.NDArray[np.object_]:
            out = np.empty(count, dtype=object)
            out[:] = [values[i] for i in rng.integers(0, len(values), count)]
            return out

        self.count, self.score_type = count, score
        self.offset = np.sort(rng.integers(0, 30 * 60_000, count))  # ms
        self.pod = pick([*(f"pod-{i}" for i in range(9)), None])
        self.version = pick(["v1", "v2", "v2", "v3"])
        edges = np.concatenate([np.arange(101) / 100, [0.123456, 0.6666], [np.nan, np.inf, -1.0, 2.0]])
        real = np.float32 if score == "Float32" else np.float64
        self.score = rng.choice(edges, count).astype(real)
        self.label = pick([0, 1, 0, 1, None, 7])
        self.late = rng.choice([1, MATURITY_SECONDS, MATURITY_SECONDS + 1], count)
        self.weight = pick([1.0, 2.0, 0.5, 8.0, None, 0.0, -1.0, float("nan"), float("inf")])
        self.latency = pick([0.25, 12.5, 300.0, None, float("nan"), float("inf")])
        self.status = rng.choice([200, 404, 500, 503], count)
        self.clicks = pick([0.0, 1.0, 3.0, None, float("nan")])
        self.impressions = rng.integers(0, 5, count).astype(float)
        self.found = pick([*CLASSES, "cat", ""])
        self.truth = pick([*CLASSES, "cat", None])
        self.top = pick([["ant", "bee"], ["bee"], [], ["it's", "ant", "bee"]])
        self.carrier, self.origin = pick(CARRIERS), pick(ORIGINS)

    def table(self) -> pa.Table:
        """The rows as Arrow columns."""
        stamp = pa.timestamp("ms", tz="UTC")
        times = [T0 + timedelta(milliseconds=int(ms)) for ms in self.offset]
        return pa.table(
            {
                "ts": pa.array(times, stamp),
                "pod": pa.array(self.pod, pa.string()),
                "model_version": pa.array(self.version, pa.string()),
                "score": pa.array(self.score),
                "label": pa.array(self.label, pa.uint8()),
                "labelled_at": pa.array(
                    [at + timedelta(seconds=int(late)) for at, late in zip(times, self.late, strict=True)], stamp
                ),
                "weight": pa.array(self.weight, pa.float64()),
                "latency": pa.array(self.latency, pa.float32()),
                "status": pa.array(self.status.astype(np.uint16)),
                "clicks": pa.array(self.clicks, pa.float64()),
                "impressions": pa.array(self.impressions),
                "found": pa.array(self.found, pa.string()),
                "truth": pa.array(self.truth, pa.string()),
                "top": pa.array(list(self.top), pa.list_(pa.string())),
                "carrier": pa.array(self.carrier, pa.string()),
                "origin": pa.array(self.origin, pa.string()),
            }
        )

    def arms(self) -> npt.NDArray[np.int64]:
        """0 baseline, 1 candidate, −1 a third version."""
        return np.select([self.version == "v1", self.version == "v2"], [0, 1], -1)

    def labels(self) -> npt.NDArray[np.int64]:
        """0, 1, or 2: unknown or late."""
        in_time = self.late <= MATURITY_SECONDS
        return np.select([in_time & (self.label == 0), in_time & (self.label == 1)], [0, 1], 2)

    def answers(self, threshold: float) -> npt.NDArray[np.int64]:
        """0, 1, or 2: invalid; compared in the score's own precision."""
        valid = (self.score >= 0) & (self.score <= 1)
        return np.where(valid, (self.score >= self.score.dtype.type(threshold)).astype(np.int64), 2)

    def bins(self, edges: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
        """The bin by comparing with every edge in the score's own precision; the last is invalid."""
        stored = edges.astype(self.score.dtype)
        below = (stored[np.newaxis, :] <= self.score[:, np.newaxis]).sum(axis=1) - 1
        return np.where(self.answers(0.5) == 2, len(edges) - 1, np.clip(below, 0, len(edges) - 2))

    def classes_of(self, names: npt.NDArray[np.object_]) -> npt.NDArray[np.int64]:
        """Index of each name; their number for none of them."""
        return np.array([CLASSES.index(name) if name in CLASSES else len(CLASSES) for name in names])

    def block_masks(self, blocks: Sequence[Block]) -> Iterator[npt.NDArray[np.bool_]]:
        """Rows of each block."""
        for block in blocks:
            low, high = ((at - T0) / timedelta(milliseconds=1) for at in (block.start, block.end))
            yield (self.offset >= low) & (self.offset < high)

    def slice_masks(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Rows of the whole, of every carrier, and of every pair."""
        masks = {"": np.ones(self.count, dtype=bool)}
        for carrier in CARRIERS:
            masks[slice_key({"carrier": carrier})] = self.carrier == carrier
            for origin in ORIGINS:
                key = slice_key({"carrier": carrier, "origin": origin})
                masks[key] = (self.carrier == carrier) & (self.origin == origin)
        return masks

    def count_by(
        self, blocks: Sequence[Block], *indices: npt.NDArray[np.int64], shape: tuple[int, ...], weights: object = None
    ) -> npt.NDArray[np.float64]:
        """Rows (or the sum of `weights`) by block, slice and `indices`; rows with a negative index count nowhere."""
        masks = self.slice_masks()
        out = np.zeros((len(blocks), len(masks), *shape))
        ours = np.all([index >= 0 for index in indices], axis=0)
        values = np.ones(self.count) if weights is None else np.asarray(weights)
        for b, in_block in enumerate(self.block_masks(blocks)):
            for s, key in enumerate(sorted(masks)):
                mask = in_block & masks[key] & ours
                np.add.at(out[b, s], tuple(index[mask] for index in indices), values[mask])
        return out


def finite(values: npt.NDArray[np.object_]) -> npt.NDArray[np.float64]:
    """The numbers, 0 in place of what is none."""
    numbers = np.array([np.nan if value is None else value for value in values], dtype=np.float64)
    return np.where(np.isfinite(numbers), numbers, 0.0)
