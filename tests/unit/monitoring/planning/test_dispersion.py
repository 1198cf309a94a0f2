"""The baseline's past tells how much its own halves differ."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from tierwise.api.monitoringdataset import Columns, MetricThreshold, MonitoringDatasetSpec, Scale
from tierwise.monitoring.counts.model import Block, Cells, Dataset, PodCounts
from tierwise.monitoring.planning.dispersion import spread_of, thresholds_of

RNG = np.random.default_rng(8)
START = datetime(2026, 3, 1, tzinfo=UTC)
HALF_HOUR = timedelta(minutes=30)
SLICES = ("", "carrier=AA", "carrier=UA")
DATASET = Dataset("flights", MonitoringDatasetSpec(table="log"))
AT_07 = MonitoringDatasetSpec(table="log", thresholds=[MetricThreshold(metric="recall", threshold=0.7)])


def past(noise: float, *, blocks: int = 48, rows: int = 4000, rate: float = 0.05) -> Cells:
    counts = np.zeros((blocks, len(SLICES), 2, 3, 3), dtype=np.int64)
    logit = np.log(rate / (1 - rate)) + noise * RNG.normal(size=(blocks, 1, 2))
    bad = RNG.binomial(rows, 1 / (1 + np.exp(-np.repeat(logit, len(SLICES), axis=1))))
    counts[..., 0, 1], counts[..., 0, 0] = bad, rows - bad
    times = tuple(Block(START + i * HALF_HOUR, START + (i + 1) * HALF_HOUR) for i in range(blocks))
    return Cells(times, SLICES, counts)


def test_quiet_halves_have_phi_near_one_and_noisy_ones_what_the_noise_makes():
    quiet = spread_of(DATASET, past(0.0), (), ["error-rate", "recall"], 0)
    noisy = spread_of(DATASET, past(0.3), (), ["error-rate", "recall"], 0)
    assert quiet.phi.shape == (2, 3)
    assert quiet.phi[0].max() < 2.0
    expected = 1 + 0.3**2 * 0.05 * 0.95 * 4000
    assert (0.4 * expected < noisy.phi[0]).all()
    assert (noisy.phi[0] < 2.5 * expected).all()
    assert (noisy.phi[1] == 1.0).all()  # no positives: nothing to learn from


def test_a_slice_without_a_past_has_the_largest_phi_of_its_metric():
    spread = spread_of(DATASET, past(0.3), (), ["error-rate"], 0)
    assert spread.phi_for(["", "carrier=ZZ"])[0].tolist() == [spread.phi[0, 0], spread.phi[0].max()]


def test_an_empty_past_teaches_nothing():
    empty = Cells((), (), np.zeros((0, 0, 2, 3, 3), dtype=np.int64))
    spread = spread_of(DATASET, empty, (), ["error-rate"], 0)
    assert spread.phi_for(["", "carrier=AA"]).tolist() == [[1.0, 1.0]]
    assert np.isnan(spread.sigma_pod).all()
    assert (spread.phi_split, spread.pods) == (1.0, 0)


def test_pods_that_differ_are_told_from_chance():
    counts = np.zeros((8, 3, 3), dtype=np.int64)
    counts[:, 0, 1] = [500, 500, 900, 500, 300, 500, 700, 400]
    counts[:, 0, 0] = 10_000 - counts[:, 0, 1]
    spread = spread_of(DATASET, past(0.0), [{0.5: PodCounts(tuple("abcdefgh"), counts)}], ["error-rate"], 8)
    assert spread.pods == 8
    assert spread.sigma_pod[0] == pytest.approx(np.log(counts[:, 0, 1] / counts[:, 0, 0]).std(ddof=1), rel=0.1)


def test_a_metric_with_a_threshold_of_its_own_learns_from_the_answers_there():
    """Below 0.7 halves and pods are alike; of the answers at 0.7 they are not."""
    noisy = past(0.3)
    missed = noisy.counts[..., 0, 1]
    bins = np.zeros((*missed.shape, 3, 11), dtype=np.int64)
    bins[..., 1, 6], bins[..., 1, 9] = missed, 4000 - missed  # positives, scored 0.6–0.7 and 0.9–1: all found at 0.5
    counts = np.zeros((*missed.shape, 3, 3), dtype=np.int64)
    counts[..., 1, 1] = 4000
    halves = Cells(noisy.blocks, SLICES, counts, bins, np.linspace(0, 1, 11))
    alike, apart = (np.zeros((8, 3, 3), dtype=np.int64) for _ in range(2))
    alike[:, 1, 1] = 10_000
    apart[:, 1, 0] = [500, 500, 900, 500, 300, 500, 700, 400]
    apart[:, 1, 1] = 10_000 - apart[:, 1, 0]
    pods = {0.5: PodCounts(tuple("abcdefgh"), alike), 0.7: PodCounts(tuple("abcdefgh"), apart)}
    assert thresholds_of(AT_07, ["accuracy", "recall"]) == (0.5, 0.7)
    found = spread_of(Dataset("flights", AT_07), halves, [pods], ["recall"], 8)
    assert found.phi[0].min() > 3
    assert found.sigma_pod[0] > 0.2
    at_05 = spread_of(DATASET, halves, [pods], ["recall"], 8)
    assert (at_05.phi == 1.0).all()
    assert not at_05.sigma_pod[0] > 0


def test_metrics_of_classes_learn_from_the_classes_and_not_from_the_pods():
    spec = MonitoringDatasetSpec(table="log", scale=Scale(kind="Classes"), classes=["ham", "spam"])
    noisy = past(0.3)
    missed = noisy.counts[..., 0, 1]
    bins = np.zeros((*missed.shape, 3, 3), dtype=np.int64)
    bins[..., 1, 0], bins[..., 1, 1] = missed, 4000 - missed
    halves = Cells(noisy.blocks, SLICES, noisy.counts, bins)
    pods = {0.5: PodCounts(("a", "b"), np.ones((2, 3, 3), dtype=np.int64))}
    found = spread_of(Dataset("mails", spec), halves, [pods], ["recall@spam", "recall@ham"], 2)
    assert found.phi[0].min() > 3
    assert (found.phi[1] == 1.0).all()  # no ham
    assert np.isnan(found.sigma_pod).all()


def test_weighted_shares_scatter_as_their_estimates_do():
    noisy = past(0.3)
    spec = MonitoringDatasetSpec(table="log", columns=Columns(weight="w"))
    weights = np.stack([noisy.counts * 2.0, noisy.counts * 4.0])  # every row has weight 2
    halves = Cells(noisy.blocks, SLICES, noisy.counts, weights=weights)
    of_weights = spread_of(Dataset("flights", spec), halves, (), ["error-rate"], 0)
    of_rows = spread_of(DATASET, noisy, (), ["error-rate"], 0)
    assert of_weights.phi[0] == pytest.approx(of_rows.phi[0], rel=0.2)
