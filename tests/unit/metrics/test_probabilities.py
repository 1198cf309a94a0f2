"""Losses and calibration against scikit-learn, a bin-by-bin oracle and repeated draws."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk

from tests.support.raw_rows import LINEAR, binned, moments, scored, squared_calibration_error, stacked, tally_of
from tierwise.metrics import registry
from tierwise.metrics.kinds.probabilities import CLIP
from tierwise.metrics.tally import Tally

LOSSES = {
    "log-loss": lambda y, p: -np.log(np.where(y == 1, np.clip(p, CLIP, 1 - CLIP), 1 - np.clip(p, CLIP, 1 - CLIP))),
    "brier": lambda y, p: (p - y) ** 2,
}
REFERENCE = {"log-loss": sk.log_loss, "brier": sk.brier_score_loss}
SCORES, LABELS = scored(np.random.default_rng(5), 20_000)


def estimate(name, tally):
    return registry.get(name).measure.estimate(tally)


def with_loss(name, scores, labels):
    return tally_of(scores, labels, sums=moments(name, LOSSES[name](labels, scores)))


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_equals_scikit_learn_on_the_raw_rows(name):
    found = estimate(name, with_loss(name, SCORES, LABELS))
    assert found.value == pytest.approx(REFERENCE[name](LABELS, SCORES), rel=1e-9)
    assert found.variance == pytest.approx(LOSSES[name](LABELS, SCORES).var(ddof=1) / len(LABELS), rel=1e-9)
    assert found.units.tolist() == [len(LABELS)]


@pytest.mark.parametrize("name", LOSSES)
def test_too_few_positives_are_not_enough_and_no_rows_are_no_value(name):
    few = np.where(np.arange(2000) < 29, 1, 0)
    found = estimate(name, stacked([with_loss(name, SCORES[:2000], few), with_loss(name, SCORES[:0], LABELS[:0])]))
    assert found.enough.tolist() == [False, False]
    assert np.isnan(found.value).tolist() == [False, True]


def test_the_calibration_error_is_that_of_its_groups_of_bins():
    found = estimate("ece", tally_of(SCORES, LABELS))
    assert found.value == pytest.approx(squared_calibration_error(binned(SCORES, LINEAR), LABELS, LINEAR), rel=1e-9)


def calibrated(rng, count, *, off=0.0):
    scores = rng.beta(1.5, 3, count)
    return scores, (rng.random(count) < np.clip(scores + off, 0, 1)).astype(np.int64)


def test_a_calibrated_model_has_no_error_on_average_and_a_shifted_one_its_square():
    rng = np.random.default_rng(9)
    for off, expected in ((0.0, 0.0), (0.05, 0.0025)):
        found = estimate("ece", stacked([tally_of(*calibrated(rng, 3000, off=off)) for _ in range(1500)]))
        error = found.value.std(ddof=1) / np.sqrt(1500)
        # A bin's middle for its mean adds at most a few hundred-thousandths here.
        assert found.value.mean() == pytest.approx(expected, abs=4 * error + 5e-5)
        seen = found.value.var(ddof=1)
        assert 0.9 * seen < found.variance.mean() < 1.7 * seen, "smoothed shares make it a little too large"


def test_low_scores_of_positives_are_turned():
    rng = np.random.default_rng(9)
    scores, labels = calibrated(rng, 5000, off=0.05)
    straight = estimate("ece", tally_of(scores, labels))
    turned = estimate("ece", tally_of(1 - scores, labels, positive_below=True))
    assert turned.value == pytest.approx(straight.value, abs=1e-4)


def test_bins_with_a_single_row_and_empty_tallies_are_left_out():
    none = tally_of(SCORES[:0], LABELS[:0])
    single = tally_of(np.array([0.105, 0.505, 0.905]), np.array([0, 1, 1]))
    found = estimate("ece", stacked([none, single]))
    assert np.isnan(found.value).all()
    assert not found.enough.any()


def test_ece_needs_the_distribution():
    with pytest.raises(ValueError, match="distribution"):
        estimate("ece", Tally(np.zeros((3, 3), dtype=np.int64)))


def test_the_calibration_errors_variance_holds_where_few_rows_are_far_off():
    # 1 % of the rows have scores near 1 and few of them are positive; the others are calibrated at 0.
    rng, size = np.random.default_rng(3), 3000
    chances = np.zeros((3, 31))
    chances[0, [0, 29]], chances[1, [0, 29]] = (0.985, 0.008), (0.005, 0.002)
    bins = rng.multinomial(20_000, chances.ravel() / chances.sum(), size=size).reshape(size, 3, 31)
    found = estimate("ece", Tally(np.zeros((size, 3, 3), dtype=np.int64), bins, np.linspace(0, 1, 31)))
    assert found.enough.all()
    assert np.median(found.variance) == pytest.approx(found.value.var(), rel=0.15)
