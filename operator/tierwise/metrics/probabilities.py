"""How good the score is as a probability: proper losses from sums over rows, and the calibration error from bins."""

from __future__ import annotations

import numpy as np

from tierwise.api.common import Margin
from tierwise.metrics import means
from tierwise.metrics.means import FEWEST_EACH
from tierwise.metrics.metric import Estimated, Metric, Needs
from tierwise.metrics.tally import Estimate, Tally
from tierwise.stats import moments

CLIP = 1e-7  # Float32 knows no probability closer to 1
_KNOWN = "({valid} AND {label} < 2)"
_P = "toFloat64({p})"
_CLIPPED = f"least(greatest({_P}, {CLIP!r}), {1 - CLIP!r})"
_LOG_LOSS = means.sums("log-loss", known=_KNOWN, x=f"-log(if({{label}} = 1, {_CLIPPED}, 1 - {_CLIPPED}))")
_BRIER = means.sums("brier", known=_KNOWN, x=f"pow({_P} - toFloat64({{label}}), 2)")


def _squared_calibration_error(tally: Tally) -> Estimate:
    """Σ w(g² − s) over bins: g is mean score less mean label, s = v/(n − 1) is what chance alone adds to its square.

    The variance is Σ w²(4γ²s + 2s²) with γ the true gap: γ² is estimated by g² − s, and over all bins at least 0.
    """
    if tally.bins is None or tally.edges is None:
        raise ValueError("the distribution of the score is missing")
    negatives, positives = (tally.bins[..., label, :-1].astype(np.float64) for label in (0, 1))
    n = negatives + positives
    middle = (tally.edges[:-1] + tally.edges[1:]) / 2
    expected = 1 - middle if tally.positive_below else middle
    n[n < 2] = 0  # a bin with one row says nothing of chance
    observed = positives / np.maximum(n, 1)
    chance = observed * (1 - observed) / np.maximum(n - 1, 1)
    beyond = (expected - observed) ** 2
    beyond -= chance
    total = n.sum(axis=-1)
    value = moments.share(np.einsum("...j,...j->...", n, beyond), total)
    by_chance = n * n * chance  # with the weights n/total squared
    of_gaps = np.maximum(4 * np.einsum("...j,...j->...", by_chance, beyond), 0.0)
    variance = of_gaps + 2 * np.einsum("...j,...j->...", by_chance, chance)
    enough = (negatives.sum(axis=-1) >= FEWEST_EACH) & (positives.sum(axis=-1) >= FEWEST_EACH)
    spread = variance / np.maximum(total, 1)
    return Estimate(value, spread[..., np.newaxis], total[..., np.newaxis], np.asarray(enough))


METRICS = (
    Metric(
        "log-loss",
        "LowerIsBetter",
        means.mean("log-loss", means.both_labels),
        Margin(relative=0.05),
        Needs(sums=_LOG_LOSS, probability=True),
        "Mean of −ln of the probability given to the label (cross-entropy); scores are clipped to "
        f"{CLIP:g} … 1 − {CLIP:g}.",
        unit="nats a row",
        not_for="Scores that are no probabilities; and models that are sometimes sure and wrong, where few rows "
        "decide: use brier.",
    ),
    Metric(
        "brier",
        "LowerIsBetter",
        means.mean("brier", means.both_labels),
        Margin(relative=0.05),
        Needs(sums=_BRIER, probability=True),
        "Mean squared difference of score and label.",
        unit="squared probability",
        not_for="Scores that are no probabilities; and rare positives, whose errors it hardly counts: use log-loss.",
    ),
    Metric(
        "ece",
        "LowerIsBetter",
        Estimated(_squared_calibration_error, taus=(0.0003, 0.001, 0.003, 0.01)),
        Margin(absolute=0.001),
        Needs(bins=True, probability=True),
        "Squared expected calibration error, debiased: mean over bins of (mean score − share of positives)² less what "
        "chance alone adds. 0.001 is a typical gap of 3 percentage points; slightly negative values are chance.",
        unit="squared probability",
        not_for="Few bins: a bin's middle stands for its mean score, exact to a quarter of its width at worst on "
        "smooth scores; and models whose order matters but not their probabilities: use auc.",
    ),
)
