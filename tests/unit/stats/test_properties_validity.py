"""E[e] ≤ 1 on the null, computed exactly over all outcomes, for rates, pasts and arms that hypothesis picks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from tests.calibration.streams import BettingTest
from tierwise.stats import betting, split

SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ROUNDING = 1e-9

rates = st.one_of(
    st.sampled_from([0.0, 1e-6, 1e-4, 0.5, 0.999, 1.0]), st.floats(-5, 0, allow_nan=False).map(lambda x: 10**x)
)
ratios = st.sampled_from([1.0, 1.02, 1.125, 2.0, 5.0])
deltas = st.sampled_from([0.0, 1e-5, 0.005, 0.1, 0.6])
shares = st.one_of(st.just(1.0), st.floats(0, 1))  # how far inside the null the candidate is
phis = st.sampled_from([1.0, 1.0, 1.7, 40.0])


@st.composite
def pasts(draw):
    """Counts of earlier blocks, possible or absurd: a bet must be fair after any of them."""
    na, nb = draw(st.integers(0, 5000)), draw(st.integers(0, 5000))
    return np.array([na, draw(st.integers(0, na)), nb, draw(st.integers(0, nb))], dtype=float)[:, None]


@st.composite
def nulls(draw):
    """(R, Δ) and a baseline rate whose boundary is a rate."""
    ratio, delta, rate = draw(ratios), draw(deltas), draw(rates)
    return ratio, delta, min(rate, (1 - delta) / ratio)


arms = st.tuples(st.integers(5, 25), st.integers(5, 25))


def outcomes(na, nb):
    """All counts (4, outcomes) of one block."""
    ka, kb = (x.ravel().astype(float) for x in np.meshgrid(np.arange(na + 1), np.arange(nb + 1), indexing="ij"))
    return np.stack([np.full_like(ka, na), ka, np.full_like(ka, nb), kb])


def chance(block, rate_a, rate_b):
    rate_a, rate_b = (0.0 if rate < 1e-300 else rate for rate in (rate_a, rate_b))  # scipy overflows below
    return stats.binom.pmf(block[1], block[0], rate_a) * stats.binom.pmf(block[3], block[2], rate_b)


def add(kind, logs, block, past, ratio, delta, prior, phi):
    past, size = np.broadcast_to(past, block.shape), block.shape[1]
    wide = [np.full(size, x) for x in (ratio, delta, prior)]
    step = {
        "improved": betting.add_improved,
        "regression": betting.add_regression,
        "non-inferior": betting.add_non_inferior,
    }[kind]
    step(logs, block, past, betting.Boundary(*wide[:2]), wide[2], phi=np.full(size, phi))


@pytest.mark.parametrize("kind", ["regression", "non-inferior", "improved"])
@given(nulls(), shares, arms, st.one_of(st.none(), pasts()), st.floats(1e-6, 0.999), phis)
@SETTINGS
def test_every_bet_of_every_family_expects_at_most_one(kind, null, inside, sizes, past, prior, phi):
    ratio, delta, rate = null if kind != "improved" else (1.0, 0.0, null[2])
    boundary = min(ratio * rate + delta, 1.0)
    candidate = boundary * inside if kind == "regression" else 1 - (1 - boundary) * inside
    if past is None:  # a past that knows the rates: bets are never larger
        past = 1e6 * np.array([1, candidate, 1, rate])[:, None]
    block = outcomes(*sizes)
    logs = np.zeros((betting.REGRESSION_ALTERNATIVES if kind == "regression" else 3, block.shape[1]))
    add(kind, logs, block, past, ratio, delta, prior, phi)
    assert (np.exp(logs) * chance(block, candidate, rate)).sum(axis=1).max() <= 1 + ROUNDING


@given(st.floats(0.001, 0.2), rates, shares, arms, pasts())
@SETTINGS
def test_a_bet_on_any_other_gap_is_fair_too(gap, rate, inside, sizes, past):
    """Expectations of a range bet on a gap of their own."""
    block = outcomes(*sizes)
    size = block.shape[1]
    logs, wide = np.zeros((3, size)), np.ones(size)
    rate = min(rate, 0.98)
    candidate = rate + 0.02 + (0.98 - rate) * (1 - inside)
    past = np.broadcast_to(past, block.shape)
    betting.add_non_inferior(logs, block, past, betting.Boundary(wide, 0.02 * wide, gap * wide), 0.05 * wide)
    assert (np.exp(logs) * chance(block, candidate, rate)).sum(axis=1).max() <= 1 + ROUNDING


def blocks_of(rows, count):
    return st.lists(st.tuples(rows, rows), min_size=count, max_size=count)


@pytest.mark.parametrize("kind", ["regression", "non-inferior"])
@given(
    # Blocks of three or four rows join the next one.
    st.one_of(blocks_of(st.integers(5, 8), 2), blocks_of(st.integers(3, 4), 3)),
    st.lists(rates, min_size=3, max_size=3),
    st.sampled_from([(1.0, 0.0), (1.125, 0.0), (1.0, 0.02)]),
    st.sampled_from([0, 3]),
)
@settings(max_examples=15, deadline=None)
def test_however_rows_are_cut_and_bets_begin_the_whole_expects_at_most_one(kind, cut, drift, null, late_over):
    """Blocks of any sizes, rates that drift between them, bets that begin with each.

    Not within a block that was joined of small ones: there drift does harm when the split of the traffic moves with it.
    """
    if len(cut) == 3:
        drift = drift[:1] * 3
    ratio, delta = null
    blocks = [outcomes(*sizes) for sizes in cut]
    which = np.array(list(itertools.product(*(range(b.shape[1]) for b in blocks)))).T
    test = BettingTest(kind, np.full(which.shape[1], 0.05), ratio, delta, late_over=late_over)
    probability = np.ones(which.shape[1])
    for block, index, rate in zip(blocks, which, drift, strict=False):
        rate_b = min(rate, (1 - delta) / ratio)
        probability *= chance(block[:, index], min(ratio * rate_b + delta, 1.0), rate_b)
        log_e = test.add(block[:, index])
    assert (np.exp(log_e) * probability).sum() <= 1 + ROUNDING


@given(st.floats(0.01, 0.99), st.floats(-1, 1), st.integers(1, 80), st.sampled_from([1.0, 20.0]))
@SETTINGS
def test_bets_on_the_split_are_fair_within_ten_percent_of_the_odds(share, off, total, phi):
    k = np.arange(total + 1.0)
    odds = share / (1 - share) * 1.1**off
    e = np.exp(split.split_increments(k, np.full_like(k, total), share, phi=phi))
    assert (e * stats.binom.pmf(k, total, odds / (1 + odds))).sum(axis=1).max() <= 1 + ROUNDING
