"""The shortest list of slices that explains the named ones: greedy, with the rows of earlier culprits taken away."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tierwise.api.slices import parse_slice_key, slice_key
from tierwise.arrays import FloatArray
from tierwise.monitoring.verdicts.strength import Signed, Strength

_MAX_CULPRITS = 10
_MAX_NAMED = 300  # slices considered per metric, by evidence
_MAX_TERMS = 64  # of the inclusion–exclusion; beyond it a slice counts as not explained

Terms = list[tuple[int, dict[str, str]]]


@dataclass(frozen=True, slots=True)
class Named:
    """A named slice of one dataset and metric: its log e-value, and what it takes to be named on its own."""

    key: str
    log_e: float
    needed: float  # ln(K/(w·α)) of its own hypothesis


@dataclass(frozen=True, slots=True)
class Culprits:
    """Keys in order of evidence, and pairs whose overlap the counts do not tell."""

    keys: tuple[str, ...]
    unseen_overlaps: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    named: Named
    values: Mapping[str, str]
    score: float  # log evidence outside the culprits so far, less what is needed
    blind: bool  # an overlap with a culprit cannot be told


def shortest_list(named: Sequence[Named], strength: Strength, complete: Collection[tuple[str, ...]] = ()) -> Culprits:
    """Culprits among `named`, for one dataset and metric.

    A slice of a `complete` grouping that `strength` does not know has no rows. In turn the slice with the most evidence
    joins the list, or, where parts of it explain more than it does as one, the strongest part; then its rows are taken
    away from all others. That is exact where the intersection is a slice of its own (ancestors, descendants, pairs that
    are sliced by); other overlaps cannot be seen: such a slice stays and the pair is reported.
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
        # Late onset makes log e larger than the counts alone tell, so the share that is left scales it.
        share[told] = [min(r / max(total[left[i].key], 1e-12), 1.0) for i, r in zip(told, residual, strict=True)]
    return [
        _Candidate(n, values[n.key], n.log_e * float(share[i]) - n.needed, blind=parts[i] is None)
        for i, n in enumerate(left)
    ]


def _strengths(strength: Strength, slots: Sequence[int], parts: Sequence[Signed]) -> FloatArray:
    return strength.of(slots, parts) if slots else np.zeros(0)


def _strongest(candidates: Sequence[_Candidate]) -> _Candidate:
    """The candidate with the most evidence, or the best of its parts when disjoint parts together have more."""
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
    """Both conditions at once; None when they exclude each other."""
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
    """Slots with signs of the slice's rows outside all culprits; None when they cannot be told."""
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
