"""Multiplicity, intervals, power and the traffic split."""

import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep

from tierwise.stats import intervals, multiplicity, power, split

COUNTS = np.array([[1968, 61, 2011, 9], [500, 50, 400, 60], [100, 2, 100, 3], [50, 50, 60, 59]], dtype=float).T


def test_interval_is_wider_than_a_fixed_sample_interval_but_not_absurdly():
    low, high = intervals.rate_difference_interval(COUNTS[:, :2], alpha=0.05)
    for i, (na, ka, nb, kb) in enumerate(COUNTS[:, :2].T):
        fixed = confint_proportions_2indep(ka, na, kb, nb, method="wald", compare="diff", alpha=0.05)
        assert low[i] < fixed[0]
        assert high[i] > fixed[1]
        assert high[i] - low[i] < 2.5 * (fixed[1] - fixed[0])


def test_interval_is_mirrored_when_arms_are_swapped_and_nested_in_alpha():
    low, high = intervals.rate_difference_interval(COUNTS[:, :2], alpha=0.05)
    swapped = intervals.rate_difference_interval(COUNTS[[2, 3, 0, 1], :2], alpha=0.05)
    np.testing.assert_allclose((-swapped[1], -swapped[0]), (low, high), rtol=1e-12)
    wider = intervals.rate_difference_interval(COUNTS[:, :2], alpha=0.01)
    assert (wider[0] < low).all()
    assert (wider[1] > high).all()


def test_interval_needs_ten_events_and_ten_others():
    low, high = intervals.rate_difference_interval(COUNTS[:, 2:], alpha=0.05)
    assert np.isnan(low).all()
    assert np.isnan(high).all()
    assert np.isnan(intervals.rate_difference_interval(np.zeros((4, 1)), alpha=0.05)[0]).all()


def test_holms_flags_are_those_of_statsmodels():
    rng = np.random.default_rng(3)
    for alpha in (0.01, 0.05, 0.2):
        log_sup = rng.exponential(4, 40)
        flags = multiplicity.holm(log_sup, np.zeros(40), alpha, hypotheses=40)
        expected = multipletests(np.minimum(np.exp(-log_sup), 1), alpha=alpha, method="holm")[0]
        assert flags.tolist() == expected.tolist()


def test_a_flag_needs_the_decisions_bound_first_then_less_and_follows_the_weights():
    log_e, alpha = np.log([81.0, 79.0, 50.0, 1.0]), 0.05
    assert multiplicity.holm(log_e, np.zeros(4), alpha, hypotheses=4).tolist() == [True, True, True, False]
    assert not multiplicity.holm(log_e - 0.1, np.zeros(4), alpha, hypotheses=4).any()  # 73 < 4/.05
    weights = np.log([0.5, 1.5, 1.0, 1.0])
    less = np.log([81.0, 79.0, 40.0, 1.0])  # weighted 40.5, 118.5, 40, 1 against 80, then 50
    assert multiplicity.holm(less, weights, alpha, hypotheses=4).tolist() == [False, True, False, False]
    ignored = np.array([-np.inf, 0.0, 0.0, 0.0])
    assert not multiplicity.holm(np.array([99.0, 1.0, 1.0, 1.0]), ignored, alpha, hypotheses=4).any()


def test_an_estimate_is_powered_as_a_rate_of_the_same_variance_is():
    n, rate, phi = np.array([1e3, 3e4, 3e4, 1e5]), np.full(4, 0.05), np.array([1.0, 1.0, 3.0, 3.0])
    gap = np.full(4, 0.01)
    variance = rate * (1 - rate) * 2 / n
    expected = power.powered(n, n, rate, gap, phi=phi).tolist()
    assert power.powered_by_variance(variance, gap, phi=phi).tolist() == expected == [False, True, False, True]
    assert not power.powered_by_variance(np.array([np.nan, 1e-9]), np.array([0.1, 0.0])).any()


@pytest.mark.parametrize("reserved", [0, 3])
@pytest.mark.parametrize("levels", [[0], [0, 1, 1], [0, *[1] * 20, *[2] * 200, *[3] * 500], [0, 2, 2, 2]])
def test_level_weights_have_mean_one(levels, reserved):
    weights = multiplicity.level_weights(np.array(levels), reserved)
    assert len(weights) == len(levels) + reserved
    assert weights.mean() == pytest.approx(1)
    assert (weights > 0).all()


