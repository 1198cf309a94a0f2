from __future__ import annotations

import math

import numpy as np
import pytest

from tierwise.stats import betting, delay, power

THRESHOLD = math.log(44 / 0.015)
# Baseline rate, candidate rate, tolerance, labels of the candidate and of the baseline per look.
CASES = [
    (0.01, 0.03, 0.0, 100, 100),
    (0.05, 0.07, 0.005, 100, 100),
    (0.05, 0.125, 0.02, 20, 180),
    (0.2, 0.3, 0.05, 50, 50),
    (0.001, 0.005, 0.0005, 400, 400),
]


def expected(p0, p1, delta, na, nb, threshold=THRESHOLD):
    rates = np.array([[na], [na * p1], [nb], [nb * p0]], dtype=float)
    return float(delay.seconds_to_regression(rates, np.ones(1), np.array([delta]), np.array([threshold]))[0])


def median_looks(p0, p1, delta, na, nb, runs=300):
    """Of the e-process itself, look by look."""
    rng = np.random.default_rng(5)
    logs, past, at = np.zeros((betting.REGRESSION_ALTERNATIVES, runs)), np.zeros((4, runs)), np.full(runs, math.inf)
    prior, ratio, deltas = np.full(runs, p0), np.ones(runs), np.full(runs, delta)
    look = 0
    while np.isinf(at).mean() > 0.4:
        look += 1
        n_a, n_b = rng.poisson(na, runs), rng.poisson(nb, runs)
        block = np.stack([n_a, rng.binomial(n_a, p1), n_b, rng.binomial(n_b, p0)]).astype(float)
        betting.add_regression(logs, block, past, betting.Boundary(ratio, deltas), prior)
        past += block
        crossed = betting.log_mean(logs, betting.REGRESSION_LOG_WEIGHTS) >= THRESHOLD
        at[crossed & np.isinf(at)] = look
    return float(np.median(at))


@pytest.mark.parametrize("case", CASES)
def test_the_time_to_a_regression_is_that_of_the_e_process_within_its_stated_range(case):
    assert 0.7 <= median_looks(*case) / expected(*case) <= 1.2


def test_within_the_tolerance_or_without_rows_there_is_no_regression_to_wait_for():
    assert math.isinf(expected(0.05, 0.06, 0.01, 100, 100))
    assert math.isinf(expected(0.05, 0.2, 0.0, 0, 100))


def test_the_smallest_regression_takes_just_the_time_there_is():
    rows = (np.array([20.0, 0.001]), np.array([80.0, 0.004]))
    rate, threshold = np.array([0.05, 0.05]), np.full(2, THRESHOLD)
    ratio, delta = np.ones(2), np.full(2, 0.01)

    found = delay.smallest_regression(rows, rate, ratio, delta, threshold, 60.0)

    assert expected(0.05, found[0], 0.01, 20, 80) == pytest.approx(60, rel=1e-3)
    assert math.isnan(found[1])


def test_what_is_powered_passes_almost_surely_within_the_time_it_was_powered_for():
    rate, gap = np.array([0.05]), np.array([0.01])
    rows = (np.array([10.0]), np.array([40.0]))
    sure = float(delay.seconds_to_pass(rows, rate, gap)[0]) * power.POWER_FACTOR
    for seconds, is_powered in ((sure * 1.001, True), (sure * 0.999, False)):
        counts = (rows[0] * seconds, rows[1] * seconds)
        assert bool(power.powered(*counts, rate, gap)[0]) is is_powered
