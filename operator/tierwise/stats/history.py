"""Compares a version with the version that ran in the same place before, and removes the change elsewhere. Asymptotic.

If a tier has no pods of the baseline any more, the candidate's rate now is compared with the baseline's rate in a
window of the past at the same time of day. The change in other tiers, where the baseline still serves, is removed. This
is done on the log-odds, where a common change of traffic is additive. (stats/matched gives the counts at the same
times.)

    logit(expected) = logit(before) + [logit(elsewhere now) − logit(elsewhere before)].

The null is now ≤ R·expected + Δ. The Gaussian mixture (stats/mixture) tests the distance from it on the log-odds. The
window before grows with the window now, so that the estimate's increments are independent in information time. Without
other tiers any change with time counts as the candidate's, so this control is the least trusted.

Arrays are over hypotheses, (H,); counts are (2, H): n and bad.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tierwise.arrays import BoolArray, FloatArray
from tierwise.stats.betting import Boundary
from tierwise.stats.mixture import log_mixture

ENOUGH = 30.0  # fewest bad and good observations in every window for the normal approximation
_SHARES = np.array([0.03, 0.1, 0.3])  # scales of the mixture, in standard deviations of one observation


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """`beyond`: log-odds of now beyond the null's boundary, `variance` of it; `expected` rate. NaN: not enough rows."""

    beyond: FloatArray
    variance: FloatArray
    expected: FloatArray

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
    before: FloatArray,
    null: Boundary,
    *,
    elsewhere: tuple[FloatArray, FloatArray] | None = None,
    phi: float = 1.0,
) -> Change:
    """The change so far beyond now ≤ R·expected + Δ. `elsewhere` (now, before) is the change to remove.

    `phi` is the overdispersion of the counts: the factor on the variance of independent rows.
    """
    odds, variance = _log_odds(before)
    enough = _is_enough(now) & _is_enough(before)
    if elsewhere is not None:
        after, after_variance = _log_odds(elsewhere[0])
        ahead, ahead_variance = _log_odds(elsewhere[1])
        odds, variance = odds + after - ahead, variance + after_variance + ahead_variance
        enough = enough & _is_enough(elsewhere[0]) & _is_enough(elsewhere[1])
    expected = 1 / (1 + np.exp(-odds))
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
    )


def _log_odds(counts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log-odds with half an observation added to each side (Haldane), and their variance."""
    bad, good = counts[1] + 0.5, counts[0] - counts[1] + 0.5
    return np.log(bad / good), 1 / bad + 1 / good


def _is_enough(counts: FloatArray) -> BoolArray:
    return np.asarray((counts[1] >= ENOUGH) & (counts[0] - counts[1] >= ENOUGH))
