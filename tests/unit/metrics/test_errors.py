"""Errors of numbers against scikit-learn and repeated draws."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as sk

from tests.support.raw_rows import moments
from tierwise.errors import UnknownMetricError
from tierwise.metrics import registry
from tierwise.metrics.tally import Tally

RNG = np.random.default_rng(3)
LABEL = RNG.gamma(2, 10, 5000)
SCORE = LABEL + RNG.normal(1, 5, 5000) * (1 + LABEL / 50)
PER_ROW = {
    "mae": lambda s, y: abs(s - y),
    "rmse": lambda s, y: (s - y) ** 2,
    "bias": lambda s, y: s - y,
    "pinball@0.9": lambda s, y: np.maximum(0.9 * (y - s), 0.1 * (s - y)),
}
SUM = {"rmse": "squared-error"}
REFERENCE = {
    "mae": lambda s, y: sk.mean_absolute_error(y, s),
    "rmse": lambda s, y: sk.root_mean_squared_error(y, s),
    "bias": lambda s, y: s.mean() - y.mean(),
    "pinball@0.9": lambda s, y: sk.mean_pinball_loss(y, s, alpha=0.9),
}


def estimate(name, score, label):
    """Estimates of one or several sets of rows, (rows,) or (sets, rows)."""
    loss = PER_ROW[name](score, label)
    parts = [moments(SUM.get(name, name), row) for row in np.atleast_2d(loss)]
    sums = {key: np.array([part[key] for part in parts]) for key in parts[0]}
    return registry.get(name).measure.estimate(Tally(np.zeros((len(parts), 3, 3), dtype=np.int64), sums=sums))


@pytest.mark.parametrize("name", REFERENCE)
def test_value_equals_scikit_learn_on_the_raw_rows(name):
    assert estimate(name, SCORE, LABEL).value[0] == pytest.approx(REFERENCE[name](SCORE, LABEL), rel=1e-9)


@pytest.mark.parametrize("name", REFERENCE)
def test_the_variance_is_that_of_repeated_draws(name):
    rng = np.random.default_rng(4)
    label = rng.gamma(2, 10, (2000, 500))
    found = estimate(name, label + rng.normal(1, 5, (2000, 500)) * (1 + label / 50), label)
    # The standard error of a variance of 2000 draws is 3.2 % of it.
    assert found.variance.mean() == pytest.approx(found.value.var(ddof=1), rel=0.13)


@pytest.mark.parametrize("name", REFERENCE)
def test_no_rows_one_row_and_perfect_rows(name):
    for score, enough in ((LABEL[:0], False), (LABEL[:1], False), (LABEL, True)):
        found = estimate(name, score[None], LABEL[: len(score)][None])
        assert found.enough.tolist() == [enough]
        assert np.isnan(found.value[0]) == (len(score) == 0)
        if enough:
            assert found.value[0] == 0
            assert found.variance[0] == 0


def test_bias_is_worse_in_either_direction():
    assert registry.get("bias").direction == "Either"


@pytest.mark.parametrize("parameter", ["0", "1", "1.5", "-0.1", "nan", "median"])
def test_a_quantile_lies_between_0_and_1(parameter):
    with pytest.raises(UnknownMetricError, match=r"is not a quantile between 0 and 1; write pinball@Q"):
        registry.get(f"pinball@{parameter}")
