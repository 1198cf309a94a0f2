"""Rankings and calibration of rows with sample weights: values, variances, guards, and what the evidence promises."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk

from tests.support.raw_rows import LINEAR, binned, scored, tally_of
from tierwise.metrics import registry
from tierwise.metrics.tally import Tally
from tierwise.monitoring.counts.measures import compared, worse_sign
from tierwise.stats.mixture import interval, log_mixture

RANKINGS = ("auc", "average-precision", "ks")
EVERY = (*RANKINGS, "ece")
BINS = 40
ALPHA = 0.05


def estimate(name, tally):
    return registry.get(name).measure.estimate(tally)


def weighted_tally(bins, **more):
    """A tally of (3: rows, Σw, Σw²; ..., 3 labels, bins + 1), threshold in the middle."""
    half = (bins.shape[-1] - 1) // 2
    answers = [bins[..., :half].sum(axis=-1), bins[..., half:-1].sum(axis=-1), bins[..., -1]]
    cells = np.stack(answers, axis=-1)
    return Tally(
        cells[0].astype(np.int64),
        bins=bins[0].astype(np.int64),
        edges=np.linspace(0, 1, bins.shape[-1]),
        weights=cells[1:],
        bin_weights=bins[1:],
        **more,
    )


def powers(scores, labels, weight, bins=BINS):
    """(3, ..., 3 labels, bins + 1) of rows (..., n); a weight of 0 is a row that was not kept."""
    sets = int(np.prod(scores.shape[:-1]))
    at = np.clip((scores * bins).astype(int), 0, bins - 1)
    place = np.arange(sets).reshape(*scores.shape[:-1], 1)
    flat = ((place * 3 + labels) * (bins + 1) + at).ravel()
    size = sets * 3 * (bins + 1)
    found = [np.bincount(flat, values.ravel(), size) for values in (weight > 0, weight, weight**2)]
    return np.stack(found).reshape(3, *scores.shape[:-1], 3, bins + 1)


def by_score(rng, scores):
    """Rows of low scores are sampled rarely, down to 1 in 100."""
    rate = 10 ** (-2 * (1 - scores))
    return np.where(rng.random(scores.shape) < rate, 1 / rate, 0.0)


def by_chance(rng, scores):
    """Weights of 1 to 100 that tell nothing of the row."""
    return 10 ** (2 * rng.random(scores.shape))


def drawn(rng, shape):
    scores, labels = scored(rng, int(np.prod(shape)))
    return scores.reshape(shape), labels.reshape(shape)


@pytest.mark.parametrize("name", ["auc", "average-precision"])
@pytest.mark.parametrize("positive_below", [False, True])
def test_a_value_is_that_of_scikit_learn_with_sample_weights(name, positive_below):
    rng = np.random.default_rng(1)
    scores, labels = scored(rng, 5000)
    weight = by_score(rng, scores)
    found = estimate(name, weighted_tally(powers(scores, labels, weight, 100), positive_below=positive_below))
    reference = {"auc": sk.roc_auc_score, "average-precision": sk.average_precision_score}[name]
    middle = binned(scores, LINEAR)
    expected = reference(labels, 1 - middle if positive_below else middle, sample_weight=weight)
    assert found.value == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("name", RANKINGS)
def test_equal_weights_are_plain_rows(name):
    scores, labels = scored(np.random.default_rng(2), 3000)
    plain = estimate(name, tally_of(scores, labels, LINEAR))
    found = estimate(name, weighted_tally(powers(scores, labels, np.full(3000, 0.02), 100)))
    assert found.value == pytest.approx(plain.value, rel=1e-12)
    np.testing.assert_allclose(found.spread, plain.spread, rtol=1e-9)
    np.testing.assert_allclose(found.units, plain.units, rtol=1e-12)


@pytest.mark.parametrize("sampling", [by_score, by_chance])
@pytest.mark.parametrize("name", RANKINGS)
def test_the_variance_is_that_of_repeated_samples(name, sampling):
    rng = np.random.default_rng(3)
    scores, labels = drawn(rng, (800, 3000))
    found = estimate(name, weighted_tally(powers(scores, labels, sampling(rng, scores))))
    # The standard error of a variance of 800 draws is 5 % of it; the widest of many gaps is a little steadier.
    assert found.variance.mean() == pytest.approx(found.value.var(ddof=1), rel=0.2)


def test_the_calibration_error_of_equal_weights_is_that_of_plain_rows():
    scores, labels = scored(np.random.default_rng(8), 3000)
    plain = estimate("ece", tally_of(scores, labels, LINEAR))
    found = estimate("ece", weighted_tally(powers(scores, labels, np.full(3000, 0.02), 100)))
    assert found.value == pytest.approx(plain.value, rel=1e-9)
    assert found.units == pytest.approx(plain.units)
    assert plain.spread[0] * (1 - 1e-9) <= found.spread[0] < 1.1 * plain.spread[0], "chance is at least as large"


@pytest.mark.parametrize("sampling", [by_score, by_chance])
@pytest.mark.parametrize("off", [0.0, 0.1])
def test_the_calibration_error_of_a_sampled_log_is_that_of_the_whole_one(sampling, off):
    rng = np.random.default_rng(9)
    scores = rng.beta(1.2, 2, (800, 3000))
    labels = (rng.random(scores.shape) < np.clip(scores - off, 0, 1)).astype(np.int64)
    found = estimate("ece", weighted_tally(powers(scores, labels, sampling(rng, scores), 100)))
    seen = found.value.std(ddof=1)
    whole = estimate(
        "ece", weighted_tally(powers(scores.reshape(1, -1), labels.reshape(1, -1), np.ones((1, 2_400_000)), 100))
    )
    assert found.value.mean() == pytest.approx(whole.value[0], abs=4 * seen / np.sqrt(800) + 2e-4)
    assert 0.9 * seen**2 < found.variance.mean() < 5 * seen**2, "too large rather than too small"


def test_few_effective_positives_are_not_enough():
    scores, labels = scored(np.random.default_rng(4), 1000)
    weight = np.ones(1000)
    assert estimate("auc", weighted_tally(powers(scores, labels, weight))).enough
    weight[np.flatnonzero(labels == 1)[0]] = 1e4
    assert not estimate("auc", weighted_tally(powers(scores, labels, weight))).enough


def test_scores_that_order_every_pair_have_no_variance_by_rounding():
    labels = np.arange(1000) % 2
    weight = np.random.default_rng(5).random(1000)
    found = estimate("auc", weighted_tally(powers(np.where(labels == 1, 0.9, 0.1), labels, weight)))
    assert found.value == pytest.approx(1)
    assert found.variance == 0


def test_weights_that_were_not_read_by_bin_are_never_taken_for_equal():
    tally = weighted_tally(powers(*scored(np.random.default_rng(6), 1000), np.ones(1000)))
    lacking = Tally(tally.counts, tally.bins, tally.edges, weights=tally.weights)
    with pytest.raises(ValueError, match="sample weights by bin are missing"):
        estimate("auc", lacking)


@pytest.mark.parametrize(("sampling", "rows"), [(by_score, 1200), (by_chance, 300)])
def test_looks_at_equal_models_keep_their_promises(sampling, rows):
    """Six looks at 400 pairs of equal models, weights over two orders of magnitude."""
    rng = np.random.default_rng(7)
    bins = np.zeros((3, 400, 2, 3, BINS + 1))
    crossed = {name: np.zeros(400, dtype=bool) for name in EVERY}
    missed = {name: np.zeros(400, dtype=bool) for name in EVERY}
    for _ in range(6):
        scores, labels = drawn(rng, (400, 2, rows))
        bins += powers(scores, labels, sampling(rng, scores))
        for name in EVERY:
            metric = registry.get(name)
            found = compared(metric, weighted_tally(bins))
            difference = np.where(found.enough, worse_sign(metric) * (found.candidate - found.baseline), np.nan)
            variance = found.candidate_variance + found.baseline_variance
            crossed[name] |= log_mixture(difference, variance, 0.0, found.taus) >= np.log(1 / ALPHA)
            low, high = interval(difference, variance, ALPHA, found.taus)
            missed[name] |= (low > 0) | (high < 0)
    assert found.enough.mean() > 0.9
    for name in EVERY:
        assert crossed[name].mean() <= ALPHA, name
        assert missed[name].mean() <= ALPHA, name


def test_the_variance_of_macro_f1_is_that_of_repeated_samples():
    rng = np.random.default_rng(10)
    chances = np.array([[0.3, 0.05, 0.05], [0.05, 0.25, 0.05], [0.1, 0.05, 0.1]])
    cell = rng.choice(9, size=(800, 2000), p=chances.ravel())
    weight = 10 ** (2 * rng.random(cell.shape))
    table = np.zeros((3, 800, 4, 4))
    for power in (0, 1, 2):
        np.add.at(table[power], (np.arange(800)[:, np.newaxis], cell // 3, cell % 3), weight**power)
    none = np.zeros((800, 3, 3), dtype=np.int64)
    tally = Tally(none, table[0].astype(np.int64), weights=np.zeros((2, 800, 3, 3)), bin_weights=table[1:])
    found = estimate("macro-f1", tally)
    assert found.enough.all()
    assert found.variance.mean() == pytest.approx(found.value.var(ddof=1), rel=0.2)
