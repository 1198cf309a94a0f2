"""A version against the past of its own place: what is a change of the world, and what is the version's."""

from __future__ import annotations

import numpy as np

from tierwise.stats.betting import Boundary
from tierwise.stats.history import change

ONE, ZERO = np.ones(1), np.zeros(1)


def counts(n, rate, rng=None):
    bad = n * rate if rng is None else rng.binomial(n, rate)
    return np.array([[n], [bad]], dtype=float)


def log_e(*tables, ratio=ONE, delta=ZERO):
    now, before, *others = tables
    elsewhere = (others[0], others[1][np.newaxis]) if others else None
    return float(change(now, before[np.newaxis], Boundary(ratio, delta), elsewhere=elsewhere).log_e[0])


def test_a_change_that_is_everywhere_alike_is_taken_off_and_one_that_is_here_alone_is_not():
    now, before = counts(20_000, 0.08), counts(20_000, 0.05)
    assert log_e(now, before) > 20
    assert log_e(now, before, counts(50_000, 0.16), counts(50_000, 0.1)) < 1  # odds up alike
    assert log_e(now, before, counts(50_000, 0.1), counts(50_000, 0.1)) > 20


def test_within_the_tolerance_there_is_no_evidence_and_the_expected_rate_is_the_past_one():
    found = change(counts(20_000, 0.055), counts(20_000, 0.05)[np.newaxis], Boundary(ONE, np.full(1, 0.01)))
    assert found.log_e[0] < 0
    np.testing.assert_allclose(found.expected, 0.05, rtol=1e-3)
    assert log_e(counts(20_000, 0.056), counts(20_000, 0.05), ratio=np.full(1, 1.125)) < 0


def test_with_few_errors_nothing_is_concluded():
    assert log_e(counts(5_000, 0.02), counts(5_000, 0.001)) == 0
    assert log_e(counts(50, 1.0), counts(5_000, 0.1)) == 0


def test_equal_rates_lead_to_a_verdict_at_any_look_seldom():
    rng = np.random.default_rng(6)
    false, runs, looks = 0, 400, 100
    for _ in range(runs):
        bad = rng.binomial(200, 0.1, (4, looks)).cumsum(axis=1)
        n = 200.0 * np.arange(1, looks + 1)
        now, before, after, ahead = (np.stack([n, b]) for b in bad)
        wide = np.ones(looks)
        e = change(now, before[np.newaxis], Boundary(wide, 0 * wide), elsewhere=(after, ahead[np.newaxis])).log_e
        false += e.max() >= np.log(20)
    assert false <= 0.05 * runs
