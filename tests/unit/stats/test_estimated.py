"""Estimates beside their own past, and within strata."""

from __future__ import annotations

import numpy as np
import pytest

from tierwise.stats.estimated import PER_STRATUM, Moments, beyond_past, used_strata, within_strata

ONE = np.ones(1)


def value(x, variance=1e-4):
    return Moments(np.array([x]), np.array([variance]))


def days(*values, variance=1e-4):
    return Moments(np.array([[x] for x in values]), np.full((len(values), 1), variance))


def test_a_difference_elsewhere_is_taken_off_as_a_difference_and_a_factor_as_a_factor():
    loss, variance, _ = beyond_past(value(0.7), days(0.5), 1, ONE, elsewhere=(value(0.3), days(0.1)))
    np.testing.assert_allclose([loss[0], variance[0]], [0.0, 4e-4], atol=1e-12)
    loss, *_ = beyond_past(value(0.75), days(0.5), 1, ONE, elsewhere=(value(3.0), days(2.0)), as_factor=True)
    np.testing.assert_allclose(loss, 0.0, atol=1e-12)


def test_days_count_alike_and_a_day_tells_what_it_expects():
    loss, variance, by_day = beyond_past(value(0.7), days(0.5, 0.6), 1, ONE, elsewhere=(value(0.3), days(0.1, 0.2)))
    np.testing.assert_allclose([loss[0], variance[0]], [0.0, 3e-4], atol=1e-12)
    np.testing.assert_allclose(by_day.value[:, 0], [0.7, 0.7])
    np.testing.assert_allclose(by_day.variance[:, 0], 2e-4)


def test_the_variance_of_a_factor_is_that_of_the_simulated_product():
    rng = np.random.default_rng(1)
    means = (0.5, 3.0, 2.0)
    drawn = [rng.normal(mean, 0.01 * mean, 200_000) for mean in means]
    before, after, ahead = ((mean, (0.01 * mean) ** 2) for mean in means)
    elsewhere = (value(*after), days(ahead[0], variance=ahead[1]))
    _, variance, _ = beyond_past(
        value(0.75, 0.0), days(before[0], variance=before[1]), 1, np.full(1, 1.1), elsewhere=elsewhere, as_factor=True
    )
    np.testing.assert_allclose(variance, 1.1**2 * (drawn[0] * drawn[1] / drawn[2]).var(), rtol=0.02)


def test_less_is_worse_with_the_sign_turned_and_a_factor_of_what_is_not_positive_is_not_known():
    drop, *_ = beyond_past(value(0.8), days(0.9), -1, ONE)
    assert drop[0] == pytest.approx(0.1)
    unknown, *_ = beyond_past(value(0.1), days(0.1), 1, ONE, elsewhere=(value(-0.1), days(0.1)), as_factor=True)
    assert np.isnan(unknown[0])


def test_as_many_strata_are_used_as_have_thirty_observations_for_each_of_them():
    owner = np.array([0, 0, 0, 1, 1])
    units = np.array([[90, 200], [61, 500], [59, 900], [30, 30], [29, 29]], dtype=float)
    np.testing.assert_array_equal(used_strata(units, owner, 2), [True, True, False, True, False])


def test_strata_are_weighted_by_their_rows_and_not_by_what_was_found_in_them():
    units = np.array([[100, 300], [100, 300], [100, 300]], dtype=float)
    owner = np.zeros(3, dtype=np.intp)
    difference, variance = np.array([0.3, 0.0, 0.0]), np.array([9.0, 1.0, 1.0])
    common, spread, share = within_strata(difference, variance, units, owner, 2)
    np.testing.assert_allclose(common, [0.1, np.nan])
    np.testing.assert_allclose(spread, [11 / 9, np.nan])
    np.testing.assert_allclose(share, 1 / 3)


def test_a_stratum_of_which_nothing_is_known_is_left_out_and_not_taken_as_equal():
    units = np.full((2, 2), 10 * PER_STRATUM)
    owner = np.zeros(2, dtype=np.intp)
    common, _, share = within_strata(np.array([0.3, np.nan]), np.array([1.0, np.nan]), units, owner, 1)
    assert common[0] == pytest.approx(0.3)
    np.testing.assert_array_equal(share, [1.0, 0.0])
