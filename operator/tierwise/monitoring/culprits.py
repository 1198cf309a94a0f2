"""The shortest list of slices that explains the named ones: greedy, with the rows of earlier culprits taken away."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tierwise.api.slices import parse_slice_key, slice_key
from tierwise.monitoring.cells import FloatArray
from tierwise.stats.betting import growth

_MAX_CULPRITS = 10
_MAX_NAMED = 300  # slices considered per metric, by evidence
_MAX_TERMS = 64  # of the inclusion–exclusion; beyond it a slice counts as not explained

Terms = list[tuple[int, dict[str, str]]]


@dataclass(frozen=True, slots=True)
class Named:
    """A named slice of one dataset and metric: its log e-value, and what it takes to be named on its own."""

    key: str
    log_e: float
    ratio: float
    delta: float
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


def shortest_list(
    named: Sequence[Named], counts: Mapping[str, FloatArray], complete: Collection[tuple[str, ...]] = ()
) -> Culprits:
    """Culprits among `named`, for one dataset and metric.

    `counts` are all slices' (candidate n, bad, baseline n, bad); a slice of a `complete` grouping that is not there has
    no rows. In turn the slice with the most evidence joins the list, or, where parts of it explain more than it does as
    one, the strongest part; then its rows are taken away from all others. That is exact where the intersection is a
    slice of its own (ancestors, descendants, pairs that are sliced by); other overlaps cannot be seen: such a slice
    stays and the pair is reported.
    """
    left = sorted(named, key=lambda n: (n.needed - n.log_e, n.key))[:_MAX_NAMED]
    culprits: list[str] = []
    unseen: list[tuple[str, str]] = []
    outside: Terms = [(1, {})]  # rows outside all culprits, as signed intersections
    while left and len(culprits) < _MAX_CULPRITS:
        candidates = [_candidate(n, outside, counts, complete) for n in left]
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


def _candidate(
    named: Named, outside: Terms, counts: Mapping[str, FloatArray], complete: Collection[tuple[str, ...]]
) -> _Candidate:
    values = parse_slice_key(named.key)
    residual = _residual(values, outside, counts, complete)
    if residual is None:
        return _Candidate(named, values, named.log_e - named.needed, blind=True)
    # Late onset makes log e larger than the counts alone tell, so the share that is left scales it.
    share = _growth(named, residual) / max(_growth(named, counts[named.key]), 1e-12) if len(outside) > 1 else 1.0
    return _Candidate(named, values, named.log_e * min(share, 1.0) - named.needed, blind=False)


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
    values: Mapping[str, str], outside: Terms, counts: Mapping[str, FloatArray], complete: Collection[tuple[str, ...]]
) -> FloatArray | None:
    """Counts (4,) of the slice outside all culprits; None when they cannot be told."""
    if len(outside) > _MAX_TERMS:
        return None
    parts = [(sign, both) for sign, term in outside if (both := _intersect(values, term)) is not None]
    total = np.zeros(4)
    for sign, both in _merge(parts):
        found = counts.get(slice_key(both))
        if found is not None:
            total += sign * found
        elif tuple(sorted(both)) not in complete:
            return None
    return total


def _growth(named: Named, counts: FloatArray) -> float:
    """The most evidence that any bet on these rows could have had; 0 without rows."""
    if counts[0] <= 0 or counts[2] <= 0:
        return 0.0
    return float(growth(counts[:, None], np.array([named.ratio]), np.array([named.delta]))[0])
