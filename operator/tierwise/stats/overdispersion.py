"""Learns how much more counts vary than independent rows do, from a time when both arms ran the same version.

There are two kinds of excess variation. Variation *in time* (bursts, shared minutes, kept-alive connections) is φ, the
factor on the variance of a block's difference. The logs of e-values are divided by φ. A *persistent* difference between
pods is a bias that more data does not average out. It is σ_pod, the standard deviation of the pods' log-odds, and it
widens the null. Both are approximations. The tests stay exact if φ = 1 and σ_pod = 0 are true.
"""

from __future__ import annotations

import math

import numpy as np

from tierwise.arrays import FloatArray

BLOCK_SECONDS = 1800.0  # length of a block of history; one minute would not show the correlation in time
MIN_BLOCKS = 8  # fewest blocks of history with rows in both halves; with fewer φ is 1
MIN_PODS = 3
_BIAS_SDS = 3.0  # number of standard deviations of the arms' pod bias by which the null is widened


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


def sigma_pod(n: FloatArray, bad: FloatArray) -> float:
    """Standard deviation of the pods' log-odds beyond chance; NaN with fewer than three pods that have rows.

    `n` and `bad` are (pods,) over the same time and version. Moment estimator of a between-group variance
    (DerSimonian and Laird, "Meta-analysis in clinical trials", 1986) on log-odds with half a count added.
    """
    seen = n > 0
    if int(seen.sum()) < MIN_PODS:
        return math.nan
    good, wrong = n[seen] - bad[seen] + 0.5, bad[seen] + 0.5
    logit = np.log(wrong / good)
    weight = 1 / (1 / wrong + 1 / good)
    centre = (weight * logit).sum() / weight.sum()
    excess = (weight * (logit - centre) ** 2).sum() - (len(logit) - 1)
    scale = weight.sum() - (weight**2).sum() / weight.sum()
    return float(math.sqrt(max(excess / scale, 0.0)))


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


def pod_bias(sigma: float, candidate_pods: int, baseline_pods: int) -> float:
    """The log-odds by which the arms may differ because of their pods, 3σ√(1/Pa + 1/Pb); 0 if σ is not known."""
    if not math.isfinite(sigma) or candidate_pods < 1 or baseline_pods < 1:
        return 0.0
    return _BIAS_SDS * sigma * math.sqrt(1 / candidate_pods + 1 / baseline_pods)


def pods_apart(*pods: int) -> float:
    """3√Σ 1/P: by how many σ of log-odds groups of pods that are compared may differ.

    A group without a pod counts as a group of one pod.
    """
    return _BIAS_SDS * math.sqrt(sum(1 / max(count, 1) for count in pods))


def widened(ratio: FloatArray, delta: FloatArray, rate: FloatArray, bias: FloatArray) -> tuple[FloatArray, FloatArray]:
    """(R, Δ) of a null widened by the pods' bias (log-odds, see `pod_bias`): all of shape (H,).

    A relative null grows by the factor e^bias. An absolute null grows by bias·p(1 − p), which is the bias as a
    difference of rates at the baseline's `rate`. For a null of both kinds or of neither (Δ = 0, R = 1), the ratio is
    widened.
    """
    is_absolute = (delta > 0) & (ratio == 1.0)
    return (
        np.where(is_absolute, ratio, ratio * np.exp(bias)),
        np.where(is_absolute, delta + bias * rate * (1 - rate), delta),
    )
