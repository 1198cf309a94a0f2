"""The design effect of rows that belong to units, from random groups of units."""

from __future__ import annotations

import numpy as np
import pytest

from tierwise.stats.overdispersion import phi_of_units

GROUPS = 64


def grouped(rng, units, rows, sd, slices=1):
    """n and bad (64, slices): every unit has as many rows, and log-odds of its own."""
    n = np.full((GROUPS, slices), 0.0)
    bad = np.zeros((GROUPS, slices))
    for s in range(slices):
        group = rng.integers(0, GROUPS, units)
        odds = 0.1 / 0.9 * np.exp(rng.normal(0, sd, units))
        np.add.at(n[:, s], group, rows)
        np.add.at(bad[:, s], group, rng.binomial(rows, odds / (1 + odds)))
    return n, bad


def test_copies_of_a_row_are_as_many_times_too_sure():
    """Golden: every row five times over has a variance of five times that of independent rows."""
    rng = np.random.default_rng(1)
    n, bad = grouped(rng, 20_000, 1, 0.0, slices=60)
    np.testing.assert_allclose(np.median(phi_of_units(5 * n, 5 * bad)), 5, rtol=0.05)


def test_independent_rows_have_no_design_effect():
    found = phi_of_units(*grouped(np.random.default_rng(2), 20_000, 1, 0.0, slices=60))
    assert np.quantile(found, 0.9) == pytest.approx(1, abs=0.05)


def test_it_is_the_design_effect_of_the_units_own_rates():
    """1 + (m - 1)·ρ, ρ the units' variance of rates over p(1 - p)."""
    rng = np.random.default_rng(3)
    odds = 0.1 / 0.9 * np.exp(rng.normal(0, 1, 400_000))
    rates = odds / (1 + odds)
    rho = rates.var() / (rates.mean() * (1 - rates.mean()))
    found = phi_of_units(*grouped(rng, 5000, 20, 1.0, slices=40))
    assert np.median(found) == pytest.approx(1 + 19 * rho, rel=0.07)


def test_a_slice_with_few_errors_has_what_the_others_have():
    rng = np.random.default_rng(4)
    n, bad = grouped(rng, 5000, 20, 1.0, slices=10)
    few = np.zeros((GROUPS, 1))
    found = phi_of_units(np.hstack([n, few]), np.hstack([bad, few]))
    assert found[-1] == pytest.approx(np.median(found[:-1]), rel=0.05)
