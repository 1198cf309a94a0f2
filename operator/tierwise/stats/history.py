"""Compares a version with the version that ran in the same place before, and removes the change elsewhere. Asymptotic.

With no pods of the baseline left in a tier, the candidate's rate now is compared with the baseline's at the same hours
of D days before. What changed meanwhile where the baseline still serves (other tiers) is taken off, on the log-odds,
where a common change of traffic is additive (counts that are compared at the same times: stats/matched):

    logit(expected) = mean over days of [logit(before) − logit(elsewhere before)] + logit(elsewhere now).

The null is now ≤ R·expected + Δ; its distance on the log-odds is tested by the Gaussian mixture (stats/mixture). The
windows before grow as the one now does, so that the estimate's increments are independent in information time. By how
much days differ from each other is stats/days. Without an elsewhere any change with time counts as the candidate's:
least trusted of all controls.

Arrays are over hypotheses, (H,); counts are (2, H): n and bad, of days (D, 2, H).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tierwise.arrays import BoolArray, FloatArray
from tierwise.stats.betting import Boundary
from tierwise.stats.estimated import Moments
from tierwise.stats.mixture import log_mixture

ENOUGH = 30.0  # fewest bad and good observations in every window for the normal approximation
_SHARES = np.array([0.03, 0.1, 0.3])  # scales of the mixture, in standard deviations of one observation


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """`beyond`: log-odds of now beyond the null's boundary, `variance` of it; `expected` rate. NaN: not enough rows.

    `days` (D, H) are the days' log-odds, less elsewhere's. Where they differ by σ beyond chance, `beyond` is off by
    σ·`apart`, one standard deviation.
    """

    beyond: FloatArray
    variance: FloatArray
    expected: FloatArray
    days: Moments
    apart: FloatArray

    @property
    def log_e(self) -> FloatArray:
        """Log e-values (H,) of "worse than expected by more than the tolerance"; 0 where there are not enough rows."""
        return log_mixture(self.beyond, self.variance, 0.0, self.taus)

    @property
    def taus(self) -> FloatArray:
        """Scales of the mixture (3, H), on the log-odds; NaN where there are not enough rows."""
        return np.asarray(_SHARES[:, None] / np.sqrt(self.expected * (1 - self.expected)))


def change(
    now: FloatArray,
    days: FloatArray,
    null: Boundary,
    *,
    elsewhere: tuple[FloatArray, FloatArray] | None = None,
    phi: float = 1.0,
) -> Change:
    """What the counts so far say against now ≤ R·expected + Δ; `elsewhere` (now, days) is the change to take off.

    `phi` is the overdispersion of the counts: every variance is so many times that of independent rows. The days' own
    variances are without it, so that it takes nothing off what is learned of their differences.
    """
    odds, by_day = _log_odds(days)
    enough = _is_enough(now) & _is_enough(days).all(axis=0)
    common, common_variance = np.zeros(odds.shape[1:]), np.zeros(odds.shape[1:])
    if elsewhere is not None:
        common, common_variance = _log_odds(elsewhere[0])
        ahead, ahead_variance = _log_odds(elsewhere[1])
        odds, by_day = odds - ahead, by_day + ahead_variance
        enough = enough & _is_enough(elsewhere[0]) & _is_enough(elsewhere[1]).all(axis=0)
    variance = by_day.mean(axis=0) / len(odds) + common_variance
    expected = 1 / (1 + np.exp(-(odds.mean(axis=0) + common)))
    ratio = null.ratio
    boundary = np.clip(ratio * expected + null.delta, 1e-9, 1 - 1e-9)
    # The boundary moves with the expected rate: its variance by the derivative of logit(R·expected + Δ).
    slope = ratio * expected * (1 - expected) / (boundary * (1 - boundary))
    now_odds, now_variance = _log_odds(now)
    beyond = now_odds - np.log(boundary / (1 - boundary))
    return Change(
        beyond=np.where(enough, beyond, np.nan),
        variance=np.where(enough, phi * (now_variance + np.square(slope) * variance), np.nan),
        expected=np.where(enough, expected, np.nan),
        days=Moments(np.where(enough, odds, np.nan), np.where(enough, by_day, np.nan)),
        apart=np.sqrt(1 + np.square(slope) / len(odds)),
    )


def log_odds_of(days: FloatArray) -> Moments:
    """Log-odds (D, H) of counts (D, 2, H) with their variances; NaN where there are not enough rows."""
    odds, variance = _log_odds(days)
    enough = _is_enough(days)
    return Moments(np.where(enough, odds, np.nan), np.where(enough, variance, np.nan))


def _log_odds(counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log-odds with half an observation added to each side (Haldane), and their variance."""
    bad, good = counts[..., 1, :] + 0.5, counts[..., 0, :] - counts[..., 1, :] + 0.5
    return np.log(bad / good), 1 / bad + 1 / good


def _is_enough(counts: FloatArray) -> BoolArray:
    bad = counts[..., 1, :]
    return np.asarray((bad >= ENOUGH) & (counts[..., 0, :] - bad >= ENOUGH))
