"""Block bets on proportions and shifts. A lane is one series of bets; a hypothesis has one lane or more.

A proportion has one lane. If it must not move in either direction, or must stay in a range, it has a second lane that
bets on its mirror image (good rows instead of bad rows). A shift has a lane per quantile and side.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from tierwise.arrays import FloatArray, IntArray
from tierwise.metrics.metric import Metric
from tierwise.metrics.tally import Tally
from tierwise.monitoring.counts.measures import below, counted
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE
from tierwise.stats import betting, intervals
from tierwise.stats.matched import Matched
from tierwise.stats.matched import begin as begin_matched
from tierwise.stats.matched import fold as fold_matched

MOST_KEPT = 20_000  # lanes whose intervals are by bets: what is kept for them is a few megabytes per thousand


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Lanes of one metric: `first` … for the proportion or the first side of the first quantile, slot by slot."""

    dataset: int
    metric: Metric
    hypothesis: int  # of its first slot
    first: int  # lane of its first slot
    slots: int
    at: IntArray | None = None  # edges of a shift


@dataclass(frozen=True, slots=True, eq=False)
class Lanes:
    """Constants per lane, (L,): proportions first, then mirrors of some of them, then shifts.

    `mirrored` (M,) are the lanes that the mirrors are of; `hypothesis` is (proportions + mirrors,); `gap` (two-way,) is
    how far inside the bound a lane of a range expects the candidate, NaN where the margin says it.
    """

    proportions: tuple[Group, ...]
    shifts: tuple[Group, ...]
    hypotheses: int  # K
    mirrored: IntArray
    hypothesis: IntArray
    prior: FloatArray
    phi: FloatArray
    gap: FloatArray

    @property
    def straight(self) -> int:
        """The number of lanes of proportions without mirrors."""
        return sum(group.slots for group in self.proportions)

    @property
    def two_way(self) -> int:
        """The number of lanes on which non-inferiority is tested."""
        return self.straight + len(self.mirrored)


@dataclass(frozen=True, slots=True, eq=False)
class Bets:
    """The state of all bets so far. It is never changed in place. Counts are (4, L), logs (alternatives, lanes)."""

    past: FloatArray  # consumed
    pending: FloatArray  # waiting for five observations in both arms
    regression: FloatArray  # (7, L): of all starts together
    non_inferior: FloatArray  # (3, two_way)
    improved: FloatArray  # (3, straight)
    matched: Matched  # candidate and baseline at the same times, of the straight lanes
    # For intervals: the number of a block, and what `matched` was then.
    kept: tuple[tuple[int, FloatArray], ...] = ()

    @property
    def counts(self) -> FloatArray:
        """All observations so far, (4, L): candidate n and bad, baseline n and bad."""
        return np.asarray(self.past + self.pending)


@dataclass(frozen=True, slots=True, eq=False)
class LaneBounds:
    """What the lanes bet against: the tolerance (L,), the margin (two-way lanes,) and equality (straight lanes,)."""

    tolerance: betting.Boundary
    margin: betting.Boundary
    equal: betting.Boundary


def no_bets(lanes: Lanes, stake: float = 1.0) -> Bets:
    """Before the first block; `stake` is bet from the start on."""
    size = len(lanes.prior)
    return Bets(
        past=np.zeros((4, size)),
        pending=np.zeros((4, size)),
        regression=np.full((betting.REGRESSION_ALTERNATIVES, size), np.log(stake)),
        non_inferior=np.zeros((3, lanes.two_way)),
        improved=np.zeros((3, lanes.straight)),
        matched=begin_matched(2, lanes.straight),
    )


def with_kept(lanes: Lanes, bets: Bets, block: int) -> Bets:
    """The counts so far are kept for intervals, after `block` blocks, where it is time to."""
    last = bets.kept[-1][0] if bets.kept else 0
    if not 0 < lanes.straight <= MOST_KEPT or not intervals.is_kept(block, last):
        return bets
    return replace(bets, kept=(*bets.kept, (block, bets.matched.snapshot)))


def begin_more(bets: Bets, stake: float) -> Bets:
    """A further stake begins to be bet, before the next block."""
    return replace(bets, regression=betting.begin_more(bets.regression, stake)) if stake > 0 else bets


