"""How well the score ranks positives above negatives, for all thresholds: from counts by label and bin.

Scores within one bin count as ties. To lose nothing by this, bins must be fine where scores are dense: use scale Logit
for rare positives. Compare values only between arms with the same edges.

Source: DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated ROC curves", 1988; with
sample weights each label's part is linearised as a weighted mean (`stats.moments`).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tierwise.api.common import Margin
from tierwise.arrays import AnyArray, FloatArray
from tierwise.metrics.means import FEWEST_EACH
from tierwise.metrics.metric import Estimated, Metric, Needs
from tierwise.metrics.tally import Estimate, Tally
from tierwise.stats import moments

_CHUNK = 256  # sets of rows per pass, so that temporary arrays stay in the cache
_ROUNDING = 1e-20  # a difference of equal shares leaves up to this share of their square

# Counts of negatives and positives by bin, float64 (sets, 2, bins), or with sample weights their Σw and Σw² ->
# value (sets,) and spread (sets, 2: by positives, by negatives).
Compute = Callable[[FloatArray, FloatArray | None], tuple[FloatArray, FloatArray]]


def _auc_of(rows: FloatArray, squares: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    """DeLong's estimate from bins: ψ is the share of negatives below a positive of a bin (ties: half), φ its mirror."""
    if squares is not None:
        return _weighted_auc_of(rows, squares)
    negatives, positives = rows[:, 0], rows[:, 1]
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
    # If every row has the same number below it, only a rounding error is left, which is not a variance.
    return pairs, moments.share(np.where(beyond > 1e-11 * squares, beyond, 0.0), total - 1)


def _weighted_auc_of(mass: FloatArray, squares: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The same of Σw: A = Σ wψ/Σw over positives, its variance Σ w²(ψ − A)²/(Σw)² over them plus that of negatives."""
    spread = []
    for one, other in ((1, 0), (0, 1)):
        rows, below = mass[:, one], mass[:, other]
        at = (np.cumsum(below, axis=-1) - below * 0.5) / _some(below.sum(axis=-1, keepdims=True))
        value = moments.share((rows * at).sum(axis=-1), rows.sum(axis=-1))
        if one == 1:
            area = value
        beyond = (squares[:, one] * np.square(at - np.nan_to_num(value)[:, np.newaxis])).sum(axis=-1)
        total = squares[:, one].sum(axis=-1)
        beyond = np.where(beyond > _ROUNDING * total, beyond, 0.0)
        units = moments.effective(rows.sum(axis=-1), total)
        spread.append(moments.share(beyond * units, total * (units - 1)))
    return area, np.stack(spread, axis=-1)


def _some(total: FloatArray) -> FloatArray:
    """The divisor, with 1 instead of 0."""
    return np.where(total > 0, total, 1.0)


def _average_precision_of(rows: FloatArray, squares: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    n, p = rows[:, 0, ::-1], rows[:, 1, ::-1]  # from the highest bin down
    tp = np.cumsum(p, axis=-1)
    m = _some(tp[:, -1:])
    answered = np.cumsum(n, axis=-1)
    answered += tp
    answered[answered <= 0] = 1
    precision = tp / answered
    value = moments.share((p * precision).sum(axis=-1), tp[:, -1])
    # A row moves the precision at its own and every lower bin: by (1 − precision)/answered up when it is positive, by
    # precision/answered down when it is negative; each bin counts by its share of the positives.
    share = p / (m * answered)
    loss = share * precision
    share -= loss
    gain, loss = (np.cumsum(x[:, ::-1], axis=-1)[:, ::-1] for x in (share, loss))
    gain += (precision - np.nan_to_num(value)[:, np.newaxis]) / m
    p2, n2 = (p, n) if squares is None else (squares[:, 1, ::-1], squares[:, 0, ::-1])
    units = [each.sum(axis=-1) for each in (p, n)]
    if squares is not None:
        units = [moments.effective(each, of.sum(axis=-1)) for each, of in zip(units, (p2, n2), strict=True)]
    terms = zip((p2, n2), (gain, loss), units, strict=True)
    spread = [(each * slope**2).sum(axis=-1) * total for each, slope, total in terms]
    return value, np.stack(spread, axis=-1)


def _ks_of(rows: FloatArray, squares: FloatArray | None) -> tuple[FloatArray, FloatArray]:
    below_n, below_m = np.cumsum(rows[:, 0], axis=-1), np.cumsum(rows[:, 1], axis=-1)
    below_n /= _some(below_n[:, -1:])
    below_m /= _some(below_m[:, -1:])
    widest = (np.arange(len(below_n)), np.abs(below_n - below_m).argmax(axis=-1))
    shares = np.stack([below_m[widest], below_n[widest]], axis=-1)
    # At the widest gap the derivative by the edge is 0, so the variance is that of two proportions there.
    value = np.abs(shares[:, 0] - shares[:, 1])
    if squares is None:
        return value, shares * (1 - shares)
    cumulated = np.cumsum(squares, axis=-1)
    below = np.stack([cumulated[:, label][widest] for label in (1, 0)], axis=-1)
    total = cumulated[:, ::-1, -1]
    return value, moments.share((1 - shares) ** 2 * below + shares**2 * (total - below), total)


def _in_chunks(tally: Tally, compute: Compute) -> Estimate:
    """Apply `compute` to every set of rows that has both labels. Positives then have the high scores."""
    if tally.bins is None:
        raise ValueError("the distribution of the score is missing")
    flat, squares = _by_label(tally, tally.bins), None
    leading = tally.counts.shape[:-2]
    units = flat.sum(axis=-1)[:, ::-1].astype(np.float64)  # positives, negatives
    if tally.weights is not None:
        if tally.bin_weights is None:
            raise ValueError("the sample weights by bin are missing")
        flat, squares = (_by_label(tally, each) for each in tally.bin_weights)
        units = moments.effective(flat.sum(axis=-1), squares.sum(axis=-1))[:, ::-1]
    value, spread = np.empty(len(flat)), np.empty((len(flat), 2))
    for start in range(0, len(flat), _CHUNK):
        part = slice(start, start + _CHUNK)
        of_part = None if squares is None else squares[part]
        value[part], spread[part] = compute(flat[part].astype(np.float64), of_part)
    value[(units == 0).any(axis=-1)] = np.nan
    enough = (units >= FEWEST_EACH).all(axis=-1)
    return Estimate(
        value.reshape(leading), spread.reshape(*leading, 2), units.reshape(*leading, 2), enough.reshape(leading)
    )


def _by_label(tally: Tally, bins: AnyArray) -> AnyArray:
    """(sets, 2 labels, bins) without invalid scores, the highest scores last; `bins` is one array of the tally."""
    turned = bins[..., :2, ::-1][..., 1:] if tally.positive_below else bins[..., :2, :-1]
    return turned.reshape(-1, *turned.shape[-2:])


_NOT_BINNED = (
    "scale None, and rare positives on a Linear scale: 100 uniform bins change it by up to .07. Use scale Logit"
)


def _metric(name: str, compute: Compute, margin: float, description: str, *, unit: str, not_for: str) -> Metric:
    """Make a metric of how scores rank, which is computed from counts by bin."""
    return Metric(
        name,
        "HigherIsBetter",
        Estimated(lambda tally: _in_chunks(tally, compute), weighted=True),
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
        "0, which only auc can distinguish.",
    ),
)
