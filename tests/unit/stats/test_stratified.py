"""Strata of confounders: validity of the product, its power, and the estimates against statsmodels."""

from __future__ import annotations

import numpy as np
import pytest

from tierwise.stats import betting, stratified
from tierwise.stats.betting import log_mean

ONE, ZERO, PRIOR = np.ones(1), np.zeros(1), np.full(1, 0.05)
SAME = betting.Boundary(ONE, ZERO)


def blocks_of(rng, sizes, rates_a, rates_b, blocks):
    """Blocks (4, 1, S) of binomial counts; `sizes` are (arms, S)."""
    for _ in range(blocks):
        ka, kb = rng.binomial(sizes[0], rates_a), rng.binomial(sizes[1], rates_b)
        yield np.array([sizes[0], ka, sizes[1], kb], dtype=float)[:, None, :]


def folded(blocks, ratio=ONE, delta=ZERO):
    evidence = None
    best = -np.inf
    for block in blocks:
        if evidence is None:
            evidence = stratified.begin(1, block.shape[2])
        evidence = stratified.fold(evidence, block, betting.Boundary(ratio, delta), PRIOR)
        best = max(best, float(evidence.log_e[0]))
    return evidence, best


def test_a_mix_that_differs_between_the_arms_is_no_regression():
    """Simpson: within each stratum equal rates; the candidate's rows are mostly in the bad stratum."""
    rng = np.random.default_rng(1)
    sizes, rates = np.array([[20, 180], [180, 20]]), np.array([0.02, 0.2])
    false = sum(folded(blocks_of(rng, sizes, rates, rates, 60))[1] >= np.log(20) for _ in range(200))
    assert false <= 10  # 5 %
    merged = [
        block.sum(axis=2, keepdims=True) for block in blocks_of(rng, sizes, rates, rates, 60)
    ]  # what a plain comparison sees
    assert folded(merged)[1] >= np.log(1e6)


def test_the_product_over_strata_has_expectation_at_most_one_on_the_null():
    rng = np.random.default_rng(2)
    sizes, rates = np.array([[9, 7, 30], [6, 11, 25]]), np.array([0.02, 0.3, 0.1])
    ends = [np.exp(folded(blocks_of(rng, sizes, rates, rates, 4))[0].log_e[0]) for _ in range(2000)]
    assert np.mean(ends) <= 1 + 3 * np.std(ends) / np.sqrt(len(ends))


def test_a_common_regression_adds_up_over_strata_where_the_mean_would_take_far_longer():
    rng = np.random.default_rng(3)
    strata = 12
    sizes = np.full((2, strata), 40)
    worse = blocks_of(rng, sizes, np.full(strata, 0.12), np.full(strata, 0.06), 12)
    product = stratified.begin(1, strata)
    alone = [stratified.begin(1, 1) for _ in range(strata)]
    for block in worse:
        product = stratified.fold(product, block, SAME, PRIOR)
        alone = [stratified.fold(e, block[:, :, s : s + 1], SAME, PRIOR) for s, e in enumerate(alone)]
    mean = float(log_mean(np.array([[e.log_e[0]] for e in alone]), np.full(strata, -np.log(strata)))[0])
    assert product.log_e[0] > np.log(1e6)
    assert product.log_e[0] > 2 * mean


def test_one_stratum_is_the_plain_test_and_pieces_fold_as_the_whole():
    rng = np.random.default_rng(4)
    blocks = list(blocks_of(rng, np.array([[50], [60]]), 0.2, 0.1, 8))
    whole, _ = folded(blocks)
    logs, past = np.zeros((betting.REGRESSION_ALTERNATIVES, 1)), np.zeros((4, 1))
    for block in blocks:
        betting.add_regression(logs, block[:, :, 0], past, SAME, PRIOR)
        past += block[:, :, 0]
    np.testing.assert_array_equal(whole.logs, logs)


def test_small_strata_wait_until_both_arms_have_five_and_a_stratum_without_an_arm_says_nothing():
    block = np.array([[3, 50], [3, 40], [9, 0], [0, 0]], dtype=float)[:, None, :]
    evidence = stratified.fold(stratified.begin(1, 2), block, SAME, PRIOR)
    assert evidence.log_e[0] == pytest.approx(0)
    again = stratified.fold(evidence, block, SAME, PRIOR)
    assert again.log_e[0] > 0.5
    np.testing.assert_array_equal(again.counts, 2 * block)


def test_strata_may_appear_later():
    block = np.array([[20], [2], [20], [2]], dtype=float)[:, None, :]
    wider = np.concatenate([block, block], axis=2)
    evidence = stratified.fold(stratified.fold(stratified.begin(1, 1), block, SAME, PRIOR), wider, SAME, PRIOR)
    assert evidence.counts.shape == (4, 1, 2)
    np.testing.assert_array_equal(evidence.counts[0, 0], [40, 20])
