"""Balanced accuracy and Matthews' correlation against scikit-learn and repeated draws."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk

from tests.support.raw_rows import scored, stacked, tally_of
from tierwise.metrics import registry
from tierwise.metrics.tally import Tally

SCORES, LABELS = scored(np.random.default_rng(5), 20_000)
REFERENCE = {"balanced-accuracy": sk.balanced_accuracy_score, "mcc": sk.matthews_corrcoef}


def estimate(name, tally):
    return registry.get(name).measure.estimate(tally)


@pytest.mark.parametrize("name", REFERENCE)
def test_value_equals_scikit_learn_on_the_raw_rows(name):
    found = estimate(name, tally_of(SCORES, LABELS))
    assert found.value == pytest.approx(REFERENCE[name](LABELS, SCORES >= 0.5), rel=1e-12)


@pytest.mark.parametrize("name", REFERENCE)
@pytest.mark.parametrize("positives", [0.5, 0.1])
def test_the_variance_is_that_of_repeated_draws(name, positives):
    rng = np.random.default_rng(8)
    found = estimate(name, stacked([tally_of(*scored(rng, 2000, positives=positives)) for _ in range(2000)]))
    # The standard error of a variance of 2000 draws is 3.2 % of it.
    assert found.variance.mean() == pytest.approx(found.value.var(ddof=1), rel=0.12)


@pytest.mark.parametrize("name", REFERENCE)
def test_a_table_without_a_label_or_an_answer_gives_no_nan_where_there_is_enough(name):
    counts = np.zeros((5, 3, 3), dtype=np.int64)
    counts[1, 0, 0] = 100  # negatives only
    counts[2, :2, 0] = 100  # every answer is no
    counts[3, :2, 0], counts[3, 0, 1] = 100, 1
    counts[4, 0, 0] = counts[4, 1, 1] = 100  # perfect
    found = estimate(name, Tally(counts))
    assert found.enough[[0, 1]].tolist() == [False, False]
    assert np.isfinite(found.value[found.enough]).all()
    assert (found.spread[found.enough] >= 0).all()
    assert found.value[4] == 1
    assert found.variance[4] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", REFERENCE)
def test_rows_of_weight_two_count_twice_and_vary_as_fewer_rows(name):
    counts = tally_of(SCORES, LABELS).counts
    plain = estimate(name, Tally(counts))
    doubled = estimate(name, Tally(counts, weights=np.stack([2.0 * counts, 4.0 * counts])))
    assert doubled.value == pytest.approx(plain.value)
    assert doubled.variance == pytest.approx(plain.variance)
