"""The evidence that a version is worse than its past, at the same times and with the same delivered tiers. Pure.

A block is set beside the same hours of D days before. How much days differ beyond chance (stats/days) is taken off what
is seen, with `MIN_DAYS` of them; with fewer nothing is known of it, and what is found decides nothing.

A *run* is the blocks in which the same tiers were delivered to. Within one, windows are matched block by block
(stats/matched, monitoring/matching). What the version's place is, and what is elsewhere, changes between runs: totals
over them would set most rows after a change of the world against most rows before it. So each run is compared by
itself, and the runs' differences are combined with weights 1/variance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from tierwise.arrays import FloatArray
from tierwise.metrics.tally import Tally
from tierwise.monitoring.counts.matching import MatchedTallies, fold_tallies
from tierwise.monitoring.planning.bounds import Bounds
from tierwise.monitoring.verification.hypotheses import Group, Hypotheses
from tierwise.monitoring.verification.unpaired_estimates import Beyond, Days, past_beyond, past_shares
from tierwise.stats import history, matched
from tierwise.stats.betting import Boundary
from tierwise.stats.mixture import log_mixture

Tallies = tuple[Tally | None, ...]  # per dataset; None where counts are enough


@dataclass(frozen=True, slots=True)
class Run:
    """Which tiers were delivered to in a block, and how many past days it is set beside."""

    tiers: tuple[str, ...]
    days: int


@dataclass(frozen=True, slots=True, eq=False)
class PastEvidence:
    """The present run, and the results of earlier runs.

    `earlier` is for the finished runs and `latest` for the present run: 1/variance and difference/variance, each for
    worse and its mirror, (2, 2, H). `taus` (T, slots) by group are the last known scales.
    """

    run: Run
    counts: matched.Matched
    tallies: tuple[MatchedTallies | None, ...]
    earlier: FloatArray
    latest: FloatArray
    taus: tuple[FloatArray | None, ...]


def fold(
    evidence: PastEvidence | None,
    of: Hypotheses,
    bounds: Bounds,
    run: Run,
    counts: Sequence[FloatArray],
    tallies: Sequence[Tallies],
) -> tuple[PastEvidence, FloatArray]:
    """The evidence after a block, and the log e-values (H,).

    `counts` are (4, H) and `tallies` by dataset, each of now beside one day: of the version's place and, where there
    are some, then of the tiers to come.

    Raises:
        MetricFailedError: a metric's code failed.
    """
    windows = _windows(counts, run.days)
    if evidence is None or evidence.run != run or evidence.counts.shares.shape[0] != windows.shape[1]:
        evidence = _begin(evidence, of, run, windows.shape[1])
    shares = matched.fold(evidence.counts, windows)
    found = tuple(
        None if any(tally is None for tally in block) else fold_tallies(kept, [t for t in block if t is not None])
        for kept, block in zip(evidence.tallies, zip(*tallies, strict=True), strict=True)
    )
    effective = [None if kept is None else kept.effective for kept in found]
    latest, taus = np.zeros((2, 2, of.size)), list(evidence.taus)
    log_e = np.zeros(of.size)
    rows = shares.effective
    for g, group in enumerate(of.groups):
        here, tally = group.here, effective[group.dataset]
        beyond = _beyond(group, rows[:, :, here], tally, bounds.part(here), Days(run.days, of, group))
        if beyond is None:
            continue
        known, last = np.broadcast_to(beyond.taus, (len(beyond.taus), group.slots)), taus[g]
        taus[g] = scales = known if last is None else np.where(np.isfinite(known), known, last)
        sure = np.isfinite(beyond.difference) & np.isfinite(beyond.variance) & (beyond.variance > 0)
        latest[0][:, here] = np.where(sure, 1 / np.where(sure, beyond.variance, 1.0), 0.0)
        latest[1][:, here] = np.where(sure, beyond.difference, 0.0) * latest[0][:, here]
        log_e[here] = _log_e(evidence.earlier[:, :, here] + latest[:, :, here], scales, bounds.part(here))
    return replace(evidence, counts=shares, tallies=found, latest=latest, taus=tuple(taus)), log_e


def _windows(counts: Sequence[FloatArray], days: int) -> FloatArray:
    """N and bad (2, C, H) of now and each day before, then of the tiers to come."""
    found: list[FloatArray] = []
    for first in range(0, len(counts), days):
        found += [counts[first][:2], *(count[2:] for count in counts[first : first + days])]
    return np.stack(found, axis=1)


def _begin(before: PastEvidence | None, of: Hypotheses, run: Run, windows: int) -> PastEvidence:
    """A new run."""
    earlier = np.zeros((2, 2, of.size)) if before is None else before.earlier + before.latest
    taus = (None,) * len(of.groups) if before is None else before.taus
    nothing = (None,) * len(of.datasets)
    return PastEvidence(run, matched.begin(windows, of.size), nothing, earlier, 0 * earlier, taus)


def _beyond(
    group: Group, rows: FloatArray, tallies: tuple[Tally, ...] | None, bounds: Bounds, days: Days
) -> Beyond | None:
    """How far a group's slots are beyond the bounds, worse and its mirror (2, slots). `rows` is (2, windows, slots)."""
    if group.how == "estimate":
        return None if tallies is None else past_beyond(group, tallies, bounds, days)
    if group.how == "weighted":
        if tallies is None:
            return None
        rows = _windows([past_shares(group, tally) for tally in tallies], days.count)
    worse = _change(rows, bounds.ratio, bounds.delta, days)
    good = np.stack([rows[0], rows[0] - rows[1]])
    two = bounds.is_two_sided
    mirror = _change(good, np.where(two, bounds.lower_ratio, 1.0), np.where(two, bounds.lower_delta, 0.0), days)
    return Beyond(
        np.stack([side.beyond - days.bound(side.days, side.apart, side.variance) for side in (worse, mirror)]),
        np.stack([worse.variance, mirror.variance]),
        worse.taus,
    )


def _change(rows: FloatArray, ratio: FloatArray, delta: FloatArray, days: Days) -> history.Change:
    by_place = [
        np.moveaxis(rows[:, first : first + days.count + 1], 0, 1) for first in range(0, rows.shape[1], days.count + 1)
    ]
    (now, before), *others = ((place[0], place[1:]) for place in by_place)
    elsewhere = others[0] if others else None
    return history.change(now, before, Boundary(ratio, delta), elsewhere=elsewhere, phi=days.of.phi)


def _log_e(found: FloatArray, taus: FloatArray, bounds: Bounds) -> FloatArray:
    information, score = found
    known = information > 0
    safe = np.where(known, information, 1.0)
    each = log_mixture(
        np.where(known, score / safe, np.nan), np.where(known, 1 / safe, np.nan), 0.0, taus[:, np.newaxis, :]
    )
    return np.asarray(np.where(bounds.is_two_sided, np.logaddexp(each[0], each[1]) - np.log(2), each[0]))
