"""Folds the blocks of a delivered version without untouched pods beside it: against strata, or the past. Pure.

Two comparisons, in order of trust: versions in different tiers within strata of declared confounders, and the tiers'
own past, less the change in the tiers still to come (past_evidence). Counts are tested by stats/stratified and
stats/history, estimates by stats/estimated. Both arms are read apart, the version in the tiers that it was delivered
to, the baseline elsewhere or earlier, and come here as cells of one arm each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
import numpy.typing as npt

from tierwise.arrays import FloatArray
from tierwise.metrics.tally import Tally
from tierwise.monitoring.counts.measures import counted
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE, Cells, Dataset
from tierwise.monitoring.counts.tallies import block_tally, paired, picked
from tierwise.monitoring.planning.bounds import Bounds
from tierwise.monitoring.verification import past_evidence as evidence_past
from tierwise.monitoring.verification.hypotheses import Group, Hypotheses
from tierwise.monitoring.verification.past_evidence import PastEvidence, Tallies
from tierwise.monitoring.verification.unpaired_estimates import strata_evidence
from tierwise.stats import multiplicity, stratified
from tierwise.stats.betting import Boundary
from tierwise.stats.overdispersion import pods_apart


@dataclass(frozen=True, slots=True, eq=False)
class BlockTallies:
    """Rows of both sides: `counts` (4, H) of proportions (now n and bad, before n and bad), or (4, H, strata).

    `tallies` are for estimates: the arms are before and now, for slots, or for pairs of a slot and a stratum.
    """

    counts: FloatArray
    tallies: Tallies


@dataclass(frozen=True, slots=True, eq=False)
class Watch:
    """The evidence so far. `seen` adds up all rows of both sides, without the weights that match windows.

    `past` is of a watch against the past; `bets` and `mirrored` (good rows, for metrics that must not move either way)
    are of counts within strata. `apart` is the widest √Σ 1/P of pods so far.
    """

    of: Hypotheses
    seen: BlockTallies
    past: PastEvidence | None = None
    bets: stratified.Stratified | None = None
    mirrored: stratified.Stratified | None = None
    apart: float = 0.0
    log_e: FloatArray | None = None  # (H,) natural logs of the e-values; None before the first block
    log_sup: FloatArray | None = None  # the largest that it ever was
    looks: int = 0
    until: datetime | None = None
    stopped_at: datetime | None = None


def begin_watch(of: Hypotheses) -> Watch:
    """The watch before the first block."""
    nothing: Tallies = (None,) * len(of.datasets)
    if of.control == "history":
        return Watch(of, BlockTallies(np.zeros((4, of.size)), nothing))
    most = _most_strata(of)
    bets = stratified.begin(of.size, most)
    mirrored = stratified.begin(of.size, most) if of.bounds.is_two_sided.any() else None
    return Watch(of, BlockTallies(np.zeros((4, of.size, most)), nothing), bets=bets, mirrored=mirrored)


def past_of_block(
    of: Hypotheses, now: Mapping[str, Cells], before: Mapping[str, Cells], block: int, arm: int
) -> BlockTallies:
    """One block of `arm`, together with the same block of the past, which has the baseline.

    Raises:
        MetricFailedError: a metric's code failed.
    """
    found = [
        _beside(dataset, now[dataset.name], before[dataset.name], block, arm, keys)
        for dataset, keys in zip(of.datasets, of.slices, strict=True)
    ]
    counts = np.zeros((4, of.size))
    for group in of.groups:
        if group.how == "counts":
            counts[:, group.here] = _counts(group, found[group.dataset])
    return BlockTallies(counts, _estimated_only(of, found))


def strata_of_block(
    of: Hypotheses, now: Mapping[str, Cells], elsewhere: Mapping[str, Cells], block: int
) -> BlockTallies:
    """One block of the version in its delivered tiers and of the baseline elsewhere, crossed with the strata.

    Raises:
        MetricFailedError: a metric's code failed.
    """
    found = [
        _beside(dataset, now[dataset.name], elsewhere[dataset.name], block, CANDIDATE, pairs.keys)
        for dataset, pairs in zip(of.datasets, of.pairs, strict=True)
    ]
    counts = np.zeros((4, of.size, _most_strata(of)))
    for group in of.groups:
        if group.how == "counts":
            pairs = of.pairs[group.dataset]
            counts[:, group.first + pairs.slot, pairs.stratum] = _counts(group, found[group.dataset])
    return BlockTallies(counts, _estimated_only(of, found))


def fold_past(
    watch: Watch,
    at: datetime,
    days: Sequence[BlockTallies],
    elsewhere: Sequence[BlockTallies] = (),
    pods: Sequence[int] = (),
    *,
    tiers: tuple[str, ...] = (),
) -> Watch:
    """The watch after a block beside each of its past days, in the version's place and, if there are some, elsewhere.

    `pods` are the numbers of pods set against each other, where they matter. `tiers` were delivered to in the block:
    what is found while they are the same is compared by itself.

    Raises:
        MetricFailedError: a metric's code failed.
    """
    if watch.stopped_at is not None:
        return replace(watch, looks=watch.looks + 1, until=at)
    of, apart = watch.of, max(watch.apart, pods_apart(*pods))
    parts = (*days, *elsewhere)
    past, log_e = evidence_past.fold(
        watch.past,
        of,
        _widened(of, apart),
        evidence_past.Run(tiers, len(days)),
        [part.counts for part in parts],
        [part.tallies for part in parts],
    )
    seen = _more(watch.seen, _all_days(days))
    return _decided(replace(watch, seen=seen, past=past, apart=apart, log_e=log_e), at)


def fold_strata(watch: Watch, at: datetime, block: BlockTallies, pods: Sequence[int] = ()) -> Watch:
    """The watch after a block of the version in its delivered tiers and of the baseline in the tiers to come.

    Raises:
        MetricFailedError: a metric's code failed.
    """
    if watch.stopped_at is not None:
        return replace(watch, looks=watch.looks + 1, until=at)
    assert watch.bets is not None
    of, apart = watch.of, max(watch.apart, pods_apart(*pods))
    bounds, seen = _widened(of, apart), _more(watch.seen, block)
    bets = stratified.fold(watch.bets, block.counts, Boundary(bounds.ratio, bounds.delta), of.prior, phi=of.phi)
    log_e, mirrored = bets.log_e, watch.mirrored
    if mirrored is not None:
        good = np.stack([block.counts[0], block.counts[0] - block.counts[1], block.counts[2]])
        good = np.concatenate([good, (block.counts[2] - block.counts[3])[np.newaxis]])
        lower = np.where(bounds.is_two_sided, bounds.lower_ratio, 1.0)
        delta = np.where(bounds.is_two_sided, bounds.lower_delta, 0.0)
        mirrored = stratified.fold(mirrored, good, Boundary(lower, delta), 1 - of.prior, phi=of.phi)
        log_e = np.where(bounds.is_two_sided, np.logaddexp(log_e, mirrored.log_e) - math.log(2), log_e)
    for group in of.groups:
        tally = seen.tallies[group.dataset]
        if group.how != "counts":
            found = 0.0 if tally is None else strata_evidence(of, group, tally, bounds.part(group.here))
            log_e[group.here] = found
    return _decided(replace(watch, seen=seen, bets=bets, mirrored=mirrored, apart=apart, log_e=log_e), at)


def _widened(of: Hypotheses, apart: float) -> Bounds:
    """The bounds, wider by what pods alone may make of rates; σ is 0 for what is no share of rows."""
    return of.bounds.widened(of.prior, of.pod_bound * apart)


def _rows(cells: Cells, keys: Sequence[str]) -> npt.NDArray[np.intp]:
    position = {key: i for i, key in enumerate(cells.slices)}
    return np.array([position.get(key, -1) for key in keys], dtype=np.intp)


def _beside(dataset: Dataset, now: Cells, before: Cells, block: int, arm: int, keys: Sequence[str]) -> Tally:
    """A tally of one arm's slices in a block now, with the baseline's of another time or place as the other arm."""
    own = picked(block_tally(dataset, now, block), _rows(now, keys))
    baseline = picked(block_tally(dataset, before, block), _rows(before, keys))
    return paired(baseline, BASELINE, own, arm)


def _counts(group: Group, tally: Tally) -> FloatArray:
    n, bad = counted(group.metric, tally)
    return np.stack([n[:, CANDIDATE], bad[:, CANDIDATE], n[:, BASELINE], bad[:, BASELINE]]).astype(np.float64)


def _estimated_only(of: Hypotheses, found: Sequence[Tally]) -> Tallies:
    wanted = {group.dataset for group in of.groups if group.how != "counts"}
    return tuple(tally if d in wanted else None for d, tally in enumerate(found))


def _more(seen: BlockTallies, block: BlockTallies) -> BlockTallies:
    tallies = tuple(
        two if one is None or two is None else one + two for one, two in zip(seen.tallies, block.tallies, strict=True)
    )
    return BlockTallies(seen.counts + block.counts, tallies)


def _all_days(days: Sequence[BlockTallies]) -> BlockTallies:
    """The rows now beside those of all days together."""
    counts = days[0].counts.copy()
    counts[2:] = sum(day.counts[2:] for day in days)
    tallies = list(days[0].tallies)
    for day in days[1:]:
        for i, (all_before, tally) in enumerate(zip(tallies, day.tallies, strict=True)):
            if all_before is not None and tally is not None:
                tallies[i] = all_before + paired(tally, BASELINE, _nothing(tally), CANDIDATE)
    return BlockTallies(counts, tuple(tallies))


def _nothing(tally: Tally) -> Tally:
    return tally.map_arrays(lambda values, _: np.zeros_like(values))


def _most_strata(of: Hypotheses) -> int:
    return max((len(strata) for strata in of.strata), default=0)


def _decided(watch: Watch, at: datetime) -> Watch:
    of = watch.of
    assert watch.log_e is not None
    threshold = multiplicity.log_decision_threshold(max(1, of.size), of.chance_alpha)
    is_over = (watch.log_e + of.log_weight).max(initial=-np.inf) >= threshold
    most = watch.log_e if watch.log_sup is None else np.maximum(watch.log_sup, watch.log_e)
    return replace(watch, log_sup=most, looks=watch.looks + 1, until=at, stopped_at=at if is_over else None)
