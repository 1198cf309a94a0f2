"""Checks that the log continued after promotion as before: rows, labels and answers, by tier, slice and time. Pure.

A verification without rows proves nothing. So its time is cut into buckets. Each delivered tier's rows in a bucket are
compared with its rows in the bucket's past: rows of the baseline, at the same hours of an earlier day, or
just before the rollout if no day has such rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import numpy as np

from tierwise.api.slices import WHOLE
from tierwise.arrays import BoolArray, FloatArray
from tierwise.metrics.counts import ANSWER_INVALID, UNKNOWN
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE, Cells
from tierwise.plurals import plural
from tierwise.stats import delay

BUCKETS = 24  # buckets of a verification, for example the hours of a day
BEFORE, NOW = 0, 1
LABEL, ANSWER = "a label", "a valid answer"

_ROWS = 20.0  # rows are missing if this many were expected and none came: probability e⁻²⁰ by chance
_SLICE_ROWS, _SLICE_BUCKETS = 100.0, 3  # a slice needs more, because its requests vary more than those of a tier
_FEWEST = 0.1  # smallest share of the rows at the same hours before; a day with fewer rows is not just a quiet day
_HALF = 0.5  # smallest share of the usual share of rows with a label, within a bucket
MOST_LOST = 0.01  # largest loss of that share over all the time; twice that of concurrent arms
_CLEARLY = float(np.log(1e5))


@dataclass(frozen=True, slots=True)
class Named:
    """Identifies rows: by dataset, by `tier` (empty for all delivered tiers) and by the `key` of a slice."""

    dataset: str
    tier: str = ""
    key: str = WHOLE


@dataclass(frozen=True, slots=True, eq=False)
class Coverage:
    """Rows so far, by `Named`: (buckets, 2: before and now, 1 + kinds), all rows and those with each kind.

    With a share of the past's rows below `fewest` a tier is silent; `fewest` is 0 if the past is at other hours of the
    day. The kinds are a label, a valid answer, and then the numbers in the field `kinds`, which has by dataset the
    words for each metric's number and for the weight, by the name of the sum that counts them.
    """

    since: datetime
    width: timedelta
    buckets: int
    fewest: float
    kinds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    rows: Mapping[Named, FloatArray] = field(default_factory=dict)
    reached: int = 0  # buckets with at least one block


@dataclass(frozen=True, slots=True)
class Missing:
    """What is missing, in words. `lasts`: it is still missing now."""

    of: Named
    kind: str  # empty: rows
    text: str
    lasts: bool


def begin_coverage(
    since: datetime, until: datetime, step: timedelta, shift: timedelta, numbers: Mapping[str, Mapping[str, str]]
) -> Coverage:
    """The coverage before the first block. Blocks are `step` long; `numbers` becomes `Coverage.kinds`."""
    width = max((until - since) / BUCKETS, step)
    is_same_hours = shift % timedelta(days=1) == timedelta(0)
    buckets = max(1, -(-(until - since) // width))
    return Coverage(since, width, buckets, _FEWEST if is_same_hours else 0.0, numbers)


def covered(coverage: Coverage, of: Named, now: Cells, before: Cells) -> Coverage:
    """The coverage after some blocks of a dataset and of one tier, or of all tiers.

    The blocks of `before` are those of `now`, shifted. The whole and the slices of one dimension are counted.
    """
    at = [min(max(0, (block.start - coverage.since) // coverage.width), coverage.buckets - 1) for block in now.blocks]
    rows = dict(coverage.rows)
    for side, arm, cells in ((BEFORE, BASELINE, before), (NOW, CANDIDATE, now)):
        found = _counted(cells, arm, coverage.kinds.get(of.dataset, {}))  # (blocks, slices, 1 + kinds)
        by_bucket = np.zeros((coverage.buckets, *found.shape[1:]))
        np.add.at(by_bucket, at, found)
        for slot, key in enumerate(cells.slices):
            if key.count("=") > 1 or not by_bucket[:, slot].any():
                continue
            name = replace(of, key=key)
            more = np.zeros((coverage.buckets, 2, found.shape[2]))
            more[:, side] = by_bucket[:, slot]
            rows[name] = rows[name] + more if name in rows else more
    reached = max([coverage.reached, *(b + 1 for b in at)])
    return replace(coverage, rows=rows, reached=reached)


def rows_now(coverage: Coverage, dataset: str) -> int:
    """The number of the version's rows so far."""
    found = coverage.rows.get(Named(dataset))
    return 0 if found is None else int(found[:, NOW, 0].sum())


