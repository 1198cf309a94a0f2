from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from tierwise.simulation.peers.kayenta import MannWhitneyJudge, is_high
from tierwise.simulation.peers.ranks import mann_whitney_z
from tierwise.simulation.peers.registry import Judged, peers
from tierwise.simulation.peers.rules import Look, RepeatedZTest, Threshold, Values


def first_stops(rule, looks):
    """The look (from 1) at which each run is stopped, inf for never; looks have shape (4, runs, H)."""
    at = np.full(looks[0].shape[1], math.inf)
    for number, block in enumerate(looks, start=1):
        stopped = rule.look(block)
        at[stopped & np.isinf(at)] = number
    return at


def a_look(candidate: tuple[int, int], baseline: tuple[int, int]) -> np.ndarray:
    """One run, one hypothesis."""
    return np.array([*candidate, *baseline], dtype=np.float64).reshape(4, 1, 1)


def test_mann_whitney_agrees_with_scipy_also_with_ties_and_missing_points():
    rng = np.random.default_rng(1)
    x, y = rng.poisson(3, (20, 15)).astype(float), rng.poisson(2.5, (20, 12)).astype(float)
    x[::3, 4], y[::4, :2] = np.nan, np.nan

    found = mann_whitney_z(x, y)

    for z, a, b in zip(found, x, y, strict=True):
        oracle = stats.mannwhitneyu(
            a[np.isfinite(a)], b[np.isfinite(b)], alternative="two-sided", method="asymptotic"
        ).pvalue
        assert 2 * stats.norm.sf(abs(z)) == pytest.approx(oracle, rel=1e-9) or oracle == 1.0


def test_series_that_are_all_the_same_are_not_high():
    same = np.full((1, 12), 0.05)
    assert not is_high(same, same).any()


def test_high_is_a_confidence_bound_above_a_quarter_of_the_hodges_lehmann_difference():
    rng = np.random.default_rng(2)
    for shift in (0.0, 0.4, 0.7, 1.0, 2.0):
        x, y = rng.normal(shift, 1, (1, 25)), rng.normal(0, 1, (1, 25))
        differences = np.sort((x[0][:, None] - y[0][None, :]).ravel())
        bounds = [d for d in differences if mann_whitney_z(x - d + 1e-9, y)[0] > stats.norm.isf(0.01)]
        lower = max(bounds, default=-math.inf)
        assert is_high(x, y)[0] == (lower > 0.25 * abs(np.median(differences)))


def test_a_z_test_uses_all_counts_so_far_and_the_pooled_variance():
    rule = RepeatedZTest(0.05)
    assert not rule.look(a_look((100, 12), (100, 10)))[0]
    # Together 32 of 200 against 19 of 200: z = 1.95, p = .026.
    assert rule.look(a_look((100, 20), (100, 9)))[0]


def test_a_z_test_beyond_the_tolerance_is_not_moved_by_a_difference_within_it():
    equal, tolerant = RepeatedZTest(0.05), RepeatedZTest(0.05, 0.05)
    look = a_look((10_000, 600), (10_000, 500))
    assert equal.look(look)[0]
    assert not tolerant.look(look)[0]


def test_nothing_is_concluded_from_an_empty_arm():
    look = a_look((0, 0), (100, 10))
    assert not RepeatedZTest(0.05).look(look)[0]
    assert not Threshold(np.array([0.01]), 0).look(look)[0]
    assert not MannWhitneyJudge(1, every=1).look(look)[0]


def test_a_threshold_fails_at_the_first_measurement_above_the_failure_limit_though_not_in_sequence():
    above, below = a_look((100, 9), (100, 5)), a_look((100, 5), (100, 5))
    stops = {
        limit: first_stops(Threshold(np.array([0.06]), limit, window=1), [above, below, above, above, above])[0]
        for limit in (0, 3, 10)
    }
    assert stops == {0: 1, 3: 5, 10: math.inf}


def test_one_bad_slice_of_many_passes_the_judge_unless_each_is_critical():
    rng = np.random.default_rng(3)
    looks = []
    for _ in range(30):
        bad = rng.binomial(200, 0.05, (2, 1, 50)).astype(float)
        bad[0, 0, 0] = rng.binomial(200, 0.25)
        n = np.full((1, 50), 200.0)
        looks.append(np.stack([n, bad[0], n, bad[1]]))
    assert math.isinf(first_stops(MannWhitneyJudge(30, every=10), looks)[0])
    assert first_stops(MannWhitneyJudge(30, every=10, critical=True), looks)[0] == 10


def test_every_peer_sees_a_drop_in_its_only_slice_and_has_a_name_of_its_own():
    rng = np.random.default_rng(4)
    n = np.full((1, 1), 500.0)
    looks = [
        np.stack([n, rng.binomial(500, 0.2, (1, 1)).astype(float), n, rng.binomial(500, 0.05, (1, 1)).astype(float)])
        for _ in range(60)
    ]
    rules = peers(Judged(np.array([0.05]), np.array([0.01]), np.array([0.005])), alpha=0.05, looks=60)
    assert len({rule.name for rule in rules}) == len(rules)
    assert all(first_stops(rule.begin(), looks)[0] <= 60 for rule in rules)


def values_look(candidate: float, baseline: float = 1.0) -> Look:
    """One run of one metric that is no proportion, the same in the last five looks as in this one."""
    one = np.array([[candidate]])
    return Look(np.zeros((4, 1, 0)), one, np.array([[baseline]]), one)


def test_a_threshold_on_a_value_fails_beyond_the_usual_one_and_where_less_is_as_bad_below_it_too():
    either = [Threshold(np.zeros(0), 0, values=Values(np.array([1.0]), np.array([0.2]), np.array([x]))) for x in (0, 1)]
    stops = [[bool(rule.look(values_look(value))[0]) for value in (1.1, math.nan, 0.7)] for rule in either]
    assert stops == [[False, False, False], [False, False, True]]
    assert Threshold(np.zeros(0), 0, values=Values(np.array([1.0]), np.array([0.2]), np.array([False]))).look(
        values_look(1.3)
    )[0]


@pytest.mark.parametrize(("value", "either", "stopped"), [(1.3, False, True), (0.7, False, False), (0.7, True, True)])
def test_the_judge_compares_values_per_look_as_it_compares_rates(value, either, stopped):
    rng = np.random.default_rng(5)
    rule = MannWhitneyJudge(20, every=20, either=np.array([either]))
    found = [rule.look(values_look(value + rng.normal(0, 0.05), 1.0 + rng.normal(0, 0.05)))[0] for _ in range(20)]
    assert found[-1] == stopped


def test_tests_of_proportions_say_which_metrics_they_cannot_judge():
    values = Values(np.array([0.8]), np.array([0.02]), np.array([False]))
    rules = peers(Judged(*np.zeros((3, 0)), values=values, estimated=("auc",)), alpha=0.05, looks=9)
    by_name = {rule.name: rule for rule in rules}
    assert by_name["z-test"].not_judged == ("auc",)
    assert not by_name["z-test"].judges
    assert by_name["threshold-0"].judges
    assert not any(rule.begin().look(values_look(0.8, 0.8))[0] for rule in rules)
