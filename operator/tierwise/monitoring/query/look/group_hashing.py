"""Many combinations of dimensions: each is grouped by one hash in place of several texts, and named afterwards. Pure.

A grouping set with two texts makes the store build a key of all texts for every row; a UInt64 costs half. The hash of a
combination follows from those of its values: hash(a)·3 + hash(b), for three (hash(a)·3 + hash(b))·3 + hash(c), modulo
2⁶⁴. All values stand alone in the same result, so that their combinations can be named without asking again.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tierwise.monitoring.counts.model import Dataset

FEWEST = 4  # combinations of dimensions from which hashing pays
MOST_COMBINATIONS = 1_000_000  # of values, which are all hashed here to name those that there are
_MOST_KEYS = 60  # grouping() has a bit for each
_FACTOR = np.uint64(3)


class HashCollisionError(Exception):
    """Two combinations of values have one hash: nothing can tell their rows apart. Ask for texts instead."""


def combinations_of(dataset: Dataset) -> tuple[tuple[str, ...], ...]:
    """The groupings that are worth hashing; empty where there are few, or where they could have too many values."""
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
    """The values behind each hash of one combination, given every value of its dimensions with its own hash.

    Raises:
        HashCollisionError: one of the hashes stands for two combinations, or for none.
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