def missing(coverage: Coverage, tiers: Sequence[str], *, phi: float = 1.0) -> tuple[Missing, ...]:
    """What is missing in each dataset, first what is still missing. What all tiers lack is reported once.

    Args:
        coverage: What was read.
        tiers: The delivered tiers.
        phi: Overdispersion of rows.
    """
    if not coverage.reached:
        return ()
    found: list[Missing] = []
    for dataset in sorted(coverage.kinds):
        by_tier = {tier: _of_tier(coverage, Named(dataset, tier), phi) for tier in tiers}
        whole = _of_tier(coverage, Named(dataset), phi)
        in_all = set.intersection(*(set(kinds) for kinds in by_tier.values())) if by_tier else set()
        in_some = {kind for kinds in by_tier.values() for kind in kinds}
        found += [of for kind, of in whole.items() if kind in in_all or kind not in in_some]
        found += [of for kinds in by_tier.values() for kind, of in kinds.items() if kind not in in_all]
        everywhere = in_all | set(whole)
        for name in sorted((n for n in coverage.rows if n.dataset == dataset and n.key != WHOLE), key=lambda n: n.key):
            of_slice = _of_slice(coverage, name)
            if of_slice is not None and of_slice.kind not in everywhere and "" not in everywhere:
                found.append(of_slice)
    return tuple(sorted(found, key=lambda of: not of.lasts))


def _counted(cells: Cells, arm: int, kinds: Mapping[str, str]) -> FloatArray:
    counts = cells.counts[:, :, arm].astype(np.float64)  # (blocks, slices, labels, answers)
    rows = counts.sum(axis=(2, 3))
    columns = [rows, rows - counts[:, :, UNKNOWN].sum(axis=2), rows - counts[..., ANSWER_INVALID].sum(axis=2)]
    for name in kinds:
        # A sum that is not a number counts as if no row had the number. A sum that is not read here is not checked.
        known = cells.sums[name][:, :, arm] if name in cells.sums else rows
        columns.append(np.clip(np.nan_to_num(known, nan=0.0, posinf=0.0, neginf=0.0), 0.0, rows))
    return np.stack(columns, axis=-1)


def _of_tier(coverage: Coverage, name: Named, phi: float) -> dict[str, Missing]:
    """What is missing, by kind. If rows are missing, their labels and answers are not reported as well."""
    kinds = (LABEL, ANSWER, *coverage.kinds[name.dataset].values())
    counts = coverage.rows.get(name, np.zeros((coverage.buckets, 2, 1 + len(kinds))))[: coverage.reached]
    before, now = counts[:, BEFORE], counts[:, NOW]
    silent = _silent(before[:, 0], now[:, 0], _ROWS, coverage.fewest)
    if silent.any() or not now[:, 0].any():
        silent = silent if silent.any() else np.ones_like(silent)
        n, usual = now[silent, 0].sum(), before[silent, 0].sum()
        text = f"{_whose(name)} has {plural(round(n), 'row')} {_when(coverage, silent)}, "
        text += f"{usual:.0f} in the same time before"
        return {"": Missing(name, "", text, bool(silent[-1]))}
    found = {}
    for kind, column in zip(kinds, range(1, 1 + len(kinds)), strict=True):
        lost = _lost(coverage, name, kind, counts[:, :, [0, column]], phi)
        if lost is not None:
            found[kind] = lost
    return found


