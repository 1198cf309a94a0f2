import math

import numpy as np
import pytest
from scipy import optimize, stats

from tests.unit.stats import scalar
from tierwise.stats import betting, delay

PASTS = [(0, 0, 0, 0), (40, 2, 40, 1), (500, 3, 20, 0), (30, 30, 30, 0), (2000, 0, 2000, 0)]
NULLS = [  # ratio, delta, baseline rate
    (ratio, delta, rate)
    for ratio, delta in [(1.0, 0.0), (1.0, 0.005), (1.125, 0.0), (2.0, 0.0)]
    for rate in (1e-4, 1e-2, 0.2, 0.45)
]


def all_outcomes(na, nb):
    ka, kb = np.meshgrid(np.arange(na + 1.0), np.arange(nb + 1.0), indexing="ij")
    ka, kb = ka.ravel(), kb.ravel()
    return np.stack([np.full_like(ka, na), ka, np.full_like(ka, nb), kb])


def probabilities(block, rate_a, rate_b):
    return stats.binom.pmf(block[1], block[0], rate_a) * stats.binom.pmf(block[3], block[2], rate_b)


def wide(value, like):
    return np.full(like.shape[1], float(value))


def e_values(kind, block, past, ratio, delta, prior):
    return np.exp(log_e_values(kind, block, past, ratio, delta, prior))


def log_e_values(kind, block, past, ratio, delta, prior):
    past = np.broadcast_to(np.array(past, dtype=float)[:, None], block.shape) if np.ndim(past) == 1 else past
    args = (betting.Boundary(wide(ratio, block), wide(delta, block)), wide(prior, block))
    if kind == "improved":
        logs = np.zeros((3, block.shape[1]))
        betting.add_improved(logs, block, past, *args)
    elif kind == "regression":
        logs = np.zeros((betting.REGRESSION_ALTERNATIVES, block.shape[1]))
        betting.add_regression(logs, block, past, *args)
    else:
        logs = np.zeros((3, block.shape[1]))
        betting.add_non_inferior(logs, block, past, *args)
    return logs


@pytest.mark.parametrize(("ratio", "delta", "rate"), NULLS)
@pytest.mark.parametrize("kind", ["regression", "non-inferior"])
def test_expected_bet_is_at_most_one_on_the_null_and_for_every_past(kind, ratio, delta, rate):
    inside = (0.0, 0.5, 1.0) if kind == "regression" else (1.0, 1.2, 3.0)  # of the boundary's candidate rate
    for na, nb in ((20, 20), (8, 40)):
        block = all_outcomes(na, nb)
        for past in PASTS:
            for prior in (1e-3, 0.05, 0.5):
                e = e_values(kind, block, past, ratio, delta, prior)
                for share in inside:
                    rate_a = min((ratio * rate + delta) * share, 1.0)
                    assert (e * probabilities(block, rate_a, rate)).sum(axis=1).max() <= 1 + 1e-9


@pytest.mark.parametrize("rate", [1e-4, 1e-2, 0.2, 0.9])
def test_expected_bet_on_improvement_is_at_most_one_when_there_is_none(rate):
    block = all_outcomes(20, 12)
    for past in PASTS:
        e = e_values("improved", block, past, 1, 0, 0.05)
        for worse in (1.0, 1.1):
            assert (e * probabilities(block, min(rate * worse, 1.0), rate)).sum(axis=1).max() <= 1 + 1e-9


@pytest.mark.parametrize("rates", [(1e-4, 1e-4), (0.05, 0.05), (0.3, 0.3), (0.3, 0.05)])
def test_expectation_stays_at_most_one_however_rows_are_cut_into_blocks(rates):
    """Two blocks, the second bet knowing the first; and a base rate that changes between them."""
    first = all_outcomes(6, 7)
    second = all_outcomes(5, 6)
    pairs = np.repeat(np.arange(first.shape[1]), second.shape[1]), np.tile(np.arange(second.shape[1]), first.shape[1])
    one, two = first[:, pairs[0]], second[:, pairs[1]]
    zero = np.zeros_like(one)
    chance = probabilities(one, rates[0], rates[0]) * probabilities(two, rates[1], rates[1])
    for kind in ("regression", "improved"):
        split = e_values(kind, one, zero, 1, 0, 0.05) * e_values(kind, two, one, 1, 0, 0.05)
        assert (split * chance).sum(axis=1).max() <= 1 + 1e-9
        merged = e_values(kind, one + two, zero, 1, 0, 0.05)
        if rates[0] == rates[1]:
            assert (merged * chance).sum(axis=1).max() <= 1 + 1e-9


def test_log_e_equals_a_plain_python_reading_of_the_formulas():
    rng = np.random.default_rng(5)
    for ratio, delta, p0 in ((1.0, 0.0, 0.05), (1.0, 0.01, 0.02), (1.125, 0.0, 0.3)):
        n = rng.integers(5, 300, (2, 12)).astype(float)
        blocks = np.stack([n[0], rng.binomial(n[0].astype(int), 0.12), n[1], rng.binomial(n[1].astype(int), 0.05)])
        logs, past = np.zeros((betting.REGRESSION_ALTERNATIVES, 1)), np.zeros((4, 1))
        for i in range(12):
            block = blocks[:, i : i + 1]
            betting.add_regression(
                logs, block, past, betting.Boundary(np.array([ratio]), np.array([delta])), np.array([p0])
            )
            past += block
        expected = scalar.regression_log_e([tuple(blocks[:, i]) for i in range(12)], ratio, delta, p0)
        assert betting.log_mean(logs, betting.REGRESSION_LOG_WEIGHTS)[0] == pytest.approx(expected, rel=1e-10)


