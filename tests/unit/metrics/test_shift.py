"""Edges of the score's deciles, rows below them, and the population stability index without its chance part."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.raw_rows import LINEAR, scored, tally_of
from tierwise.metrics import registry
from tierwise.metrics.kinds.shift import deciles, psi

RNG = np.random.default_rng(1)
SCORES, LABELS = scored(RNG, 20_000)
TALLY = tally_of(SCORES, LABELS)
AT = deciles(TALLY.bins)


def test_edges_are_next_to_the_deciles_of_the_past():
    assert LINEAR[AT] == pytest.approx(np.quantile(SCORES, np.arange(1, 10) / 10), abs=0.01)


def test_rows_below_an_edge_are_those_of_the_raw_rows_whatever_their_label():
    labels = np.where(np.arange(20_000) % 3 == 0, 2, LABELS)
    n, below = registry.get("score-shift").measure.count(tally_of(SCORES, labels), AT)
    assert n == 20_000
    assert below.tolist() == [int(np.count_nonzero(LINEAR[edge] > SCORES)) for edge in AT]


def test_leading_axes_are_kept_and_invalid_scores_left_out():
    bins = np.stack([TALLY.bins, 0 * TALLY.bins])
    bins[:, :, -1] = 7
    shift = registry.get("score-shift").measure
    n, below = shift.count(type(TALLY)(np.zeros((2, 3, 3), dtype=np.int64), bins=bins, edges=LINEAR), AT)
    assert n.tolist() == [20_000, 0]
    assert below.shape == (2, 9)


def test_without_a_past_or_with_all_of_it_in_one_bin_the_edges_are_evenly_spaced():
    even = [10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert deciles(np.zeros((3, 101), dtype=np.int64)).tolist() == even
    one = np.zeros((3, 101), dtype=np.int64)
    one[0, 50] = 1000
    assert deciles(one).tolist() == even


def test_edges_have_rows_on_either_side():
    two = np.zeros((3, 101), dtype=np.int64)
    two[0, 50], two[1, 70] = 990, 10
    assert set(deciles(two)) <= set(range(51, 71))


def raw_psi(a, b, edges):
    parts = [np.histogram(x, np.concatenate([[-1], edges, [2]]))[0] + 0.5 for x in (a, b)]
    pa, pb = (part / part.sum() for part in parts)
    return ((pa - pb) * np.log(pa / pb)).sum()


def below(scores):
    """Rows below each edge, and all."""
    n, under = registry.get("score-shift").measure.count(tally_of(scores, np.zeros(len(scores), dtype=int)), AT)
    return under.astype(float), np.array(float(n))


def test_psi_is_that_of_the_raw_rows_less_chance():
    a, b = SCORES[:4000], SCORES[4000:] ** 1.2
    found = psi(*below(a), *below(b))
    edges = np.unique(LINEAR[AT])
    chance = len(edges) * (1 / 4000 + 1 / 16_000)
    assert found == pytest.approx(raw_psi(a, b, edges) - chance, rel=1e-9)


def test_psi_of_two_samples_of_the_same_scores_is_zero_on_average():
    rng = np.random.default_rng(2)
    pairs = [(*below(scored(rng, 500)[0]), *below(scored(rng, 900)[0])) for _ in range(1500)]
    a, na, b, nb = (np.stack([pair[i] for pair in pairs], axis=-1) for i in range(4))
    found = psi(a, na, b, nb)
    # Half a row in every part takes a few percent of the chance part away: 10 parts of 50 rows.
    assert found.mean() == pytest.approx(0, abs=4 * found.std() / np.sqrt(1500) + 0.02 * 9 * (1 / 500 + 1 / 900))


def test_edges_that_are_the_same_make_no_part():
    a, b = np.array([10.0, 10.0, 40.0]), np.array([30.0, 30.0, 50.0])
    n = np.array(100.0)
    assert psi(a, n, b, n) == psi(a[1:], n, b[1:], n)


def test_psi_without_rows_or_in_one_part_is_unknown():
    assert np.isnan(psi(np.zeros(9), np.array(50.0), np.zeros(9), np.array(50.0)))
    assert np.isnan(psi(np.zeros(9), np.array(0.0), *below(SCORES)))