def _lost(coverage: Coverage, name: Named, kind: str, counts: FloatArray, phi: float) -> Missing | None:
    (nb, kb), (na, ka) = counts.sum(axis=0)
    if not kb or not na:
        return None
    few = _silent(_expected(counts), counts[:, NOW, 1], _ROWS, _HALF)
    if few.any():
        (nb, kb), (na, ka) = counts[few].sum(axis=0)
    elif not _is_clearly_lower(na, ka, nb, kb, phi):
        return None
    when = f" {_when(coverage, few)}" if few.any() else ""
    before = f"{kb / nb:.1%}" if nb else "more"
    text = f"{_whose(name)} has {kind} on {ka / na:.1%} of {na:.0f} rows{when}, on {before} before"
    return Missing(name, kind, text, bool(few[-1]) if few.any() else True)


def _is_clearly_lower(na: float, ka: float, nb: float, kb: float, phi: float) -> bool:
    """Whether a share is lower than before by more than `MOST_LOST`, beyond chance.

    It uses the log-likelihood ratio of the counts against the nearest shares that differ by at most `MOST_LOST`.
    """
    if ka / na >= kb / nb - MOST_LOST:
        return False  # the usual case, without a search
    lacking = np.array([[na], [na - ka], [nb], [nb - kb]])
    found = delay.growth(lacking, np.ones(1), np.full(1, MOST_LOST))
    return bool(found[0] / phi >= _CLEARLY)


def _of_slice(coverage: Coverage, name: Named) -> Missing | None:
    counts = coverage.rows[name][: coverage.reached]
    for kind, usual, found in (
        ("", counts[:, BEFORE, 0], counts[:, NOW, 0]),
        (LABEL, _expected(counts[:, :, [0, 1]]), counts[:, NOW, 1]),
        (ANSWER, _expected(counts[:, :, [0, 2]]), counts[:, NOW, 2]),
    ):
        silent = _silent(usual, found, _SLICE_ROWS, 0.0)
        if silent.sum() < min(_SLICE_BUCKETS, coverage.buckets):
            continue
        when, n = _when(coverage, silent), counts[silent, NOW, 0].sum()
        text = f"{_whose(name)} has no row {when}, {counts[silent, BEFORE, 0].sum():.0f} in the same time before"
        if kind:
            text = f"{_whose(name)} has {kind} on none of {n:.0f} rows {when}, {usual[silent].sum():.0f} are usual"
        return Missing(name, kind, text, bool(silent[-1]))
    return None


def _expected(counts: FloatArray) -> FloatArray:
    """How many of the version's rows should have a kind (buckets,), by the share in the bucket's past.

    Where that past has few rows, the share of the whole past is used.
    """
    rows, of_kind = counts[:, BEFORE, 0], counts[:, BEFORE, 1]
    share = np.full(len(rows), of_kind.sum() / max(1.0, rows.sum()))
    np.divide(of_kind, rows, out=share, where=rows >= _ROWS)
    return np.asarray(counts[:, NOW, 0] * share)


def _silent(usual: FloatArray, found: FloatArray, least: float, share: float) -> BoolArray:
    """Silent buckets: those in stretches of quiet buckets that usually have `least` rows or more together.

    A bucket with `least` usual rows is quiet with at most `share` of them; one with fewer is quiet without any row.
    """
    is_quiet = np.where(usual >= least, found <= share * usual, found == 0)
    silent = np.zeros(len(usual), dtype=np.bool_)
    start = 0
    while start < len(usual):
        end = start
        while end < len(usual) and is_quiet[end]:
            end += 1
        silent[start:end] = usual[start:end].sum() >= least
        start = end + 1
    return silent


def _whose(name: Named) -> str:
    who = name.key or name.tier or "the version"
    return f"{who} (dataset {name.dataset!r})"


def _when(coverage: Coverage, silent: BoolArray) -> str:
    """The last silent stretch in words, and the total time of all stretches."""
    last = int(np.flatnonzero(silent)[-1])
    first = last
    while first > 0 and silent[first - 1]:
        first -= 1
    start = coverage.since + first * coverage.width
    when = f"since {start:%H:%M:%SZ}"
    if last < len(silent) - 1:
        when = f"from {start:%H:%M:%SZ} to {coverage.since + (last + 1) * coverage.width:%H:%M:%SZ}"
    others = int(silent.sum()) - (last + 1 - first)
    return f"{when} and in {others} more of {coverage.buckets} parts of the time" if others else when
