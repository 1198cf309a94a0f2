"""Exact e-processes for two proportions, from block counts.

For observations y ∈ {0, 1} ("bad") of a candidate a and a baseline b, the null is μa ≤ R·μb + Δ (regression,
improvement: with R = 1, Δ = 0 and the arms' roles exchanged) or μa ≥ R·μb + Δ (non-inferiority). For every block one
bet is fixed from the counts of *earlier* blocks and the sizes na, nb of this one,

    e = Π candidate rows (1 + sa(y − ca)) · Π baseline rows (1 + sb(y − cb)),  ca = R·cb + Δ,  nb·sb = −R·na·sa.

Its log-expectation is concave in the true means. At (ca, cb) on the null's boundary it is zero, and its gradient is
orthogonal to that boundary and points out of the null. So E[e] ≤ 1 for every mean in the null and every predictable
(cb, sa). A drifting base rate does not weaken this. Bets for several alternatives run side by side and are averaged.
P(the average ever reaches x) ≤ 1/x (Ville).

All arrays are over hypotheses, shape (H,); counts of a block or of the past are (4, H): candidate n, candidate bad,
baseline n, baseline bad.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tierwise.arrays import BoolArray, FloatArray

PRIOR_OBSERVATIONS = 10.0  # weight of the prior rate p0 in the plug-in estimate
MIN_BLOCK = 5  # an arm with fewer observations waits for the next block
_EDGE = 1e-6  # smallest distance of (ca, cb) from 0 and 1
_STAKE = 0.98  # largest share of the wealth that one kind of outcome may cost
_CHUNK = 8192  # hypotheses per pass, so that about twenty temporary arrays stay in the cache

_REGRESSION_LOG_ODDS = np.log([1.05, 1.12, 1.3, 1.7, 2.5, 5.0])
_FOLLOWS_AT_LEAST = 3  # the odds ratio 1.7
_NON_INFERIOR_SHARES = np.array([1.0, 0.5, 2.0])
_IMPROVED_LOG_ODDS = np.log([1.12, 1.3, 2.0])

REGRESSION_ALTERNATIVES = len(_REGRESSION_LOG_ODDS) + 1  # and one that follows the candidate
REGRESSION_LOG_WEIGHTS: FloatArray = np.full(REGRESSION_ALTERNATIVES, -np.log(REGRESSION_ALTERNATIVES))
NON_INFERIOR_LOG_WEIGHTS: FloatArray = np.log([0.5, 0.25, 0.25])
IMPROVED_LOG_WEIGHTS: FloatArray = np.full(3, -np.log(3.0))


@dataclass(frozen=True, slots=True, eq=False)
class Boundary:
    """The null's boundary μa = R·μb + Δ per hypothesis: `ratio` and `delta`, both (H,).

    `gap` (H,) is the distance from the boundary, on its good side, at which a bet expects the candidate. NaN or None
    means the distance of a candidate that is equal to the baseline.
    """

    ratio: FloatArray
    delta: FloatArray
    gap: FloatArray | None = None

    def part(self, some: slice | BoolArray | npt.NDArray[np.integer]) -> Boundary:
        """The boundary of some hypotheses."""
        return Boundary(self.ratio[some], self.delta[some], None if self.gap is None else self.gap[some])


def _odds_step(rate: FloatArray, log_odds: float) -> FloatArray:
    """The change of a rate when its log-odds change by `log_odds`."""
    clipped = np.clip(rate, _EDGE, 1 - _EDGE)
    factor = np.exp(log_odds)
    return np.asarray(clipped * factor / (1 - clipped + clipped * factor) - clipped)


def regression_alternatives(past: FloatArray, null: Boundary, prior: FloatArray) -> FloatArray:
    """η of shape (7, H): how far beyond the tolerance each bet expects the candidate.

    Six odds ratios, and one bet that follows the candidate's own rate in earlier blocks: where errors are rare, the
    worst regressions are far beyond any odds ratio of the baseline's rate.
    """
    base = (past[3] + PRIOR_OBSERVATIONS * prior) / (past[2] + PRIOR_OBSERVATIONS)
    boundary = null.ratio * base + null.delta
    # A boundary below 0 is farther still from any rate that there is.
    below = np.maximum(-boundary, 0.0)
    steps = [_odds_step(boundary, step) + below for step in _REGRESSION_LOG_ODDS]
    seen = (past[1] + PRIOR_OBSERVATIONS * boundary) / (past[0] + PRIOR_OBSERVATIONS)
    return np.stack([*steps, np.maximum(seen - boundary, steps[_FOLLOWS_AT_LEAST])])


def non_inferior_alternatives(past: FloatArray, null: Boundary, prior: FloatArray) -> FloatArray:
    """η of shape (3, H), never positive: how far on the good side of the margin each bet expects the candidate.

    0, no bet, where an equal candidate would be at the margin or beyond it: the other side would be no e-process.
    """
    base = (past[3] + PRIOR_OBSERVATIONS * prior) / (past[2] + PRIOR_OBSERVATIONS)
    distance = np.maximum((null.ratio - 1) * base + null.delta, 0.0)
    if null.gap is not None:
        distance = np.where(np.isnan(null.gap), distance, null.gap)
    return np.asarray(-_NON_INFERIOR_SHARES[:, None] * distance)


def improved_alternatives(past: FloatArray, null: Boundary, prior: FloatArray) -> FloatArray:
    """η of shape (3, H), negative: how far below the null's boundary each bet expects the candidate."""
    base = (past[3] + PRIOR_OBSERVATIONS * prior) / (past[2] + PRIOR_OBSERVATIONS)
    boundary = null.ratio * base + null.delta
    return np.stack([_odds_step(boundary, -step) for step in _IMPROVED_LOG_ODDS])