def test_extreme_counts_and_margins_give_finite_logs():
    extreme = np.array(
        [[5, 0, 5, 0], [5, 5, 5, 5], [5, 5, 1e7, 0], [1e7, 1e7, 5, 0], [1e6, 0, 1e6, 1e6]], dtype=float
    ).T
    for past in PASTS:
        for ratio, delta in ((1.0, 0.0), (1.0, 0.9), (1.0, 1e-9), (11.0, 0.0), (1.5, 0.2)):
            for prior in (1e-6, 0.999):
                for kind in ("regression", "non-inferior", "improved"):
                    assert np.isfinite(log_e_values(kind, extreme, past, ratio, delta, prior)).all()


def test_hypotheses_do_not_influence_each_other():
    rng = np.random.default_rng(3)
    size = 9000  # more than one chunk
    n = rng.integers(5, 300, (2, size))
    block = np.stack([n[0], rng.binomial(n[0], 0.1), n[1], rng.binomial(n[1], 0.1)]).astype(float)
    prior = rng.uniform(0.01, 0.3, size)
    args = (block * 3, betting.Boundary(np.full(size, 1.0), np.full(size, 0.01)), prior)
    logs, turned = np.zeros((betting.REGRESSION_ALTERNATIVES, size)), np.zeros((betting.REGRESSION_ALTERNATIVES, size))
    betting.add_regression(logs, block, *args)
    order = rng.permutation(size)
    betting.add_regression(turned, block[:, order], args[0][:, order], args[1], prior[order])
    np.testing.assert_allclose(turned, logs[:, order], rtol=1e-12, atol=1e-12)


def projection(counts, ratio, delta):
    """Smallest binomial divergence from the null by a general optimiser."""
    na, ka, nb, kb = counts
    low, high = max(0.0, -delta / ratio) + 1e-12, min(1.0, (1 - delta) / ratio) - 1e-12

    def divergence(cb):
        ca = ratio * cb + delta
        return sum(stats.entropy([k / n, 1 - k / n], [c, 1 - c]) * n for n, k, c in ((na, ka, ca), (nb, kb, cb)))

    return optimize.minimize_scalar(divergence, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).fun


@pytest.mark.parametrize(
    ("counts", "ratio", "delta"),
    [
        ((100, 15, 100, 5), 1.0, 0.0),
        ((1968, 61, 2011, 9), 1.125, 0.0),
        ((1000, 70, 900, 50), 1.0, 0.005),
        ((50, 50, 60, 3), 1.0, 0.0),
        ((200, 9, 200, 0), 1.0, 0.0),
    ],
)
def test_growth_equals_the_projection_on_the_null(counts, ratio, delta):
    found = delay.growth(np.array(counts, dtype=float)[:, None], np.array([ratio]), np.array([delta]))[0]
    assert found == pytest.approx(projection(counts, ratio, delta), rel=1e-6, abs=1e-9)


def test_growth_is_zero_within_the_null_and_the_same_with_arms_and_outcomes_swapped():
    counts = np.array([[100, 5, 100, 6], [100, 20, 150, 6]], dtype=float).T
    na, ka, nb, kb = counts
    one, zero = np.ones(2), np.zeros(2)
    found = delay.growth(counts, one, zero)
    assert found[0] == 0
    np.testing.assert_allclose(delay.growth(np.stack([nb, nb - kb, na, na - ka]), one, zero), found, rtol=1e-8)


@pytest.mark.parametrize(("p0", "p1"), [(0.05, 0.15), (0.01, 0.03), (0.02, 0.07)])
def test_bets_grow_at_three_quarters_of_the_best_rate_once_the_rates_are_known(p0, p1):
    past = np.array([1e5, 1e5 * p1, 1e5, 1e5 * p0])[:, None]
    block = np.array([100, 100 * p1, 100, 100 * p0])[:, None]  # the increment is linear in the outcomes
    logs = np.zeros((betting.REGRESSION_ALTERNATIVES, 1))
    betting.add_regression(logs, block, past, betting.Boundary(np.ones(1), np.zeros(1)), np.array([p0]))
    assert logs.max() >= 0.75 * projection((100, 100 * p1, 100, 100 * p0), 1.0, 0.0)


def test_blocks_wait_until_both_arms_have_five_observations():
    pending = np.array([[5, 0, 4, 0], [5, 5, 5, 0], [1000, 3, 4, 4], [4, 4, 1000, 3]], dtype=float).T
    assert betting.ready(pending).tolist() == [False, True, False, False]


@pytest.mark.parametrize("ends", [(60, 120, 3600), (3600,), (7200,), (1000, 3600, 9000)])
def test_stakes_of_late_onset_sum_to_one_and_wait_until_they_begin(ends):
    late = betting.LateOnset(3600)
    before, logs = 0.0, np.full((betting.REGRESSION_ALTERNATIVES, 1), math.log(late.first))
    for end in ends:
        logs = betting.begin_more(logs, late.begun(before, end))
        assert betting.log_e_of(logs, betting.REGRESSION_LOG_WEIGHTS, late.later(end)) == pytest.approx(0)
        before = end


def test_what_begins_late_has_lost_nothing():
    late = betting.LateOnset(3600)
    lost = np.full((betting.REGRESSION_ALTERNATIVES, 1), math.log(late.first) - 50.0)
    logs = betting.begin_more(lost, late.begun(0, 1800))
    assert np.exp(betting.log_e_of(logs, betting.REGRESSION_LOG_WEIGHTS, late.later(1800)))[0] == pytest.approx(0.5)
