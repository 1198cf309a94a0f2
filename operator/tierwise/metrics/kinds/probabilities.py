"""How good the score is as a probability: proper losses from sums over rows, and the calibration error from bins."""

from __future__ import annotations

import numpy as np

from tierwise.api.common import Margin
from tierwise.arrays import FloatArray
from tierwise.metrics import means
from tierwise.metrics.means import FEWEST_EACH
from tierwise.metrics.metric import Estimated, Metric, Needs
from tierwise.metrics.tally import Estimate, Tally
from tierwise.stats import moments

GROUPS = 15  # groups of bins in the calibration error; with fewer groups chance adds less
CLIP = 1e-7  # Float32 has no probability closer to 1
_KNOWN = "({valid} AND {label} < 2)"
_P = "toFloat64({p})"
_CLIPPED = f"least(greatest({_P}, {CLIP!r}), {1 - CLIP!r})"
_LOG_LOSS = means.sums("log-loss", known=_KNOWN, x=f"-log(if({{label}} = 1, {_CLIPPED}, 1 - {_CLIPPED}))")
_BRIER = means.sums("brier", known=_KNOWN, x=f"pow({_P} - toFloat64({{label}}), 2)")


def _squared_calibration_error(tally: Tally) -> Estimate:
    """Σ w(g² − s) over groups of neighbouring bins.

    g is the mean score minus the share of positives. s is what chance adds to g²: s = v/(n − 1) with v = ȳ(1 − ȳ). The
    variance is Σ w²(4γ²s + 2s²) with γ the true gap; γ² is estimated by g² − s, over all groups at least 0. In the
    variance ȳ is (positives + 1)/(rows + 2). Otherwise a group of few rows without a positive would have no variance,
    and with unequal arms false evidence at 1/1000 would come in 2 % of all comparisons. The variance of γ² between rows
    is added, because w are shares of rows and not fixed.
    """
    if tally.bins is None or tally.edges is None:
        raise ValueError("the distribution of the score is missing")
    if tally.weights is not None:
        return _weighted_calibration_error(tally, tally.edges)
    negatives, positives = (tally.bins[..., label, :-1].astype(np.float64) for label in (0, 1))
    middle = (tally.edges[:-1] + tally.edges[1:]) / 2
    scores = (negatives + positives) * (1 - middle if tally.positive_below else middle)
    first = np.unique(np.arange(GROUPS) * len(middle) // GROUPS)
    of_negatives, k, score = (np.add.reduceat(x, first, axis=-1) for x in (negatives, positives, scores))
    n = of_negatives + k
    some, freedom = np.maximum(n, 1), np.maximum(n - 1, 1)
    share, smooth = k / some, (k + 1) / (n + 2)
    beyond = (score / some - share) ** 2 - share * (1 - share) / freedom
    n[n < 2] = 0  # one row does not show what chance adds
    total = n.sum(axis=-1)
    chance = smooth * (1 - smooth) / freedom
    of_gaps = np.maximum((4 * n**2 * chance * beyond).sum(axis=-1), 0.0)
    spread = (of_gaps + (2 * n**2 * chance**2).sum(axis=-1)) / np.maximum(total, 1)
    enough = (of_negatives.sum(axis=-1) >= FEWEST_EACH) & (k.sum(axis=-1) >= FEWEST_EACH)
    value = moments.share((n * beyond).sum(axis=-1), total)
    # The number of rows in each group is random, too. If gaps differ between groups, this moves the value most.
    spread = spread + moments.share((n * np.square(beyond - value[..., np.newaxis])).sum(axis=-1), total)
    return Estimate(value, spread[..., np.newaxis], total[..., np.newaxis], np.asarray(enough))


def _weighted_calibration_error(tally: Tally, edges: FloatArray) -> Estimate:
    """The same for rows with sample weights: shares are of Σw, and a group has u = (Σw)²/Σw² effective rows.

    Chance adds s = Σw²(y − ȳ)²/(Σw)²·u/(u − 1) to g². In the variance, s is at least that of u unweighted rows with a
    smoothed ȳ. The variance between rows is Σw²(g² − s − value)²/(Σw)². Groups under two effective rows and their
    weights are left out.
    """
    if tally.bin_weights is None:
        raise ValueError("the sample weights by bin are missing")
    middle = (edges[:-1] + edges[1:]) / 2
    mass, squares = tally.bin_weights[..., :2, :-1]
    scores = mass.sum(axis=-2) * (1 - middle if tally.positive_below else middle)
    first = np.unique(np.arange(GROUPS) * len(middle) // GROUPS)
    of_label, of_label2, score = (np.add.reduceat(x, first, axis=-1) for x in (mass, squares, scores))
    n, n2 = of_label.sum(axis=-2), of_label2.sum(axis=-2)
    units = moments.effective(n, n2)
    some, freedom = np.where(n > 0, n, 1.0), np.maximum(units - 1, 1)
    share = of_label[..., 1, :] / some
    added = (of_label2[..., 1, :] * (1 - share) ** 2 + of_label2[..., 0, :] * share**2) / some**2 * units / freedom
    smooth = (share * units + 1) / (units + 2)
    chance = np.maximum(added, smooth * (1 - smooth) / freedom)
    beyond = (score / some - share) ** 2 - added
    used = units > 2 - 1e-6  # one row does not show what chance adds; for two equal rows this is 2 except for rounding
    n, n2 = np.where(used, n, 0.0), np.where(used, n2, 0.0)
    total = n.sum(axis=-1)
    value = moments.share((n * beyond).sum(axis=-1), total)
    of_gaps = np.maximum((4 * n**2 * chance * beyond).sum(axis=-1), 0.0) + (2 * n**2 * chance**2).sum(axis=-1)
    of_rows = (n2 * np.square(beyond - value[..., np.newaxis])).sum(axis=-1)
    effective = moments.effective(total, n2.sum(axis=-1))
    spread = moments.share((of_gaps + of_rows) * effective, np.square(total))
    enough = moments.effective(of_label.sum(axis=-1), of_label2.sum(axis=-1)) >= FEWEST_EACH
    return Estimate(value, spread[..., np.newaxis], effective[..., np.newaxis], np.asarray(enough.all(axis=-1)))


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
        Estimated(_squared_calibration_error, taus=(0.0003, 0.001, 0.003, 0.01), weighted=True),
        Margin(absolute=0.001),
        Needs(bins=True, probability=True),
        "Squared expected calibration error, debiased: mean over 15 groups of bins of (mean score − share of "
        "positives)² less what chance alone adds. 0.001 is a typical gap of 3 percentage points; slightly negative "
        "values are chance.",
        unit="squared probability",
        not_for="Few bins: a bin's middle stands for its mean score, exact to a quarter of its width at worst on "
        "smooth scores; and models whose order matters but not their probabilities: use auc.",
    ),
)