def log_increment(
    block: FloatArray,
    past: FloatArray,
    null: Boundary,
    eta: FloatArray,
    prior: FloatArray,
    *,
    phi: FloatArray | float = 1.0,
) -> FloatArray:
    """Log of one block's bets, in the shape of `eta`: (H,) or (alternatives, H).

    The sign of `eta` says on which side of the null the bet is. Both arms of `block` must have observations. The result
    is exact for φ = 1. A larger φ, a number or (H,), divides the log. Then it is still an e-process if the true φ is 1,
    and an approximation otherwise.
    """
    ratio, delta = null.ratio, null.delta
    na, ka, nb, kb = block
    past_na, past_ka, past_nb, past_kb = past
    low = np.maximum(0.0, -delta / ratio) + _EDGE
    high = np.minimum(1.0, (1.0 - delta) / ratio) - _EDGE
    # Where no pair of rates is on the boundary the null holds every pair, or none: nothing is bet.
    possible = low < high
    low, high = np.where(possible, low, 0.4), np.where(possible, high, 0.6)
    ratio, delta = np.where(possible, ratio, 1.0), np.where(possible, delta, 0.0)
    mean = (past_kb + (past_ka - past_na * (delta + eta)) / ratio + PRIOR_OBSERVATIONS * prior) / (
        past_na + past_nb + PRIOR_OBSERVATIONS
    )
    ratio_squared = ratio * ratio
    # The pair of means in the null that is nearest to the alternative; three steps of the iteration are enough.
    shift = np.zeros_like(mean)
    for _ in range(3):
        cb = np.clip(mean + shift, low, high)
        ca = ratio * cb + delta
        a = na / (ca * (1 - ca))
        b = nb / (cb * (1 - cb))
        shift = eta * ratio * a / (ratio_squared * a + b)
    cb = np.clip(mean + shift, low, high)
    ca = ratio * cb + delta
    kappa = eta * a * b / (ratio_squared * a + b)
    against = np.minimum(na / ca, nb / (ratio * (1 - cb)))
    favour = np.minimum(na / (1 - ca), nb / (ratio * cb))
    kappa = np.clip(kappa, -_STAKE * favour, _STAKE * against)
    sa = kappa / na
    sb = -ratio * kappa / nb
    total = (
        ka * np.log1p(sa * (1 - ca))
        + (na - ka) * np.log1p(-sa * ca)
        + kb * np.log1p(sb * (1 - cb))
        + (nb - kb) * np.log1p(-sb * cb)
    )
    return np.asarray(np.where(possible, total / phi, 0.0))


def add_regression(
    logs: FloatArray,
    block: FloatArray,
    past: FloatArray,
    null: Boundary,
    prior: FloatArray,
    *,
    phi: FloatArray | None = None,
) -> None:
    """Add a block to the logs (7, H) of H0: μa ≤ R·μb + Δ, in place."""
    for part in _chunks(logs.shape[1]):
        args = (past[:, part], null.part(part))
        eta = regression_alternatives(*args, prior[part])
        logs[:, part] += log_increment(block[:, part], *args, eta, prior[part], phi=_part(phi, part))


