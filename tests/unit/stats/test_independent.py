"""Decisions and boundaries against an independent implementation of anytime-valid inference."""

from __future__ import annotations

import numpy as np
import pytest
from ville import normal_mixture

from tierwise.stats import intervals, mixture


@pytest.mark.parametrize("alpha", [0.001, 0.05])
def test_intervals_are_the_normal_mixture_boundary_of_an_independent_source(alpha):
    counts = np.array([[1968, 61, 2011, 19], [5000, 500, 400, 60], [90, 30, 100, 20]], dtype=float).T
    tau = 0.02
    low, high = intervals.rate_difference_interval(counts, alpha=alpha, tau=tau)
    variance = intervals.rate_difference_variance(counts)
    half = normal_mixture(1 / variance, alpha, 1 / tau**2) * variance
    difference = counts[1] / counts[0] - counts[3] / counts[2]
    np.testing.assert_allclose(low, np.maximum(difference - half, -1), rtol=1e-9)
    np.testing.assert_allclose(high, np.minimum(difference + half, 1), rtol=1e-9)


@pytest.mark.parametrize("alpha", [0.05, 1e-4, 1e-8])
@pytest.mark.parametrize("tau", [0.01, 0.1])
def test_evidence_of_the_mixture_is_one_over_alpha_exactly_on_the_one_sided_boundary(alpha, tau):
    variance = np.geomspace(1e-7, 1e-2, 12)
    delta = 0.005
    boundary = normal_mixture(1 / variance, alpha, 1 / tau**2, one_sided=True) * variance
    found = mixture.log_mixture(delta + boundary, variance, delta, np.array([tau]))
    np.testing.assert_allclose(found, -np.log(alpha), rtol=1e-8)
    low, high = mixture.interval(np.full(12, 0.1), variance, 2 * alpha, np.array([tau]))
    np.testing.assert_allclose(high, 0.1 + boundary, rtol=1e-7)
    np.testing.assert_allclose(low, 0.1 - boundary, rtol=1e-7)