def bet(lanes: Lanes, bets: Bets, block: tuple[Tally, ...], bounds: LaneBounds) -> Bets:
    """After one block, given its tallies per dataset.

    Raises:
        MetricFailedError: a metric's code failed.
    """
    counts = lane_counts(lanes, block)
    na, ka, nb, kb = counts[:, : lanes.straight]
    bets = replace(bets, matched=fold_matched(bets.matched, np.array([[na, nb], [ka, kb]])))
    pending = bets.pending + counts
    lanes_ready = np.flatnonzero(betting.ready(pending))
    if len(lanes_ready) == 0:
        return replace(bets, pending=pending)
    size, straight, two_way = len(lanes.prior), lanes.straight, lanes.two_way
    regression = bets.regression.copy()
    now, before, prior, phi = pending, bets.past, lanes.prior, lanes.phi
    every: slice | IntArray = slice(None) if len(lanes_ready) == size else lanes_ready
    logs = regression[:, every]
    betting.add_regression(
        logs, now[:, every], before[:, every], bounds.tolerance.part(every), prior[every], phi=phi[every]
    )
    regression[:, every] = logs
    some: slice | IntArray = slice(two_way) if isinstance(every, slice) else lanes_ready[lanes_ready < two_way]
    non_inferior = bets.non_inferior.copy()
    logs = non_inferior[:, some]
    betting.add_non_inferior(logs, now[:, some], before[:, some], bounds.margin.part(some), prior[some], phi=phi[some])
    non_inferior[:, some] = logs
    some = slice(straight) if isinstance(every, slice) else lanes_ready[lanes_ready < straight]
    improved = bets.improved.copy()
    logs = improved[:, some]
    betting.add_improved(logs, now[:, some], before[:, some], bounds.equal.part(some), prior[some], phi=phi[some])
    improved[:, some] = logs
    past = bets.past.copy()
    past[:, every] += pending[:, every]
    pending[:, every] = 0.0
    return replace(
        bets, past=past, pending=pending, regression=regression, non_inferior=non_inferior, improved=improved
    )


def lane_counts(lanes: Lanes, block: tuple[Tally, ...]) -> FloatArray:
    """Counts (4, L) of tallies per dataset.

    Raises:
        MetricFailedError: a metric's code failed.
    """
    out = np.empty((4, len(lanes.prior)))
    for group in lanes.proportions:
        n, bad = counted(group.metric, block[group.dataset])
        here = slice(group.first, group.first + group.slots)
        out[:, here] = n[:, CANDIDATE], bad[:, CANDIDATE], n[:, BASELINE], bad[:, BASELINE]
    if len(lanes.mirrored):
        out[:, lanes.straight : lanes.two_way] = mirror(out[:, lanes.mirrored])
    for group in lanes.shifts:
        assert group.at is not None
        tally = block[group.dataset]
        if tally.bins is None:
            out[:, group.first : group.first + 2 * len(group.at) * group.slots] = 0.0
            continue
        n, under = below(group.metric, tally, group.at)
        for point in range(len(group.at)):
            start = group.first + 2 * point * group.slots
            low = under[:, :, point]
            side = np.stack([n[:, CANDIDATE], low[:, CANDIDATE], n[:, BASELINE], low[:, BASELINE]])
            out[:, start : start + group.slots] = side
            out[:, start + group.slots : start + 2 * group.slots] = mirror(side)
    return out


def mirror(counts: FloatArray | IntArray) -> FloatArray | IntArray:
    """Counts (4, H) with good rows instead of bad rows."""
    na, ka, nb, kb = counts
    return np.stack([na, na - ka, nb, nb - kb])


def log_regression(lanes: Lanes, bets: Bets, later: float) -> FloatArray:
    """Log e-values (K,) of "worse than the tolerance"; 0 for hypotheses without lanes.

    `later` is the stake that has not begun.
    """
    log_e = betting.log_e_of(bets.regression, betting.REGRESSION_LOG_WEIGHTS, later)
    straight, two_way = lanes.straight, lanes.two_way
    if straight == lanes.hypotheses and straight == len(log_e):
        return log_e
    out = np.zeros(lanes.hypotheses)
    out[lanes.hypothesis[:straight]] = log_e[:straight]
    both = lanes.hypothesis[straight:]
    out[both] = np.logaddexp(out[both], log_e[straight:two_way]) - np.log(2)
    for group in lanes.shifts:
        assert group.at is not None
        sides = log_e[group.first : group.first + 2 * len(group.at) * group.slots].reshape(-1, group.slots)
        mean = betting.log_mean(sides, np.full(len(sides), -np.log(len(sides))))
        out[group.hypothesis : group.hypothesis + group.slots] = mean
    return out


def log_non_inferior(lanes: Lanes, bets: Bets) -> FloatArray:
    """Log e-values (K,) of "within the margin": of two sides the smaller; 0 where it is not tested."""
    log_e = betting.log_mean(bets.non_inferior, betting.NON_INFERIOR_LOG_WEIGHTS)
    straight = lanes.straight
    if straight == lanes.hypotheses:
        return log_e if len(log_e) == straight else _smaller(lanes, log_e[:straight].copy(), log_e)
    out = np.zeros(lanes.hypotheses)
    out[lanes.hypothesis[:straight]] = log_e[:straight]
    return _smaller(lanes, out, log_e)


def _smaller(lanes: Lanes, out: FloatArray, log_e: FloatArray) -> FloatArray:
    both = lanes.hypothesis[lanes.straight :]
    out[both] = np.minimum(out[both], log_e[lanes.straight :])
    return out


def log_improved(lanes: Lanes, bets: Bets) -> FloatArray:
    """Log e-values (K,) of "better than the baseline"; 0 where it is not tested."""
    log_e = betting.log_mean(bets.improved, betting.IMPROVED_LOG_WEIGHTS)
    out = np.zeros(lanes.hypotheses)
    out[lanes.hypothesis[: lanes.straight]] = log_e
    out[lanes.hypothesis[lanes.straight :]] = 0.0  # a range, or a two-sided margin, does not test for "better"
    return out
