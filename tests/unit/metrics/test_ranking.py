"""Rankings from bins against scikit-learn, scipy and brute force on the raw rows."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk
from scipy import stats

from tests.support.raw_rows import FINE, LINEAR, LOGIT, binned, scored, stacked, tally_of
from tierwise.metrics import registry

RNG = np.random.default_rng(5)
SCORES, LABELS = scored(RNG, 20_000)
REFERENCE = {
    "auc": sk.roc_auc_score,
    "average-precision": sk.average_precision_score,
    "ks": lambda labels, scores: stats.ks_2samp(scores[labels == 1], scores[labels == 0]).statistic,
}


def estimate(name, tally):
    return registry.get(name).measure.estimate(tally)


@pytest.mark.parametrize("name", REFERENCE)
def test_a_value_is_that_of_the_binned_scores_to_the_last_digits(name):
    found = estimate(name, tally_of(SCORES, LABELS, LINEAR))
    assert found.value == pytest.approx(REFERENCE[name](LABELS, binned(SCORES, LINEAR)), rel=1e-12)


@pytest.mark.parametrize(("name", "error"), [("auc", 1e-5), ("average-precision", 1e-3), ("ks", 1e-3)])
def test_fine_bins_come_close_to_the_raw_rows(name, error):
    found = estimate(name, tally_of(SCORES, LABELS, FINE))
    assert found.value == pytest.approx(REFERENCE[name](LABELS, SCORES), abs=error)


def test_of_rare_positives_only_bins_on_the_logit_scale_tell_the_area():
    scores, labels = scored(np.random.default_rng(6), 200_000, positives=0.002, skill=2.0)
    raw = sk.roc_auc_score(labels, scores)
    assert estimate("auc", tally_of(scores, labels, LOGIT)).value == pytest.approx(raw, abs=1e-3)
    assert abs(estimate("auc", tally_of(scores, labels, LINEAR)).value - raw) > 0.02


def test_average_precision_is_too_low_from_bins():
    found = estimate("average-precision", tally_of(SCORES, LABELS, np.linspace(0, 1, 21)))
    assert found.value < REFERENCE["average-precision"](LABELS, SCORES)


def test_the_area_is_the_share_of_pairs_in_order():
    scores, labels = SCORES[:300], LABELS[:300]
    middle = binned(scores, LINEAR)
    pairs = middle[labels == 1][:, None] - middle[labels == 0][None, :]
    expected = (np.sign(pairs) + 1).mean() / 2
    assert estimate("auc", tally_of(scores, labels, LINEAR)).value == pytest.approx(expected, rel=1e-12)


def test_delongs_variance_by_his_own_formula_on_rows():
    scores, labels = SCORES[:400], LABELS[:400]
    middle = binned(scores, LINEAR)
    order = (np.sign(middle[labels == 1][:, None] - middle[labels == 0][None, :]) + 1) / 2
    of_positives, of_negatives = order.mean(axis=1), order.mean(axis=0)
    found = estimate("auc", tally_of(scores, labels, LINEAR))
    assert found.spread == pytest.approx([of_positives.var(ddof=1), of_negatives.var(ddof=1)], rel=1e-9)
    assert found.units.tolist() == [(labels == 1).sum(), (labels == 0).sum()]


@pytest.mark.parametrize("name", REFERENCE)
def test_the_variance_is_that_of_repeated_draws(name):
    rng = np.random.default_rng(8)
    draws = 1500
    found = estimate(name, stacked([tally_of(*scored(rng, 1500), LINEAR) for _ in range(draws)]))
    seen = found.value.var(ddof=1)
    # The standard error of a variance of 1500 draws is 3.7 % of it, of its mean estimate less.
    assert found.variance.mean() == pytest.approx(seen, rel=0.12)


@pytest.mark.parametrize("name", REFERENCE)
def test_low_scores_of_positives_are_turned(name):
    turned = tally_of(1 - SCORES, LABELS, LINEAR, positive_below=True)
    middle = 1 - binned(1 - SCORES, LINEAR)
    found = estimate(name, turned)
    assert found.value == pytest.approx(REFERENCE[name](LABELS, middle), rel=1e-12)
    straight = tally_of(middle, LABELS, LINEAR)
    assert found.spread == pytest.approx(estimate(name, straight).spread, rel=1e-9)


@pytest.mark.parametrize("name", REFERENCE)
def test_without_rows_of_a_label_there_is_no_value_and_never_enough(name):
    none, ones = tally_of(SCORES[:0], LABELS[:0]), tally_of(SCORES[:90], np.ones(90, dtype=np.int64))
    few = tally_of(SCORES[:40], np.arange(40) % 2)
    found = estimate(name, stacked([none, ones, few]))
    assert np.isnan(found.value).tolist() == [True, True, False]
    assert not found.enough.any()


@pytest.mark.parametrize("name", REFERENCE)
def test_perfect_order_has_no_spread_and_no_warning(name):
    labels = np.repeat([0, 1], 50)
    found = estimate(name, tally_of(np.where(labels == 1, 0.9, 0.1), labels))
    assert found.value == 1
    assert found.variance == pytest.approx(0, abs=1e-20)
    assert found.enough


@pytest.mark.parametrize("name", REFERENCE)
def test_leading_axes_are_kept_and_each_set_of_rows_is_alone(name):
    parts = [tally_of(SCORES[i::6], LABELS[i::6]) for i in range(6)]
    together = stacked(parts)
    grid = estimate(name, stacked([stacked(parts[:3]), stacked(parts[3:])]))
    assert grid.value.shape == grid.enough.shape == (2, 3)
    assert grid.spread.shape == grid.units.shape == (2, 3, 2)
    assert grid.value.ravel() == pytest.approx([float(estimate(name, part).value) for part in parts], rel=1e-12)
    assert estimate(name, together).value == pytest.approx(grid.value.ravel(), rel=1e-12)
