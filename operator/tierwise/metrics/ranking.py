"""How well the score ranks positives above negatives, whatever the threshold: from counts by label and bin.

Scores within one bin count as ties. So that this costs nothing, bins must be fine where scores are dense: scale Logit
for rare positives. Compare values only between arms on the same edges.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tierwise.api.common import Margin
from tierwise.metrics.means import FEWEST_EACH
from tierwise.metrics.metric import Estimated, Metric, Needs
from tierwise.metrics.tally import Estimate, FloatArray, Tally
from tierwise.stats import moments

_CHUNK = 256  # sets of rows per pass, so that the temporaries stay in the cache

# Counts of negatives and positives by bin, float64 (sets, bins) -> value (sets,) and spread (sets, 2: by positives, by
# negatives).
Compute = Callable[[FloatArray, FloatArray], tuple[FloatArray, FloatArray]]


def _auc_of(negatives: FloatArray, positives: FloatArray) -> tuple[FloatArray, FloatArray]:
    """DeLong's estimate from bins: ψ is the share of negatives below a positive of a bin (ties: half), φ its mirror."""
    n, m = negatives.sum(axis=-1), positives.sum(axis=-1)
    pairs, of_positives = _pairs(positives, m, below=negatives)
    _, of_negatives = _pairs(negatives, n, below=positives)
    spread = np.stack([of_positives / np.maximum(n, 1) ** 2, of_negatives / np.maximum(m, 1) ** 2], axis=-1)
    return moments.share(pairs, n * m), spread


def _pairs(rows: FloatArray, total: FloatArray, *, below: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Pairs (a row, one of `below` in a lower bin; in the same bin half), and their variance from row to row."""
    at = np.cumsum(below, axis=-1)
    at -= below * 0.5
    weighted = rows * at
    pairs = weighted.sum(axis=-1)
    squares = np.einsum("ij,ij->i", weighted, at)
    beyond = squares - pairs**2 / np.maximum(total, 1)
    # What is left by rounding, when every row has as many below it, is no variance.
    return pairs, moments.share(np.where(beyond > 1e-11 * squares, beyond, 0.0), total - 1)


def _average_precision_of(negatives: FloatArray, positives: FloatArray) -> tuple[FloatArray, FloatArray]:
    p, n = positives[:, ::-1], negatives[:, ::-1]  # from the highest bin down
    tp = np.cumsum(p, axis=-1)
    m = np.maximum(tp[:, -1:], 1)
    answered = np.cumsum(n, axis=-1)
    answered += tp
    np.maximum(answered, 1, out=answered)
    precision = tp / answered
    value = moments.share((p * precision).sum(axis=-1), tp[:, -1])
    # A row moves the precision at its own and every lower bin: by (1 − precision)/answered up when it is positive, by
    # precision/answered down when it is negative; each bin counts by its share of the positives.
    share = p / (m * answered)
    loss = share * precision
    share -= loss
    gain, loss = (np.cumsum(x[:, ::-1], axis=-1)[:, ::-1] for x in (share, loss))
    gain += (precision - np.nan_to_num(value)[:, np.newaxis]) / m
    spread = [(rows * slope**2).sum(axis=-1) * rows.sum(axis=-1) for rows, slope in ((p, gain), (n, loss))]
    return value, np.stack(spread, axis=-1)


def _ks_of(negatives: FloatArray, positives: FloatArray) -> tuple[FloatArray, FloatArray]:
    below_n, below_m = np.cumsum(negatives, axis=-1), np.cumsum(positives, axis=-1)
    below_n /= np.maximum(below_n[:, -1:], 1)
    below_m /= np.maximum(below_m[:, -1:], 1)
    widest = (np.arange(len(below_n)), np.abs(below_n - below_m).argmax(axis=-1))
    shares = np.stack([below_m[widest], below_n[widest]], axis=-1)
    # Where the gap is widest it does not change with the edge, so its variance is that of two proportions there.
    return np.abs(shares[:, 0] - shares[:, 1]), shares * (1 - shares)


def _in_chunks(tally: Tally, compute: Compute) -> Estimate:
    """`compute` on every set of rows that has both labels, scores of positives turned to be the high ones."""
    if tally.bins is None:
        raise ValueError("the distribution of the score is missing")
    bins = tally.bins[..., :2, ::-1][..., 1:] if tally.positive_below else tally.bins[..., :2, :-1]
    leading = bins.shape[:-2]
    flat = bins.reshape(-1, *bins.shape[-2:])
    units = flat.sum(axis=-1)[:, ::-1].astype(np.float64)  # positives, negatives
    value, spread = np.empty(len(flat)), np.empty((len(flat), 2))
    for start in range(0, len(flat), _CHUNK):
        part = slice(start, start + _CHUNK)
        rows = flat[part].astype(np.float64)
        value[part], spread[part] = compute(rows[:, 0], rows[:, 1])
    value[(units == 0).any(axis=-1)] = np.nan
    enough = (units >= FEWEST_EACH).all(axis=-1)
    return Estimate(
        value.reshape(leading), spread.reshape(*leading, 2), units.reshape(*leading, 2), enough.reshape(leading)
    )


_NOT_BINNED = (
    "scale None, and rare positives on a Linear scale: 100 uniform bins put it off by up to .07. Use scale Logit"
)


def _metric(name: str, compute: Compute, margin: float, description: str, *, unit: str, not_for: str) -> Metric:
    """A metric of how scores rank, which is computed from counts by bin."""
    return Metric(
        name,
        "HigherIsBetter",
        Estimated(lambda tally: _in_chunks(tally, compute)),
        Margin(absolute=margin),
        Needs(bins=True),
        description,
        unit=unit,
        not_for=not_for,
        scale="Logit",
    )


METRICS = (
    _metric(
        "auc",
        _auc_of,
        0.01,
        "Area under the ROC curve: the chance that a positive scores above a negative (ties within a bin: half).",
        unit="probability",
        not_for=f"A service that answers by a threshold (judge recall and false-positive-rate); {_NOT_BINNED}.",
    ),
    _metric(
        "average-precision",
        _average_precision_of,
        0.02,
        "Area under the precision-recall curve, as a sum of precision over steps of recall.",
        unit="share of labelled rows answered positive, averaged over thresholds",
        not_for="Reading its absolute value, which bins make too low (only differences on the same edges count); "
        f"comparing slices with different shares of positives; {_NOT_BINNED}.",
    ),
    _metric(
        "ks",
        _ks_of,
        0.02,
        "Kolmogorov-Smirnov: the widest gap between the shares of negatives and of positives below a score.",
        unit="difference of shares",
        not_for="Arms of very different size: the largest of many gaps is too high in the smaller one; and models near "
        "0, which only auc tells apart.",
    ),
)
