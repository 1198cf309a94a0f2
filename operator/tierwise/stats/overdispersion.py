"""Learns how much more counts vary than independent rows do, from a time when both arms ran the same version.

There are two kinds of excess variation. Variation *in time* (bursts, shared minutes, kept-alive connections) is φ, the
factor on the variance of a block's difference. The logs of e-values are divided by φ. A *persistent* difference between
pods is a bias that more data does not average out. It is σ_pod, the standard deviation of the pods' log-odds, and it
widens the null. Both are approximations. The tests stay exact if φ = 1 and σ_pod = 0 are true.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from tierwise.arrays import FloatArray

BLOCK_SECONDS = 1800.0  # of history: long enough to hold the correlation that a one-minute block does not show
MIN_BLOCKS = 8  # of history with rows in both halves; with fewer nothing is learned
SCALES = (1, 4, 16)  # half hours that are joined: noise with a longer memory shows in longer blocks only
MIN_PODS = 3
MIN_EVENTS = 30
_BIAS_TAIL = 0.00135  # the pods' own difference exceeds what the null is widened by as rarely as three sd


def phi_of(difference: FloatArray, variance: FloatArray, size: FloatArray) -> FloatArray:
    """φ per slice, shape (S,), at least 1, from A/A differences of 30-minute blocks.

    `difference`, its binomial (or estimated) `variance` and `size` are (blocks, S), NaN where an arm is empty. `size`
    is n·p(1 − p) with n = na·nb/(na + nb). Noise of fixed variance on the log-odds inflates the variance of a
    difference by c·size. Rows that come in groups or twice inflate it by a factor a. So a + c·size is fitted over all
    slices. The fit helps small slices, whose own values are imprecise. A slice's φ is the largest of 1, the fit at its
    own size, and its own mean of d²/V. The mean difference of the whole history is subtracted first (with its degree of
    freedom), because a persistent difference belongs to the pods, see `sigma_pod`.
    """
    known = np.isfinite(difference) & (variance > 0)
    blocks = known.sum(axis=0)
    enough = blocks >= MIN_BLOCKS
    weight = np.where(known, 1 / np.where(known, variance, 1.0), 0.0)
    values = np.where(known, difference, 0.0)
    mean = (weight * values).sum(axis=0) / np.maximum(weight.sum(axis=0), 1e-300)
    residual = np.where(known, (values - mean) ** 2, 0.0)
    own = np.where(enough, (weight * residual).sum(axis=0) / np.maximum(blocks - 1, 1), 1.0)
    typical = np.where(known, size, 0.0).sum(axis=0) / np.maximum(blocks, 1)
    factor, slope = _fit(own, typical, np.where(enough, blocks, 0).astype(np.float64))
    return np.asarray(np.maximum(np.maximum(1.0, factor + slope * typical), own))


def phi_of_units(n: FloatArray, bad: FloatArray) -> FloatArray:
    """φ per slice (S,), at least 1, of rows that belong to units: `n` and `bad` (B, S) are of B random groups of units.

    The design effect of a rate, its variance over that of independent rows. The variance is that of the linearised
    rate over random groups, each unit being in one of them (Wolter, "Introduction to variance estimation", 2007, 2.4).
    A slice has the mean of all slices, at least 1, or its own where that is larger by more than two standard deviations
    of chance; with less than 30 bad and good rows it has the mean.
    """
    groups, total, wrong = len(n), n.sum(axis=0), bad.sum(axis=0)
    enough = np.minimum(wrong, total - wrong) >= MIN_EVENTS
    rate = np.where(enough, wrong, 1.0) / np.where(enough, total, 2.0)
    between = groups / (groups - 1) * np.square(bad - rate * n).sum(axis=0)
    own = np.where(enough, between / np.where(enough, total * rate * (1 - rate), 1.0), 1.0)
    typical, _ = _fit(own, np.zeros_like(own), np.where(enough, float(groups), 0.0))
    return np.where(own > typical * (1 + 2 * math.sqrt(2 / (groups - 1))), own, typical)


def largest_of_scales(found: Sequence[tuple[FloatArray, int]]) -> FloatArray:
    """φ (S,) of noise of any memory: `found` has φ and the number of blocks at each scale, the shortest blocks first.

    Of a longer scale, which has fewer blocks, a φ counts where it is larger than that of the shorter ones by more than
    one standard deviation of chance: the largest of three figures of one quantity would always be too large.
    """
    phi, _ = found[0]
    for longer, blocks in found[1:]:
        if blocks >= MIN_BLOCKS:
            by_chance = 1 + math.sqrt(2 / (blocks - 1))
            phi = np.where(longer > by_chance * phi, longer, phi)
    return phi


def _fit(own: FloatArray, size: FloatArray, blocks: FloatArray) -> tuple[float, float]:
    """The a ≥ 1 and c ≥ 0 of own ≈ a + c·size, by weighted least squares: Var(own) is about 2·(a + c·size)²/blocks."""
    a, c = 1.0, 0.0
    for _ in range(4):  # the weights depend on the fit; after four rounds they no longer change
        weight = blocks / np.square(a + c * size)
        total = float(weight.sum())
        if total == 0:
            return 1.0, 0.0
        centre, level = float((weight * size).sum()) / total, float((weight * own).sum()) / total
        spread = float((weight * np.square(size - centre)).sum())
        c = max(float((weight * (size - centre) * (own - level)).sum()) / spread, 0.0) if spread > 0 else 0.0
        a = level - c * centre
        if a < 1:  # through 1 at size 0
            squares = float((weight * np.square(size)).sum())
            a = 1.0
            c = max(float((weight * size * (own - 1)).sum()) / squares, 0.0) if squares > 0 else 0.0
    return a, c


@dataclass(frozen=True, slots=True)
class PodSpread:
    """Standard deviation of the pods' log-odds beyond chance, and from how many degrees of freedom it is known.

    `sigma` is NaN where too few pods have rows.
    """

    sigma: float
    degrees: int

    @property
    def bound(self) -> float:
        """How far one pod may be from the mean of very many: the t quantile times σ. Infinite where σ is not known."""
        if not math.isfinite(self.sigma) or self.degrees < MIN_PODS - 1:
            return math.inf
        return self.sigma * pod_quantile(self.degrees)


def pod_quantile(degrees: int) -> float:
    """The t quantile that takes the place of three standard deviations where σ is an estimate: 19.2 at 2, 4.1 at 10.

    A σ of few pods is often far too small; Student's quantile is as often exceeded as the normal one of a known σ.
    """
    return float(stdtrit(max(degrees, 1), 1 - _BIAS_TAIL))


def pod_spread(groups: Sequence[tuple[FloatArray, FloatArray]]) -> PodSpread:
    """The spread of pods within groups (tiers): rows `n` and `bad` (pods,) of one time and version, group by group.

    What differs between groups is not counted. Moment estimator of a between-pod variance (DerSimonian and Laird,
    "Meta-analysis in clinical trials", 1986) on log-odds with half a count added; its sums are added over the groups.
    """
    excess = scale = 0.0
    degrees = 0
    for n, bad in groups:
        seen = n > 0
        if int(seen.sum()) < 2:  # a pod alone says nothing of differences
            continue
        good, wrong = n[seen] - bad[seen] + 0.5, bad[seen] + 0.5
        logit = np.log(wrong / good)
        weight = 1 / (1 / wrong + 1 / good)
        centre = (weight * logit).sum() / weight.sum()
        excess += float((weight * (logit - centre) ** 2).sum()) - (len(logit) - 1)
        scale += float(weight.sum() - (weight**2).sum() / weight.sum())
        degrees += len(logit) - 1
    if degrees < MIN_PODS - 1:
        return PodSpread(math.nan, degrees)
    return PodSpread(math.sqrt(max(excess / scale, 0.0)), degrees)


def phi_split(candidate: FloatArray, total: FloatArray) -> float:
    """φ of the traffic split from A/A halves: `candidate` of `total` requests per block, both (blocks,).

    It is 1 if too few blocks have rows. Requests that share a connection arrive together at one pod. So the variance of
    counts is larger by a factor of the number of requests per connection.
    """
    seen = total > 0
    if int(seen.sum()) < MIN_BLOCKS:
        return 1.0
    k, n = candidate[seen], total[seen]
    share = float(k.sum() / n.sum())
    if not 0 < share < 1:
        return 1.0
    scatter = float(((k - n * share) ** 2 / (n * share * (1 - share))).sum() / (len(n) - 1))
    return max(1.0, scatter)


def pods_apart(*pods: int) -> float:
    """√Σ 1/P: by how many σ of log-odds the means of groups of P pods each differ, one standard deviation.

    A group without a pod counts as a group of one pod.
    """
    return math.sqrt(sum(1 / max(count, 1) for count in pods))


def odds_step(rate: FloatArray, log_odds: FloatArray) -> FloatArray:
    """How far rates move when their log-odds do, all (H,); exact, also for large steps. Infinite steps reach 0 or 1."""
    with np.errstate(divide="ignore", over="ignore"):
        odds = rate / (1 - rate) * np.exp(log_odds)
        return np.asarray(np.where(np.isinf(odds), 1.0, odds / (1 + odds)) - rate)


def widened(ratio: FloatArray, delta: FloatArray, rate: FloatArray, bias: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(R, Δ) of a null widened by the pods' bias in log-odds: all of shape (H,).

    A relative null grows by the factor e^bias, more than any rate can move; an absolute one by the step of the odds
    from the worst rate that it allows, the baseline's `rate` + Δ. For a null of both kinds, or of neither (Δ = 0,
    R = 1), the ratio is widened.
    """
    is_absolute = (delta > 0) & (ratio == 1.0)
    step = odds_step(np.clip(rate + delta, 1e-9, 1 - 1e-9), bias)
    return np.where(is_absolute, ratio, ratio * np.exp(bias)), np.where(is_absolute, delta + step, delta)


def narrowed(ratio: FloatArray, delta: FloatArray, rate: FloatArray, bias: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(R, Δ) of a margin narrowed by the pods' bias: candidates that far better by their pods alone are not within it.

    As `widened`, in the other direction: R·e^−bias, and Δ less the step down from the margin. Nothing can be shown
    where no margin is left, R ≤ 1 or Δ ≤ 0.
    """
    is_absolute = (delta > 0) & (ratio == 1.0)
    step = odds_step(np.clip(rate + delta, 1e-9, 1 - 1e-9), -bias)
    return np.where(is_absolute, ratio, ratio * np.exp(-bias)), np.where(is_absolute, delta + step, delta)
