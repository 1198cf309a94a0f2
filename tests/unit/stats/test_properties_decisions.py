"""What must not change a decision, and what may change it in one direction only: through the judge's own fold."""

from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.monitoring.builders import a_plan, an_analysis, before_the_rollout, halves, some_cells
from tierwise.monitoring.counts.model import Cells
from tierwise.monitoring.evidence.fold import begin, fold
from tierwise.stats import betting

SETTINGS = settings(max_examples=15, deadline=None)
seeds = st.integers(0, 2**32 - 1)


def a_story(seed, slices=6):
    """Some slices equal, some worse, of mixed sizes and rates."""
    rng = np.random.default_rng(seed)
    rates = {}
    for i in range(slices):
        base = float(10 ** rng.uniform(-3, -0.5))
        rates[f"carrier=c{i}"] = (base, float(rng.choice([1.0, 1.0, 2.0])) * base)
    return some_cells(rng, rates, blocks=15, per_block=int(rng.integers(5, 150)))


def folded(cells, alpha=0.05, blocks=slice(None)):
    plan = a_plan(an_analysis(), before_the_rollout(cells), alpha=alpha)
    some = dataclasses.replace(cells, blocks=cells.blocks[blocks], counts=cells.counts[blocks])
    return fold(begin(plan), {"flights": some}, halves(some))


def by_slice(evidence):
    return dict(zip(evidence.slots[0], evidence.log_regression, strict=False))


@given(seeds, st.floats(1e-4, 0.5), st.floats(1e-4, 0.5))
@SETTINGS
def test_what_is_rolled_back_at_an_alpha_is_rolled_back_at_a_larger_one_no_later(seed, one, other):
    cells = a_story(seed)
    small, large = (folded(cells, alpha=a).stopped_at for a in sorted([one, other]))
    assert small is None or (large is not None and large <= small)


@given(seeds)
@SETTINGS
def test_the_order_of_slices_changes_no_e_value(seed):
    cells = a_story(seed)
    order = [0, *(1 + np.random.default_rng(seed).permutation(len(cells.slices) - 1))]
    turned = Cells(cells.blocks, tuple(cells.slices[i] for i in order), cells.counts[:, order])
    one, other = folded(cells, alpha=1e-9), folded(turned, alpha=1e-9)
    assert by_slice(one).keys() == by_slice(other).keys()
    for key, log_e in by_slice(one).items():
        assert by_slice(other)[key] == log_e, key


@given(seeds, st.integers(1, 14))
@SETTINGS
def test_folding_in_two_parts_gives_the_same_bits(seed, at):
    cells = a_story(seed)
    first = folded(cells, alpha=1e-9, blocks=slice(None, at))
    rest = dataclasses.replace(cells, blocks=cells.blocks[at:], counts=cells.counts[at:])
    both = fold(first, {"flights": rest}, halves(rest))
    np.testing.assert_array_equal(both.log_regression, folded(cells, alpha=1e-9).log_regression)


@given(seeds)
@SETTINGS
def test_swapping_arms_and_outcomes_is_the_same_bet(seed):
    """μa ≤ μb says of errors what 1 − μb ≤ 1 − μa says of successes; the plug-in's prior is turned with them."""
    rng = np.random.default_rng(seed)
    size = 50
    n = rng.integers(5, 500, (4, size)).astype(float)
    past_rate, rate = rng.uniform(0.05, 0.6, (2, size)), rng.uniform(0.05, 0.6, (2, size))
    whole = n.astype(int)
    past = np.stack([n[0], rng.binomial(whole[0], past_rate[0]), n[1], rng.binomial(whole[1], past_rate[1])])
    block = np.stack([n[2], rng.binomial(whole[2], rate[0]), n[3], rng.binomial(whole[3], rate[1])])
    eta, prior = rng.uniform(0.001, 0.05, size), rng.uniform(0.05, 0.5, size)
    one, zero = np.ones(size), np.zeros(size)

    def turned(counts):
        na, ka, nb, kb = counts
        return np.stack([nb, nb - kb, na, na - ka])

    bet = betting.log_increment(block, past, betting.Boundary(one, zero), eta, prior)
    same = betting.log_increment(turned(block), turned(past), betting.Boundary(one, zero), eta, 1 - prior - eta)
    np.testing.assert_allclose(same, bet, rtol=2e-3, atol=2e-3)


@given(seeds)
@SETTINGS
def test_swapping_arms_turns_the_direction_of_the_evidence(seed):
    """What speaks clearly for "worse" speaks against it with the arms swapped."""
    rng = np.random.default_rng(seed)
    n, low = float(rng.integers(500, 5000)), float(rng.uniform(0.01, 0.3))
    high = low + 6 * float(np.sqrt(low / n))
    logs, swapped = np.zeros((betting.REGRESSION_ALTERNATIVES, 1)), np.zeros((betting.REGRESSION_ALTERNATIVES, 1))
    past = np.zeros((4, 1))
    one, zero, prior = np.ones(1), np.zeros(1), np.full(1, low)
    for _ in range(5):
        block = np.array([n, n * high, n, n * low])[:, None]
        betting.add_regression(logs, block, past, betting.Boundary(one, zero), prior)
        betting.add_regression(swapped, block[[2, 3, 0, 1]], past[[2, 3, 0, 1]], betting.Boundary(one, zero), prior)
        past += block
    assert betting.log_mean(logs, betting.REGRESSION_LOG_WEIGHTS)[0] > 1
    assert betting.log_mean(swapped, betting.REGRESSION_LOG_WEIGHTS)[0] < 0
