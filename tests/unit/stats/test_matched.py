"""Windows that are compared at the same times: traffic may come when it likes."""

from __future__ import annotations

import numpy as np
import pytest

from tierwise.stats.betting import Boundary
from tierwise.stats.history import change
from tierwise.stats.matched import begin, fold

RATES = np.where(np.arange(40) % 4 == 0, 0.25, 0.05)
HOT = np.where(np.arange(40) % 4 == 0, 600.0, 100.0)
EVEN = np.full(40, 300.0)


def matched(rows, rates, rng=None):
    """`rows` and `rates` are (windows, blocks); the blocks of a hypothesis each."""
    found = begin(len(rows), 1)
    for n, rate in zip(np.transpose(rows), np.transpose(rates), strict=True):
        bad = n * rate if rng is None else rng.binomial(n.astype(int), rate)
        found = fold(found, np.stack([n, bad])[:, :, np.newaxis])
    return found


def test_equal_rates_in_every_block_are_equal_whatever_the_traffic_was():
    n, bad = matched([HOT, EVEN], [RATES, RATES]).effective[:, :, 0]
    assert bad[0] / n[0] == pytest.approx(bad[1] / n[1])
    assert (HOT * RATES).sum() / HOT.sum() > 1.5 * (EVEN * RATES).sum() / EVEN.sum()


def test_with_the_same_traffic_hardly_a_row_is_lost_and_none_is_made():
    n, bad = matched([EVEN, EVEN], [0 * RATES + 0.1] * 2).effective[:, :, 0]
    assert np.all((n > 0.99 * EVEN.sum()) & (n <= EVEN.sum()))
    np.testing.assert_allclose(bad / n, 0.1)


def test_the_variance_is_that_of_repeated_draws():
    rng = np.random.default_rng(3)
    shares, variances = [], []
    for _ in range(200):
        n, bad = matched([HOT, EVEN], [RATES, RATES], rng).effective[:, :, 0]
        shares.append(bad / n)
        variances.append(bad / n * (1 - bad / n) / n)
    # What is stated may be larger, by what Kish's number leaves out; never clearly smaller.
    ratio = np.mean(variances, axis=0) / np.var(shares, axis=0)
    assert np.all((ratio > 0.85) & (ratio < 2))


def test_blocks_of_few_rows_are_joined_and_wait_for_the_other_window():
    few = np.full(40, 3.0)
    assert matched([few[:3], few[:3]], [RATES[:3]] * 2).weight[0] == 0
    assert matched([few, few], [RATES] * 2).weight[0] > 0.4 * few.sum()
    assert matched([few, 0 * few], [RATES] * 2).weight[0] == 0


def test_equal_hours_at_changing_traffic_lead_to_a_verdict_seldom():
    rng = np.random.default_rng(7)
    false, runs, one = 0, 60, np.ones(1)
    for _ in range(runs):
        top, found = 0.0, begin(2, 1)
        for n, rate in zip(np.stack([HOT, EVEN / 10]).T, RATES, strict=True):
            found = fold(found, np.stack([n, rng.binomial(n.astype(int), rate)])[:, :, np.newaxis])
            now, before = found.effective.swapaxes(0, 1)
            top = max(top, float(change(now, before[np.newaxis], Boundary(one, 0 * one)).log_e[0]))
        false += top >= np.log(20)
    assert false <= 0.05 * runs
