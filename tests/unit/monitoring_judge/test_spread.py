"""The baseline's past tells how much its own halves differ."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tierwise.monitoring.cells import Block, Cells, PodCounts
from tierwise.monitoring.spread import spread_of

RNG = np.random.default_rng(8)
START = datetime(2026, 3, 1, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
SLICES = ("", "carrier=AA", "carrier=UA")


def past(noise: float, *, blocks: int = 48, rows: int = 4000, rate: float = 0.05) -> Cells:
    counts = np.zeros((blocks, len(SLICES), 2, 3, 3), dtype=np.int64)
    logit = np.log(rate / (1 - rate)) + noise * RNG.normal(size=(blocks, 1, 2))
    bad = RNG.binomial(rows, 1 / (1 + np.exp(-np.repeat(logit, len(SLICES), axis=1))))
    counts[..., 0, 1], counts[..., 0, 0] = bad, rows - bad
    times = tuple(Block(START + i * HALF_HOUR, START + (i + 1) * HALF_HOUR) for i in range(blocks))
    return Cells(times, SLICES, counts)


def test_quiet_halves_have_phi_near_one_and_noisy_ones_what_the_noise_makes():
    quiet = spread_of(past(0.0), None, ["error-rate", "recall"])
    noisy = spread_of(past(0.3), None, ["error-rate", "recall"])
    assert quiet.phi.shape == (2, 3)
    assert quiet.phi[0].max() < 2.0
    assert noisy.phi[0] == pytest.approx(1 + 0.3**2 * 0.05 * 0.95 * 4000, rel=0.6)
    assert (noisy.phi[1] == 1.0).all()  # no positives: nothing to learn from


def test_a_slice_without_a_past_has_the_largest_phi_of_its_metric():
    spread = spread_of(past(0.3), None, ["error-rate"])
    assert spread.phi_for(["", "carrier=ZZ"])[0].tolist() == [spread.phi[0, 0], spread.phi[0].max()]


def test_an_empty_past_teaches_nothing():
    empty = Cells((), (), np.zeros((0, 0, 2, 3, 3), dtype=np.int64))
    spread = spread_of(empty, None, ["error-rate"])
    assert spread.phi_for(["", "carrier=AA"]).tolist() == [[1.0, 1.0]]
    assert np.isnan(spread.sigma_pod).all()
    assert (spread.phi_split, spread.pods) == (1.0, 0)


def test_pods_that_differ_are_told_from_chance():
    counts = np.zeros((8, 3, 3), dtype=np.int64)
    counts[:, 0, 1] = [500, 500, 900, 500, 300, 500, 700, 400]
    counts[:, 0, 0] = 10_000 - counts[:, 0, 1]
    spread = spread_of(past(0.0), PodCounts(tuple("abcdefgh"), counts), ["error-rate"])
    assert spread.pods == 8
    assert spread.sigma_pod[0] == pytest.approx(np.log(counts[:, 0, 1] / counts[:, 0, 0]).std(ddof=1), rel=0.1)