def add_non_inferior(
    logs: FloatArray,
    block: FloatArray,
    past: FloatArray,
    null: Boundary,
    prior: FloatArray,
    *,
    phi: FloatArray | None = None,
) -> None:
    """Add a block to the logs (3, H) of H0: μa ≥ R·μb + Δ, in place. With R = 1, Δ = 0 there is no bet."""
    for part in _chunks(logs.shape[1]):
        args = (past[:, part], null.part(part))
        eta = non_inferior_alternatives(*args, prior[part])
        logs[:, part] += log_increment(block[:, part], *args, eta, prior[part], phi=_part(phi, part))


def add_improved(
    logs: FloatArray,
    block: FloatArray,
    past: FloatArray,
    null: Boundary,
    prior: FloatArray,
    *,
    phi: FloatArray | None = None,
) -> None:
    """Add a block to the logs (3, H) of H0: μa ≥ R·μb + Δ, in place. R = 1, Δ = 0: not better."""
    for part in _chunks(logs.shape[1]):
        args = (past[:, part], null.part(part))
        eta = improved_alternatives(*args, prior[part])
        logs[:, part] += log_increment(block[:, part], *args, eta, prior[part], phi=_part(phi, part))


def _part(phi: FloatArray | None, part: slice) -> FloatArray | float:
    return 1.0 if phi is None else phi[part]


def _chunks(size: int) -> list[slice]:
    return [slice(start, min(start + _CHUNK, size)) for start in range(0, size, _CHUNK)]


def log_mean(logs: FloatArray, log_weights: FloatArray) -> FloatArray:
    """Log of the weighted mean of e-values over the first axis; weights sum to one."""
    weighted = logs + log_weights.reshape((-1,) + (1,) * (logs.ndim - 1))
    top = weighted.max(axis=0)
    return np.asarray(top + np.log(np.exp(weighted - top).sum(axis=0)))


def copy_log_weights(copies: int) -> FloatArray:
    """Log weights of the late-onset copies: half for the copy that starts at once; the others share the rest.

    The weights are fixed in advance and sum to one, so the average is an e-process.
    """
    if copies == 1:
        return np.zeros(1)
    return np.asarray(np.log(np.concatenate([[0.5], np.full(copies - 1, 0.5 / (copies - 1))])))


@dataclass(frozen=True, slots=True)
class LateOnset:
    """How the stake of one is spread over the starts of the bets: fixed before the first block.

    Half is bet from the start on. The other half begins evenly over `seconds`, a part with every block. With
    ``seconds=0`` all of it is bet from the start on.
    """

    seconds: float = 0.0

    @property
    def first(self) -> float:
        """What is bet from the start on."""
        return 0.5 if self.seconds > 0 else 1.0

    def begun(self, before: float, after: float) -> float:
        """What begins in a block, of `before` to `after` seconds since the start."""
        return self.later(before) - self.later(after)

    def later(self, elapsed: float) -> float:
        """What has not begun `elapsed` seconds after the start: it is worth what was staked."""
        return 0.5 * max(1.0 - max(elapsed, 0.0) / self.seconds, 0.0) if self.seconds > 0 else 0.0


def begin_more(logs: FloatArray, stake: float) -> FloatArray:
    """Logs of bets after `stake` more begins, before the block that it is bet on: A + w, as a new array.

    With A(t) = (A(t − 1) + w(t))·L(t) for each alternative, L the bets' factor of a block, the mean of A over the
    alternatives plus what has not begun is Σ w(t)·(the bets from t on): an average of e-processes with weights fixed in
    advance, so an e-process. A regression is then found as soon after its beginning, whenever that is.

    Source: the sum form of Shiryaev and Roberts, with weights that sum to one; Shin, Ramdas and Rinaldo, "E-detectors",
    New England Journal of Statistics in Data Science 2024.
    """
    return np.asarray(np.logaddexp(logs, np.log(stake))) if stake > 0 else logs


def log_e_of(logs: FloatArray, log_weights: FloatArray, later: float) -> FloatArray:
    """Log e-values (H,) of bets (alternatives, H), with `later` the stake that has not begun."""
    found = log_mean(logs, log_weights)
    return np.asarray(np.logaddexp(found, np.log(later))) if later > 0 else found


def ready(pending: FloatArray) -> BoolArray:
    """Which hypotheses have pending counts (4, H) for a block. Only the numbers of observations decide this."""
    return np.asarray((pending[0] >= MIN_BLOCK) & (pending[2] >= MIN_BLOCK))