def test_level_weights_share_by_level():
    weights = multiplicity.level_weights(np.array([0, *[1] * 20, *[2] * 200]), 0)
    by_level = weights[0], weights[1:21].sum(), weights[21:].sum()
    assert np.array(by_level) / weights.sum() == pytest.approx([0.125, 0.5, 0.375])


def test_powered_rule_by_hand():
    # margin 1 pp at 5 %: 5 · 4 · .0475 · ln 20 / 1e-4 = 28,459 per arm with equal arms
    n = np.array([28_450.0, 28_470.0])
    rate, gap = np.full(2, 0.05), np.full(2, 0.01)
    assert power.powered(n, n, rate, gap).tolist() == [False, True]
    assert not power.powered(np.array([1e9]), np.array([1e9]), np.array([0.05]), np.zeros(1)).any()
    assert not power.powered(np.zeros(1), np.zeros(1), np.zeros(1), np.array([0.01])).any()


def test_labels_needed_shrinks_with_labels_and_is_unknown_without_margin():
    rate, gap, none = np.array([0.05]), np.array([0.01]), np.zeros(1)
    spread, few_rows, more_rows = rate * (1 - rate), np.array([100.0]), np.array([900.0])
    few = power.labels_needed(few_rows, few_rows, spread, gap, none)
    more = power.labels_needed(more_rows, more_rows, spread, gap, none)
    assert few[0] - more[0] == pytest.approx(1600)
    assert np.isnan(power.labels_needed(few_rows, few_rows, spread, none, none))[0]
    assert power.labels_needed(none, none, spread, gap, none)[0] > 0
    half_way = power.labels_needed(more_rows, more_rows, spread, gap, np.array([math.log(20) / 2]))
    assert half_way[0] == pytest.approx(1800)


def test_smallest_detectable_drop_falls_with_observations():
    variance = 0.05 * 0.95 * 2 / np.array([100, 10_000, np.nan])
    found = power.smallest_detectable(variance, np.full(3, 0.005), np.full(3, math.log(4000)))
    assert found[0] > found[1] > 0.005
    assert np.isnan(found[2])


@pytest.mark.parametrize("share", [0.01, 0.2, 0.5, 0.9])
def test_split_bets_expect_at_most_one_within_ten_percent_odds(share):
    n = 60
    k = np.arange(n + 1.0)
    e = np.exp(split.split_increments(k, np.full_like(k, n), share))
    for factor in (1 / 1.1, 1.0, 1.1):
        odds = share / (1 - share) * factor
        expected = (e * stats.binom.pmf(k, n, odds / (1 + odds))).sum(axis=1)
        assert expected[[0, 1, 2] if factor == 1.1 else [3, 4, 5] if factor < 1 else slice(None)].max() <= 1 + 1e-9
        assert expected.max() <= 1 + 1e-9


def test_split_bets_are_the_same_with_arms_swapped():
    a = split.split_increments(np.float64(30), np.float64(100), 0.2)
    b = split.split_increments(np.float64(70), np.float64(100), 0.8)
    np.testing.assert_allclose(a[[3, 4, 5, 0, 1, 2]], b)


def test_lost_rows_of_an_arm_are_noticed_and_evidence_recovers_when_they_are_back():
    rng = np.random.default_rng(1)
    logs = np.zeros(6)
    for _ in range(30):
        baseline, candidate = rng.poisson(800), rng.poisson(200 * 0.7)
        bets = split.split_increments(np.float64(candidate), np.float64(baseline + candidate), 0.2)
        logs = split.add_capped(logs, bets)
    assert np.exp(logs).mean() >= split.SUSPECT_AT
    for _ in range(30):
        baseline, candidate = rng.poisson(800), rng.poisson(200)
        bets = split.split_increments(np.float64(candidate), np.float64(baseline + candidate), 0.2)
        logs = split.add_capped(logs, bets)
    assert np.exp(logs).mean() < split.SUSPECT_AT
