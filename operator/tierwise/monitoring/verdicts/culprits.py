"""Finds a short list of slices that explains the named ones. It is greedy and removes the rows of earlier culprits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tierwise.api.slices import parse_slice_key, slice_key
from tierwise.arrays import FloatArray
from tierwise.monitoring.verdicts.strength import Signed, Strength

_MAX_CULPRITS = 10
_MAX_NAMED = 300  # slices considered per metric, by evidence
_MAX_TERMS = 64  # most terms of the inclusion–exclusion; with more a slice counts as not explained

Terms = list[tuple[int, dict[str, str]]]


@dataclass(frozen=True, slots=True)
class Named:
    """A named slice of one dataset and metric: its log e-value, and the log e-value that it needs to be named."""

    key: str
    log_e: float
    needed: float  # ln(K/(w·α)) of its own hypothesis


@dataclass(frozen=True, slots=True)
class Culprits:
    """Keys in order of evidence, and pairs of slices whose overlap is not known from the counts."""

    keys: tuple[str, ...]
    unseen_overlaps: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    named: Named
    values: Mapping[str, str]
    score: float  # log evidence outside the culprits so far, minus what is needed
    blind: bool  # an overlap with a culprit is not known


def shortest_list(named: Sequence[Named], strength: Strength, complete: Collection[tuple[str, ...]] = ()) -> Culprits:
    """Culprits among `named`, for one dataset and metric.

    A slice of a `complete` grouping that `strength` does not know has no rows. In each step the slice with the most
    evidence is added to the list. If its parts explain more than the slice as a whole, its strongest part is added
    instead. Then the rows of the added slice are removed from all others. This is exact if the intersection is itself a
    slice (ancestors, descendants, pairs of sliced dimensions). Other overlaps are not known: such a slice stays in the
    list, and the pair is reported.
    """
    left = sorted(named, key=lambda n: (n.needed - n.log_e, n.key))[:_MAX_NAMED]
    values = {n.key: parse_slice_key(n.key) for n in left}
    slots = [strength.position[n.key] for n in left]
    total = dict(zip((n.key for n in left), _strengths(strength, slots, [[(1, s)] for s in slots]), strict=True))
    culprits: list[str] = []
    unseen: list[tuple[str, str]] = []
    outside: Terms = [(1, {})]  # rows outside all culprits, as signed intersections
    while left and len(culprits) < _MAX_CULPRITS:
        candidates = _candidates(left, values, outside, strength, complete, total)
        unseen += [(culprits[-1], c.named.key) for c in candidates if c.blind]
        candidates = [c for c in candidates if c.blind or c.score >= 0 or not culprits]
        if not candidates:
            break
        chosen = _strongest(candidates)
        culprits.append(chosen.named.key)
        left = [c.named for c in candidates if c is not chosen]
        both = ((-sign, _intersect(t, chosen.values)) for sign, t in outside)
        outside = _merge([*outside, *((sign, t) for sign, t in both if t is not None)])
    listed = set(culprits)
    return Culprits(tuple(culprits), tuple(p for p in dict.fromkeys(unseen) if listed.issuperset(p)))


def _candidates(
    left: Sequence[Named],
    values: Mapping[str, Mapping[str, str]],
    outside: Terms,
    strength: Strength,
    complete: Collection[tuple[str, ...]],
    total: Mapping[str, float],
) -> list[_Candidate]:
    parts = [_residual(values[n.key], outside, strength.position, complete) for n in left]
    told = [i for i, part in enumerate(parts) if part is not None]
    share = np.ones(len(left))
    if len(outside) > 1:
        slots = [strength.position[left[i].key] for i in told]
        residual = _strengths(strength, slots, [part for part in parts if part is not None])
        # With a late onset log e is larger than the counts alone give, so it is scaled by the remaining share.
        share[told] = [min(r / max(total[left[i].key], 1e-12), 1.0) for i, r in zip(told, residual, strict=True)]
    return [
        _Candidate(n, values[n.key], n.log_e * float(share[i]) - n.needed, blind=parts[i] is None)
        for i, n in enumerate(left)
    ]


def _strengths(strength: Strength, slots: Sequence[int], parts: Sequence[Signed]) -> FloatArray:
    return strength.of(slots, parts) if slots else np.zeros(0)


def _strongest(candidates: Sequence[_Candidate]) -> _Candidate:
    """The candidate with the most evidence, or the best of its parts if disjoint parts together have more."""
    top = max(candidates, key=lambda c: c.score)
    parts: dict[tuple[str, ...], list[_Candidate]] = {}
    for c in candidates:
        if c.score > 0 and len(c.values) > len(top.values) and _intersect(c.values, top.values) == c.values:
            parts.setdefault(tuple(c.values), []).append(c)
    best = max(parts.values(), key=lambda group: sum(c.score for c in group), default=[])
    if best and sum(c.score for c in best) > top.score:
        return max(best, key=lambda c: c.score)
    return top


def _intersect(a: Mapping[str, str], b: Mapping[str, str]) -> dict[str, str] | None:
    """Both conditions together; None if they exclude each other."""
    if any(a.get(dim, value) != value for dim, value in b.items()):
        return None
    return {**a, **b}


def _merge(terms: Terms) -> Terms:
    sums: dict[str, tuple[int, dict[str, str]]] = {}
    for sign, values in terms:
        key = slice_key(values)
        sums[key] = (sums.get(key, (0, values))[0] + sign, values)
    return [term for term in sums.values() if term[0]]


def _residual(
    values: Mapping[str, str], outside: Terms, position: Mapping[str, int], complete: Collection[tuple[str, ...]]
) -> list[tuple[int, int]] | None:
    """The slice's rows outside all culprits, as slots with signs; None if they are not known."""
    if len(outside) > _MAX_TERMS:
        return None
    parts = [(sign, both) for sign, term in outside if (both := _intersect(values, term)) is not None]
    signed = []
    for sign, both in _merge(parts):
        slot = position.get(slice_key(both))
        if slot is not None:
            signed.append((sign, slot))
        elif tuple(sorted(both)) not in complete:
            return None
    return signed
