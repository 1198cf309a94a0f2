"""The evidence that a version is worse than its past, at the same times and with the same delivered tiers. Pure.

A *run* is the blocks with the same delivered tiers. Within a run, windows are matched block by block (stats/matched,
monitoring/counts/matching). Between runs the tiers of the version and the tiers elsewhere change. Totals over several
runs would compare mostly rows after a change of the world with mostly rows before it. So each run is compared by
itself, and the differences of the runs are combined with weights 1/variance.
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
from tierwise.monitoring.verification.unpaired_estimates import Beyond, past_beyond, past_shares
from tierwise.stats import history, matched
from tierwise.stats.betting import Boundary
from tierwise.stats.mixture import log_mixture

Tallies = tuple[Tally | None, ...]  # per dataset; None where counts are enough


@dataclass(frozen=True, slots=True, eq=False)
class PastEvidence:
    """The present run, and the results of earlier runs.

    `earlier` is for the finished runs and `latest` for the present run: 1/variance and difference/variance, each for
    worse and its mirror, (2, 2, H). `taus` (T, slots) by group are the last known scales.
    """

    tiers: tuple[str, ...]
    counts: matched.Matched
    tallies: tuple[MatchedTallies | None, ...]
    earlier: FloatArray
    latest: FloatArray
    taus: tuple[FloatArray | None, ...]


def fold(
    evidence: PastEvidence | None,
    of: Hypotheses,
    bounds: Bounds,
    tiers: tuple[str, ...],
    counts: Sequence[FloatArray],
    tallies: Sequence[Tallies],
) -> tuple[PastEvidence, FloatArray]:
    """The evidence after a block, and the log e-values (H,).

    `counts` (4, H) and `tallies` (by dataset) are each for the version's place and, if any, for the tiers to come.
    `tiers` are the delivered tiers.

    Raises:
        MetricFailedError: a metric's code failed.
    """
    if evidence is None or evidence.tiers != tiers or evidence.counts.shares.shape[0] != 2 * len(counts):
        evidence = _begin(evidence, of, tiers, 2 * len(counts))
    shares = matched.fold(evidence.counts, np.stack([np.concatenate([c[i::2] for c in counts]) for i in (0, 1)]))
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
        beyond = _beyond(group, rows[:, :, here], tally, bounds.part(here), of.phi)
        if beyond is None:
            continue
        known, last = np.broadcast_to(beyond.taus, (len(beyond.taus), group.slots)), taus[g]
        taus[g] = scales = known if last is None else np.where(np.isfinite(known), known, last)
        sure = np.isfinite(beyond.difference) & np.isfinite(beyond.variance) & (beyond.variance > 0)
        latest[0][:, here] = np.where(sure, 1 / np.where(sure, beyond.variance, 1.0), 0.0)
        latest[1][:, here] = np.where(sure, beyond.difference, 0.0) * latest[0][:, here]
        log_e[here] = _log_e(evidence.earlier[:, :, here] + latest[:, :, here], scales, bounds.part(here))
    return replace(evidence, counts=shares, tallies=found, latest=latest, taus=tuple(taus)), log_e


def _begin(before: PastEvidence | None, of: Hypotheses, tiers: tuple[str, ...], windows: int) -> PastEvidence:
    """Begin a new run."""
    earlier = np.zeros((2, 2, of.size)) if before is None else before.earlier + before.latest
    taus = (None,) * len(of.groups) if before is None else before.taus
    nothing = (None,) * len(of.datasets)
    return PastEvidence(tiers, matched.begin(windows, of.size), nothing, earlier, 0 * earlier, taus)


def _beyond(
    group: Group, rows: FloatArray, tallies: tuple[Tally, ...] | None, bounds: Bounds, phi: float
) -> Beyond | None:
    """How far a group's slots are beyond the bounds, worse and its mirror (2, slots). `rows` is (2, windows, slots)."""
    if group.how == "estimate":
        return None if tallies is None else past_beyond(group, tallies, bounds, phi)
    if group.how == "weighted":
        if tallies is None:
            return None
        shares = np.concatenate([past_shares(group, tally) for tally in tallies])
        rows = np.stack([shares[0::2], shares[1::2]])
    worse = _change(rows, bounds.ratio, bounds.delta, phi)
    good = np.stack([rows[0], rows[0] - rows[1]])
    two = bounds.is_two_sided
    mirror = _change(good, np.where(two, bounds.lower_ratio, 1.0), np.where(two, bounds.lower_delta, 0.0), phi)
    return Beyond(np.stack([worse.beyond, mirror.beyond]), np.stack([worse.variance, mirror.variance]), worse.taus)


def _change(rows: FloatArray, ratio: FloatArray, delta: FloatArray, phi: float) -> history.Change:
    now, before, *others = (rows[:, window] for window in range(rows.shape[1]))
    elsewhere = (others[0], others[1]) if others else None
    return history.change(now, before, Boundary(ratio, delta), elsewhere=elsewhere, phi=phi)


def _log_e(found: FloatArray, taus: FloatArray, bounds: Bounds) -> FloatArray:
    information, score = found
    known = information > 0
    safe = np.where(known, information, 1.0)
    each = log_mixture(
        np.where(known, score / safe, np.nan), np.where(known, 1 / safe, np.nan), 0.0, taus[:, np.newaxis, :]
    )
    return np.asarray(np.where(bounds.is_two_sided, np.logaddexp(each[0], each[1]) - np.log(2), each[0]))
