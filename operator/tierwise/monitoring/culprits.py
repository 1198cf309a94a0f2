"""The shortest list of slices that explains the named ones: greedy, with the rows of earlier culprits taken away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tierwise.api.slices import WHOLE, parse_slice_key, slice_key
from tierwise.monitoring.cells import FloatArray
from tierwise.stats.betting import growth

_MAX_CULPRITS = 10
_MAX_TERMS = 64  # of the inclusion–exclusion; beyond it a slice counts as not explained


@dataclass(frozen=True, slots=True)
class Named:
    """A named slice of one dataset and metric: its weighted log evidence, and what it takes to be named on its own."""

    key: str
    log_weighted: float
    ratio: float
    delta: float
    needed: float  # ln(K/(w·α)) of its own hypothesis


@dataclass(frozen=True, slots=True)
class Culprits:
    """Keys in order of evidence, and pairs whose overlap the counts do not tell."""

    keys: tuple[str, ...]
    unseen_overlaps: tuple[tuple[str, str], ...]


def shortest_list(named: Sequence[Named], counts: Mapping[str, FloatArray]) -> Culprits:
    """Culprits among `named`, for one dataset and metric.

    `counts` are all slices' (candidate n, bad, baseline n, bad). Taking away a culprit's rows is exact where the
    intersection is a slice of its own (ancestors, descendants, pairs that are sliced by); other overlaps cannot be
    seen: such a slice stays on the list and the pair is reported.
    """
    left = sorted(named, key=lambda n: (-n.log_weighted, n.key))
    culprits: list[str] = []
    unseen: list[tuple[str, str]] = []
    # Rows outside all culprits, as signed intersections: product of (1 − culprit).
    terms: list[tuple[int, dict[str, str]]] = [(1, {})]
    while left and len(culprits) < _MAX_CULPRITS:
        chosen, left = left[0], left[1:]
        culprits.append(chosen.key)
        values = parse_slice_key(chosen.key)
        terms = _merge([*terms, *((-sign, both) for sign, t in terms if (both := _intersect(t, values)) is not None)])
        kept = []
        for other in left:
            residual, blind = _residual(other.key, terms, counts)
            if blind:
                unseen.append((chosen.key, other.key))
            if blind or _still_named(other, residual):
                kept.append(other)
        left = kept
    listed = set(culprits)
    return Culprits(tuple(culprits), tuple(p for p in dict.fromkeys(unseen) if listed.issuperset(p)))


def _intersect(a: Mapping[str, str], b: Mapping[str, str]) -> dict[str, str] | None:
    """Both conditions at once; None when they exclude each other."""
    if any(a.get(dim, value) != value for dim, value in b.items()):
        return None
    return {**a, **b}


def _merge(terms: Sequence[tuple[int, dict[str, str]]]) -> list[tuple[int, dict[str, str]]]:
    sums: dict[str, tuple[int, dict[str, str]]] = {}
    for sign, values in terms:
        key = slice_key(values)
        sums[key] = (sums.get(key, (0, values))[0] + sign, values)
    return [term for term in sums.values() if term[0]]


def _residual(
    key: str, terms: Sequence[tuple[int, dict[str, str]]], counts: Mapping[str, FloatArray]
) -> tuple[FloatArray, bool]:
    """Counts (4,) of the slice outside all culprits, and whether a part of them could not be told."""
    values = parse_slice_key(key)
    total = np.zeros(4)
    if len(terms) > _MAX_TERMS:
        return counts[key], True
    cancelled: dict[str, int] = {}
    for sign, term in terms:
        both = _intersect(values, term)
        if both is not None:
            name = slice_key(both) if both else WHOLE
            cancelled[name] = cancelled.get(name, 0) + sign
    for name, sign in cancelled.items():
        if sign == 0:
            continue
        if name not in counts:
            return counts[key], True
        total += sign * counts[name]
    return total, False


def _still_named(named: Named, residual: FloatArray) -> bool:
    """Whether the rows outside the culprits could name the slice: the most evidence any bet could have had there."""
    if residual[0] <= 0 or residual[2] <= 0:
        return False
    found = growth(residual[:, None], np.array([named.ratio]), np.array([named.delta]))
    return bool(found[0] >= named.needed)
