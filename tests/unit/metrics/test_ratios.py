"""Ratios and means of named values against numpy and repeated draws, with and without sample weights."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.raw_rows import moments
from tierwise.errors import UnknownMetricError
from tierwise.metrics import registry
from tierwise.metrics.tally import Tally
from tierwise.metrics.weighted import sums_of

NAME = "ratio@clicks/impressions"


def drawn(rng, shape):
    impressions = rng.poisson(3, shape) * 1.0
    return rng.binomial(impressions.astype(int), 0.2) + rng.poisson(0.1, shape), impressions


def ratio_sums(x, y, weight, suffix=""):
    terms = {"n": np.ones_like(y), "x": x, "y": y, "xx": x * x, "xy": x * y, "yy": y * y}
    return {f"{NAME}:{key}{suffix}": (weight * term).sum(axis=-1) for key, term in terms.items()}


def estimate(name, sums, weights=None):
    shape = next(iter(sums.values())).shape
    return registry.get(name).measure.estimate(
        Tally(np.zeros((*shape, 3, 3), dtype=np.int64), sums=sums, weights=weights)
    )


def test_a_ratio_is_the_sum_over_the_sum_with_the_variance_of_its_residuals():
    x, y = drawn(np.random.default_rng(1), 4000)
    found = estimate(NAME, ratio_sums(x, y, 1.0))
    assert found.value == pytest.approx(x.sum() / y.sum(), rel=1e-12)
    residuals = (x - found.value * y) / y.mean()
    assert found.variance == pytest.approx(residuals.var(ddof=1) / len(x), rel=1e-9)
    assert found.units.tolist() == [4000]


def test_a_ratio_varies_as_repeated_draws_do():
    x, y = drawn(np.random.default_rng(2), (2000, 400))
    found = estimate(NAME, ratio_sums(x, y, 1.0))
    # The standard error of a variance of 2000 draws is 3.2 % of it.
    assert found.variance.mean() == pytest.approx(found.value.var(ddof=1), rel=0.12)


def test_rows_sampled_with_their_weight_give_the_ratio_and_the_variance_of_the_sampled_rows():
    rng = np.random.default_rng(3)
    x, y = drawn(rng, (2000, 400))
    rate = np.where(x > 0, 1.0, 0.25)  # rows without a click are kept at a quarter
    weight = np.where(rng.random(x.shape) < rate, 1 / rate, 0.0)
    sums = ratio_sums(x, y, (weight > 0) * 1.0) | ratio_sums(x, y, weight, "*w") | ratio_sums(x, y, weight**2, "*w2")
    found = estimate(NAME, sums, weights=np.zeros((2, 2000, 3, 3)))
    everything = x.sum() / y.sum()
    assert found.value.mean() == pytest.approx(everything, abs=4 * found.value.std() / np.sqrt(2000))
    assert found.variance.mean() == pytest.approx(found.value.var(ddof=1), rel=0.12)
    assert (found.units[:, 0] < (weight > 0).sum(axis=1)).all(), "unequal weights are worth fewer rows"


def test_a_mean_is_that_of_the_finite_rows():
    values = np.random.default_rng(4).gamma(1, 5, 3000)
    found = estimate("mean@revenue", moments("mean@revenue", values))
    assert found.value == pytest.approx(values.mean(), rel=1e-12)
    assert found.variance == pytest.approx(values.var(ddof=1) / 3000, rel=1e-9)


@pytest.mark.parametrize("count", [0, 1, 99, 100])
def test_few_rows_are_not_enough(count):
    x, y = np.ones(count), np.ones(count)
    found = estimate(NAME, ratio_sums(x, y, 1.0))
    assert bool(found.enough) == (count >= 100)
    assert np.isnan(found.value) == (count == 0)


def test_a_bottom_of_zero_is_no_value():
    assert np.isnan(estimate(NAME, ratio_sums(np.ones(200), np.zeros(200), 1.0)).value)


@pytest.mark.parametrize("name", ["ratio@clicks", "ratio@clicks/", "ratio@a/b/c", "ratio@1/2", "mean@2x", "mean@a b"])
def test_a_parameter_names_values(name):
    with pytest.raises(UnknownMetricError, match=r"spec\.values"):
        registry.get(name)


def test_a_dataset_with_weights_is_asked_for_every_sum_with_the_weight_and_its_square():
    metric = registry.get("mean@revenue")
    plain, weighted = sums_of(metric, weighted=False), sums_of(metric, weighted=True)
    assert plain == metric.needs.sums
    assert [s.name for s in weighted[:3]] == ["mean@revenue:n", "mean@revenue:n*w", "mean@revenue:n*w2"]
    assert weighted[2].expression == f"{{weight}} * {{weight}} * ({plain[0].expression})"
