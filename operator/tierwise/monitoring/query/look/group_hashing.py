"""Groups many combinations of dimensions by one hash each instead of several texts, and names them afterwards. Pure.

With a grouping set of two texts the store builds a key of all texts for every row. A UInt64 costs half. The hash of a
combination is computed from those of its values: hash(a)·3 + hash(b), for three (hash(a)·3 + hash(b))·3 + hash(c),
modulo 2⁶⁴. The same result has each value alone, so the combinations can be named without another query.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tierwise.monitoring.counts.model import Dataset

FEWEST = 4  # from this number of combinations of dimensions on hashing is faster
MOST_COMBINATIONS = 1_000_000  # most combinations of values; all of them are hashed here to name the existing ones
_MOST_KEYS = 60  # grouping() has a bit for each
_FACTOR = np.uint64(3)


class HashCollisionError(Exception):
    """Two combinations of values have the same hash, so their rows cannot be separated. Read with texts instead."""


def combinations_of(dataset: Dataset) -> tuple[tuple[str, ...], ...]:
    """The groupings to hash; empty if there are only a few, or if they could have too many values."""
    combined = tuple(grouping for grouping in dataset.groupings if len(grouping) > 1)
    limits = {dimension.name: dimension.max_values + 1 for dimension in dataset.spec.dimensions}
    sizes = [math.prod(limits.get(name, 1) for name in grouping) for grouping in combined]
    keys = len({name for grouping in dataset.groupings for name in grouping}) + len(combined)
    if len(combined) < FEWEST or keys > _MOST_KEYS or max(sizes) > MOST_COMBINATIONS:
        return ()
    return combined


def hash_sql(places: Sequence[int]) -> str:
    """SQL of a combination's hash from `tierwise_h0`, `tierwise_h1`, … of its dimensions."""
    first, *rest = places
    found = f"tierwise_h{first}"
    for place in rest:
        found = f"({found}) * 3 + tierwise_h{place}"
    return found


def named(
    hashes: npt.NDArray[np.uint64], values: Sequence[Sequence[str]], value_hashes: Sequence[npt.NDArray[np.uint64]]
) -> list[tuple[str, ...]]:
    """The values of each hash of one combination, given every value of its dimensions with its own hash.

    Raises:
        HashCollisionError: a hash belongs to two combinations, or to none.
    """
    total = value_hashes[0]
    for more in value_hashes[1:]:
        total = (total[..., np.newaxis] * _FACTOR + more).astype(np.uint64)
    flat = total.ravel()
    order = np.argsort(flat, kind="stable")
    ordered = flat[order]
    low, high = np.searchsorted(ordered, hashes, side="left"), np.searchsorted(ordered, hashes, side="right")
    if (high - low != 1).any():
        raise HashCollisionError
    places = np.unravel_index(order[low], total.shape)
    return list(zip(*([names[i] for i in place] for names, place in zip(values, places, strict=True)), strict=True))
