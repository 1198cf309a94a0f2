"""Proportions of sampled rows: inverse sampling rates as weights."""

from __future__ import annotations

import numpy as np
import pytest

from tierwise.metrics import registry
from tierwise.metrics.tally import Tally
from tierwise.metrics.weighted import weighted


def sampled(rng, shape, *, rate=0.1, kept=0.2):
    """Rows of negatives, bad (answered positive) at `rate`; good rows are kept at `kept` with weight 1/kept."""
    bad = rng.random(shape) < rate
    weight = np.where(bad, 1.0, np.where(rng.random(shape) < kept, 1 / kept, 0.0))
    return bad, weight


def tally(bad, weight):
    def cells(values):
        out = np.zeros((*bad.shape[:-1], 3, 3))
        out[..., 0, 1], out[..., 0, 0] = (values * bad).sum(axis=-1), (values * ~bad).sum(axis=-1)
        return out

    rows = cells(weight > 0).astype(np.int64)
    return Tally(rows, weights=np.stack([cells(weight), cells(weight**2)]))


def estimate(bad, weight):
    return weighted(registry.get("false-positive-rate").measure, tally(bad, weight))


def test_a_sampled_log_gives_the_rate_of_the_whole_one_with_its_variance():
    bad, weight = sampled(np.random.default_rng(1), (3000, 1000))
    found = estimate(bad, weight)
    assert found.value.mean() == pytest.approx(0.1, abs=4 * found.value.std() / np.sqrt(3000))
    # The standard error of a variance of 3000 draws is 2.6 % of it.
    assert found.variance.mean() == pytest.approx(found.value.var(ddof=1), rel=0.1)


def test_equal_weights_are_plain_rows():
    bad, _ = sampled(np.random.default_rng(2), (1000,))
    found = estimate(bad, np.full(1000, 3.0))
    assert found.value == pytest.approx(bad.mean())
    assert found.variance == pytest.approx(bad.var(ddof=1) / 1000)
    assert found.units.tolist() == [1000]


def test_few_bad_or_few_good_rows_are_not_enough():
    for count, enough in ((9, False), (10, True), (991, False)):
        assert bool(estimate(np.arange(1000) < count, np.ones(1000)).enough) == enough
    assert not estimate(np.zeros(0, dtype=bool), np.zeros(0)).enough
    assert np.isnan(estimate(np.zeros(0, dtype=bool), np.zeros(0)).value)


def test_one_row_of_a_very_large_weight_is_not_many_rows():
    bad = np.arange(1000) < 50
    weight = np.where(np.arange(1000) == 0, 1e6, 1.0)
    assert not estimate(bad, weight).enough


def test_shares_that_the_store_counts_are_weighted_by_their_sums():
    name = "latency-over@200"
    sums = {f"{name}:n": 2.0, f"{name}:n*w": 40.0, f"{name}:n*w2": 1600.0, f"{name}:bad": 1.0}
    sums |= {f"{name}:bad*w": 10.0, f"{name}:bad*w2": 100.0}
    found = weighted(
        registry.get(name).measure,
        Tally(
            np.zeros((3, 3), dtype=np.int64),
            sums={key: np.array(x) for key, x in sums.items()},
            weights=np.zeros((2, 3, 3)),
        ),
    )
    assert found.value == 0.25


@pytest.mark.parametrize(("heavy", "enough"), [(1.0, True), (1e3, False)])
def test_a_loss_needs_effective_positives_and_negatives(heavy, enough):
    weight = np.where(np.arange(200) == 0, heavy, 1.0)
    label = np.arange(200) % 2
    score = np.where(label == 1, 0.7, 0.4)
    loss = np.square(score - label)
    cells = np.zeros((2, 3, 3))
    for power in (1, 2):
        np.add.at(cells[power - 1], (label, (score >= 0.5).astype(int)), weight**power)
    powers = {"": np.ones(200), "*w": weight, "*w2": weight**2}
    of_rows = {"n": np.ones(200), "x": loss, "xx": loss**2}
    sums = {f"brier:{k}{s}": np.array((w * x).sum()) for s, w in powers.items() for k, x in of_rows.items()}
    found = registry.get("brier").measure.estimate(Tally(np.full((3, 3), 50), sums=sums, weights=cells))
    assert found.value == pytest.approx(np.average(loss, weights=weight))
    assert bool(found.enough) == enough
