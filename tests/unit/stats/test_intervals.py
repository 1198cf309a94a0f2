"""Intervals of differences by inverting the bets."""

import numpy as np
import pytest

from tierwise.stats import betting, intervals


def kept_of(blocks):
    """Counts so far at the kept times, of blocks (T, 4, H)."""
    total, last, out = np.cumsum(blocks, axis=0), 0, []
    for number, counts in enumerate(total, start=1):
        if intervals.is_kept(number, last):
            out.append(counts)
            last = number
    return np.stack(out)


def stream(rng, rate, difference, size, looks, slices):
    n = rng.poisson(size, (looks, 2, slices))
    bad = rng.binomial(n, np.array([rate + difference, rate])[:, None])
    return np.stack([n[:, 0], bad[:, 0], n[:, 1], bad[:, 1]], axis=1).astype(float)


def intervals_of(blocks, rate, alpha=0.05, phi=1.0):
    size = blocks.shape[2]
    parts = np.diff(kept_of(blocks), axis=0, prepend=np.zeros((1, 4, size)))
    return intervals.difference_interval(parts, np.full(size, rate), np.full(size, phi), alpha)


def test_kept_times_thin_out_and_lag_by_a_twelfth_at_most():
    last, kept = 0, []
    for block in range(1, 2000):
        if intervals.is_kept(block, last):
            kept.append(block)
            last = block
        assert block - last <= max(1, last // 12)
    assert kept[:12] == list(range(1, 13))
    assert len(kept) < 100


def test_a_few_dozen_rows_of_a_large_drop_are_decisive():
    """The demo's own headline: 19 of 23 against 2 of 38."""
    candidate = np.linspace(0, 1, 11)[1:, None] * [23, 19]
    baseline = np.linspace(0, 1, 11)[1:, None] * [38, 2]
    kept = np.round(np.concatenate([candidate, baseline], axis=1))[:, :, None]
    parts = np.diff(kept, axis=0, prepend=np.zeros((1, 4, 1)))
    low, high = intervals.difference_interval(parts, np.array([0.05]), np.ones(1), 0.015)
    assert 0.3 < low[0] < 19 / 23 - 2 / 38 < high[0] < 1


@pytest.mark.parametrize(("rate", "difference", "size"), [(0.001, 0.0, 200), (0.05, 0.02, 100), (0.3, -0.1, 50)])
def test_intervals_shrink_around_the_truth(rate, difference, size):
    blocks = stream(np.random.default_rng(4), rate, max(difference, -rate), size, 200, 100)
    early, late = intervals_of(blocks[:20], rate), intervals_of(blocks, rate)
    assert ((late[0] <= difference) & (difference <= late[1])).mean() > 0.95
    assert np.median(late[1] - late[0]) < np.median(early[1] - early[0]) / 2


def test_swapped_arms_mirror_the_interval():
    blocks = stream(np.random.default_rng(4), 0.1, 0.05, 100, 60, 50)
    low, high = intervals_of(blocks, 0.1)
    swapped = intervals_of(blocks[:, [2, 3, 0, 1]], 0.1)
    width = high - low
    assert (np.abs(-swapped[1] - low) < 0.35 * width).all(), "the bets differ, the rows do not"
    assert ((low < -swapped[0]) & (-swapped[1] < high)).all()


def test_no_rows_reject_nothing_and_a_larger_phi_widens():
    assert [x.tolist() for x in intervals_of(np.zeros((3, 4, 1)), 0.1)] == [[-1.0], [1.0]]
    blocks = stream(np.random.default_rng(4), 0.1, 0.0, 100, 60, 50)
    plain, noisy = intervals_of(blocks, 0.1), intervals_of(blocks, 0.1, phi=4.0)
    assert (noisy[0] < plain[0]).all()
    assert (noisy[1] > plain[1]).all()


@pytest.mark.parametrize("end", [0, 1])
def test_the_ends_are_where_the_bets_reach_the_threshold(end):
    """Beyond an end the bets of the same blocks reject, just inside they do not."""
    blocks = stream(np.random.default_rng(9), 0.1, 0.03, 100, 12, 1)
    low, high = intervals_of(blocks, 0.1)
    prior, sign = 0.1, 1
    if end:  # the same on good rows
        blocks = np.stack(
            [blocks[:, 0], blocks[:, 0] - blocks[:, 1], blocks[:, 2], blocks[:, 2] - blocks[:, 3]], axis=1
        )
        low, prior, sign = -high, 0.9, -1
    most = []
    for delta in (low[0] - 0.002, low[0] + 0.004):
        logs, past, largest = np.zeros((betting.REGRESSION_ALTERNATIVES, 1)), np.zeros((4, 1)), 0.0
        for block in blocks:
            null = betting.Boundary(np.ones(1), np.array([delta]))
            betting.add_regression(logs, block, past, null, np.array([prior]))
            past = past + block
            largest = max(largest, betting.log_mean(logs, betting.REGRESSION_LOG_WEIGHTS)[0])
        most.append(largest)
    assert most[0] >= np.log(2 / 0.05) > most[1], sign
