"""How far days differ by themselves: what is beyond chance, from which slices, and how sure of few days."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tierwise.stats.days import day_bound, two_days_apart
from tierwise.stats.estimated import Moments

TAIL = 0.00125
EXACT = 1e-8  # variance by chance of very many rows


def bound(values, variance=EXACT, levels=None):
    values = np.asarray(values, dtype=float)
    count, size = values.shape
    moments = Moments(values, np.full_like(values, variance))
    apart = np.full(size, np.sqrt(1 + 1 / count))
    of = np.zeros(size, dtype=np.intp) if levels is None else np.asarray(levels)
    return day_bound(moments, apart, apart**2 * variance, of, TAIL)


def test_of_exact_days_it_is_students_prediction_bound():
    """Golden: the one-sided prediction bound of a normal sample, mean + t·s·√(1 + 1/n)."""
    values = np.array([-2.0, -1.9, -2.1, -2.05, -1.95, -2.2, -1.8])
    expected = stats.t.ppf(1 - TAIL, 6) * values.std(ddof=1) * np.sqrt(1 + 1 / 7)
    np.testing.assert_allclose(bound(values[:, np.newaxis]), expected, rtol=1e-4)


def test_two_exact_days_are_apart_by_students_quantile_of_their_difference():
    values = np.array([[-2.0], [-1.9], [-2.1], [-2.05], [-1.95]])
    found = two_days_apart(Moments(values, np.full_like(values, EXACT)), np.zeros(1, dtype=np.intp), TAIL)
    np.testing.assert_allclose(found, stats.t.ppf(1 - TAIL, 4) * values.std(ddof=1) * np.sqrt(2), rtol=1e-4)


def test_one_day_tells_nothing_of_days():
    assert bound([[-2.0, -1.0]]).tolist() == [0.0, 0.0]


def test_days_that_differ_by_chance_alone_take_little_off_most_slices():
    rng = np.random.default_rng(1)
    chance = 0.01
    found = bound(rng.normal(0, chance, (7, 400)), chance**2)
    assert np.quantile(found, 0.9) < 2 * chance


def test_slices_of_as_many_dimensions_have_one_spread_and_others_do_not_count():
    rng = np.random.default_rng(2)
    values = np.concatenate([rng.normal(0, 0.02, (7, 1)), rng.normal(0, 0.2, (7, 300))], axis=1)
    found = bound(values, levels=[0] + [1] * 300)
    assert found[0] < 0.2
    usual = np.median(found[1:])
    assert usual == pytest.approx(stats.t.ppf(1 - TAIL, 6) * 0.2 * np.sqrt(8 / 7), rel=0.05)


def test_a_slice_that_moves_far_more_than_the_others_has_its_own_spread():
    rng = np.random.default_rng(3)
    values = rng.normal(0, 0.05, (7, 100))
    values[:, 7] *= 10
    found = bound(values)
    assert found[7] > 4 * np.median(found)


def test_a_slice_that_lacks_a_day_takes_nothing_off_and_lends_nothing():
    values = np.random.default_rng(4).normal(0, 0.1, (7, 3))
    alone = bound(values[:, :2])
    values[2, 2] = np.nan
    np.testing.assert_allclose(bound(values), [*alone, 0.0])


@pytest.mark.parametrize("count", [5, 7])
def test_today_exceeds_it_as_rarely_as_was_asked_for(count):
    rng = np.random.default_rng(5)
    size = 40_000
    values, today = rng.normal(0, 0.1, (count, size)), rng.normal(0, 0.1, size)
    allowed = bound(values, levels=np.arange(size))
    exceeded = int((today - values.mean(axis=0) > allowed).sum())
    assert exceeded <= stats.binom.ppf(0.999, size, TAIL)
    assert exceeded >= stats.binom.ppf(0.001, size, TAIL)
