"""The Gaussian mixture against numerical integration, its invariants and its edges."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from tierwise.stats.mixture import TAUS, interval, log_mixture


def integrated(difference: float, variance: float, delta: float, tau: float) -> float:
    """Log of the likelihood ratio, integrated over the half-normal prior of how far D is beyond Δ."""
    peak = max((difference - delta) * tau**2 / (tau**2 + variance), 0.0)

    def ratio(beyond: float) -> float:
        return 2 * stats.norm.pdf(beyond, 0, tau) * np.exp(((difference - delta) * beyond - beyond**2 / 2) / variance)

    edges = [peak * share for share in (0.5, 0.9, 1.1, 1.5)] if peak else [tau / 100, tau / 10, tau]
    return float(np.log(integrate.quad(ratio, 0, peak + 12 * tau, points=edges, limit=2000)[0]))


@pytest.mark.parametrize(
    ("difference", "variance", "delta", "tau"),
    [(0.02, 1e-4, 0.01, 0.03), (-0.2, 1e-4, 0.0, 0.1), (0.3, 1e-3, 0.0, 0.01), (0.05, 4e-4, 0.01, 0.1)],
)
def test_it_is_the_likelihood_ratio_averaged_over_the_prior(difference, variance, delta, tau):
    found = log_mixture(np.array([difference]), np.array([variance]), delta, np.array([tau]))
    assert found[0] == pytest.approx(integrated(difference, variance, delta, tau), rel=1e-6, abs=1e-8)


def test_the_default_averages_three_scales():
    difference, variance = np.array([0.02]), np.array([1e-4])
    each = [log_mixture(difference, variance, 0.0, np.array([tau]))[0] for tau in TAUS]
    assert log_mixture(difference, variance, 0.0)[0] == pytest.approx(np.log(np.mean(np.exp(each))))


def test_scales_may_differ_between_hypotheses():
    difference, variance = np.array([0.02, 0.2]), np.array([1e-4, 1e-2])
    taus = np.array([[0.01, 0.1], [0.03, 0.3]])
    alone = [log_mixture(difference[[i]], variance[[i]], 0.0, taus[:, i])[0] for i in range(2)]
    assert log_mixture(difference, variance, 0.0, taus) == pytest.approx(alone)


def test_a_change_of_unit_changes_nothing():
    difference, variance = np.array([0.02]), np.array([1e-4])
    in_percent = log_mixture(100 * difference, 1e4 * variance, 1.0, 100 * TAUS)
    assert in_percent == pytest.approx(log_mixture(difference, variance, 0.01))


def test_the_expectation_is_one_on_the_boundary_and_less_within_the_null():
    variance = 2e-4
    for truth in (0.01, 0.0, -0.05):
        grid = np.linspace(truth - 0.2, truth + 0.6, 20001)  # the evidence's share of e is far out: τ is .1
        log_density = stats.norm.logpdf(grid, truth, np.sqrt(variance))
        log_e = log_mixture(grid, np.full_like(grid, variance), 0.01)
        expected = integrate.trapezoid(np.exp(log_e + log_density), grid)
        assert expected <= 1 + 1e-6
        if truth == 0.01:
            assert expected == pytest.approx(1.0, abs=1e-4)


def test_what_cannot_be_computed_is_no_evidence():
    difference = np.array([np.nan, 0.5, 0.5, 0.5, np.inf, -1e6])
    variance = np.array([1e-4, 0.0, np.nan, -1.0, 1e-4, 1e-12])
    found = log_mixture(difference, variance, 0.0)
    assert found[:5].tolist() == [0.0] * 5
    assert -50 < found[5] < 0, "far on the good side: little is lost, nothing overflows"
    assert log_mixture(np.array([0.1]), np.array([1e-4]), 0.0, np.array([np.nan]))[0] == 0.0


def test_the_interval_is_what_the_evidence_does_not_reject():
    variance, alpha = np.array([1e-6, 1e-4, 1e-2]), 0.05
    low, high = interval(np.full(3, 0.1), variance, alpha)
    for end, sign in ((low, 1), (high, -1)):
        found = log_mixture(np.full(3, sign * 0.1), variance, sign * end)
        assert found == pytest.approx(np.full(3, np.log(2 / alpha)), rel=1e-5)
    assert np.isnan(interval(np.array([0.1]), np.array([0.0]), alpha)).all()


def test_without_a_scale_there_is_no_interval_and_no_warning():
    # τ is a share of one row's standard deviation, which is 0 while all rows are alike.
    with np.errstate(all="raise"):
        low, high = interval(np.full(3, 0.1), np.full(3, 1e-4), 0.05, np.array([[0.0, np.nan, 0.03]]))
    assert np.isnan(low[:2]).all()
    assert low[2] < 0.1 < high[2]
