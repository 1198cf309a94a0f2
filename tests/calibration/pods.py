"""Noise that rows drawn one by one do not have: bursts, copies of rows, and pods that differ. Learned from the past."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tests.calibration.streams import ALPHA, SLICES, BettingTest, base_rates, draw, ever_rolled_back, slice_sizes
from tests.calibration.table import Row, at_most, contrast
from tests.unit.monitoring.builders import some_blocks
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.monitoring.counts.model import Cells, Dataset, PodCounts
from tierwise.monitoring.planning.dispersion import Spread, spread_of
from tierwise.stats import overdispersion

_HISTORY = 48  # blocks of 30 minutes: a day
_ARMS = 2
_PODS = 3  # per arm
_DATASET = Dataset("slices", MonitoringDatasetSpec(table="log"))
_NO_HALVES = np.zeros((0, 4, 1), dtype=np.int64)


def autocorrelated(replicates: int) -> list[Row]:
    """Each arm's log-odds wander by an AR(1) of their own, as after a cache miss or a hot neighbour."""
    hits = {with_phi: _autocorrelated(replicates, with_phi=with_phi) for with_phi in (True, False)}
    about = "The log-odds of each slice and arm wander (AR(1), .9 a minute, sd .3); φ from a day of A/A history."
    rows = [at_most("AR(1) arm noise, φ", hits[True], replicates, ALPHA, "1.7 %", about=about)]
    about = "The same without φ."
    return [*rows, contrast("AR(1) arm noise, no φ", hits[False], replicates, 0.5, "80–87 %", about=about)]


def _autocorrelated(replicates: int, *, with_phi: bool) -> int:
    rng = np.random.default_rng(60)
    sizes, rates = np.tile(slice_sizes(), replicates), base_rates(rng, (replicates * SLICES,))
    step, sd = 0.9, 0.3
    noise = rng.normal(0, sd, (_ARMS, len(sizes)))

    def wander() -> np.ndarray:
        nonlocal noise
        noise = step * noise + rng.normal(0, sd * np.sqrt(1 - step**2), noise.shape)
        return _moved(rates, noise)

    def half_an_hour() -> np.ndarray:
        baseline, candidate = np.mean([wander() for _ in range(30)], axis=0)
        return draw(rng, 30 * sizes, candidate, 30 * sizes, baseline)

    def minute(look: int) -> np.ndarray:
        baseline, candidate = wander()
        return draw(rng, sizes, candidate, sizes, baseline)

    phi = _phi(half_an_hour, replicates) if with_phi else 1.0
    return ever_rolled_back(BettingTest("regression", rates, phi=phi), minute, replicates)


def duplicated(replicates: int) -> list[Row]:
    """Every row is written twice."""
    hits = {with_phi: _duplicated(replicates, 1.0, with_phi=with_phi) for with_phi in (True, False)}
    few = _duplicated(replicates, 0.02, with_phi=False)
    about = "Every row is written twice, in the past too; φ from a day of A/A history."
    rows = [at_most("Duplicated rows, φ", hits[True], replicates, ALPHA, about=about)]
    rows.append(contrast("Duplicated rows, no φ", hits[False], replicates, ALPHA, about="The same without φ."))
    about = "2 % of the rows are written twice, without φ."
    return [*rows, at_most("Few duplicated rows", few, replicates, ALPHA, about=about)]


def _duplicated(replicates: int, share: float, *, with_phi: bool) -> int:
    rng = np.random.default_rng(61)
    sizes, rates = np.tile(slice_sizes(), replicates), base_rates(rng, (replicates * SLICES,))

    def counts(minutes: float) -> np.ndarray:
        once = draw(rng, minutes * sizes, rates, minutes * sizes, rates)
        na, ka, nb, kb = once.astype(np.int64)
        twice = [rng.binomial(x, share) for x in (ka, na - ka, kb, nb - kb)]
        return once + np.stack([twice[0] + twice[1], twice[0], twice[2] + twice[3], twice[2]])

    phi = _phi(lambda: counts(30), replicates) if with_phi else 1.0
    return ever_rolled_back(BettingTest("regression", rates, phi=phi), lambda _: counts(1), replicates)


def pods_differ(replicates: int) -> list[Row]:
    """Three pods per arm whose log-odds differ for good."""
    rows = []
    for sd in (0.1, 0.2):
        hits = _pods_differ(replicates, sd, widen=True)
        about = f"Three pods per arm, log-odds of sd {sd:g} for good; σ_pod from a day of the tier's six pods."
        rows.append(at_most(f"Pods of sd {sd:g}, σ_pod", hits, replicates, ALPHA, "0 %", about=about))
    hits = _pods_differ(replicates, 0.2, widen=False)
    rows.append(
        contrast("Pods of sd 0.2, no σ_pod", hits, replicates, ALPHA, "15.8 %", about="The same without σ_pod.")
    )
    hits = _pods_differ(replicates, 0.1, widen=True, dies_at=150)
    about = "The same, sd .1; one of the three candidate pods dies after 150 minutes."
    return [*rows, at_most("One pod dead, σ_pod", hits, replicates, ALPHA, about=about)]


def _pods_differ(replicates: int, sd: float, *, widen: bool, dies_at: int | None = None) -> int:
    rng = np.random.default_rng([62, round(1000 * sd)])
    sizes, rates = np.tile(slice_sizes(), replicates), base_rates(rng, (replicates * SLICES,))
    # The baseline keeps three of the tier's six pods, the candidate gets new ones.
    old = rng.normal(0, sd, (2 * _PODS, replicates))
    new = rng.normal(0, sd, (_PODS, replicates))
    by_old, by_new = ([_moved(rates, np.repeat(pod, SLICES)) for pod in pods] for pods in (old, new))
    delta = 0.005
    ratio, deltas = np.ones(len(rates)), np.full(len(rates), delta)
    if widen:
        n = np.stack([rng.poisson(1440 / _PODS * sizes) for _ in by_old])
        bad = np.stack([rng.binomial(n[i], rate) for i, rate in enumerate(by_old)])
        whole = [x.reshape(-1, replicates, SLICES).sum(axis=2) for x in (n, bad)]  # (pods, replicates)
        sigmas = [_spread(_NO_HALVES, whole[0][:, i], whole[1][:, i]).sigma_pod[0] for i in range(replicates)]
        bias = np.array([overdispersion.pod_bias(float(sigma), _PODS, _PODS) for sigma in sigmas])
        ratio, deltas = overdispersion.widened(ratio, deltas, rates, np.repeat(bias, SLICES))

    def minute(look: int) -> np.ndarray:
        alive = by_new if dies_at is None or look < dies_at else by_new[:-1]
        candidate, baseline = np.mean(alive, axis=0), np.mean(by_old[:_PODS], axis=0)
        return draw(rng, sizes * len(alive) / _PODS, candidate, sizes, baseline)

    return ever_rolled_back(BettingTest("regression", rates, ratio, deltas), minute, replicates)


def _moved(rates: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Rates (streams,) with their log-odds moved: `by` (..., streams) gives (..., streams)."""
    odds = rates / (1 - rates) * np.exp(by)
    return odds / (1 + odds)


def _phi(block: Callable[[], np.ndarray], replicates: int) -> np.ndarray:
    """φ per stream, learned as in production from 30-minute blocks of A/A history."""
    past = np.stack([block() for _ in range(_HISTORY)]).reshape(_HISTORY, 4, replicates, SLICES).astype(np.int64)
    return np.concatenate([_spread(past[:, :, i]).phi[0] for i in range(replicates)])


def _spread(counts: np.ndarray, pod_n: np.ndarray | None = None, pod_bad: np.ndarray | None = None) -> Spread:
    """From (blocks, 4, slices) counts of two halves, and rows and errors per pod."""
    keys = ("", *(f"slice={i}" for i in range(1, counts.shape[2])))
    cells = Cells(
        some_blocks(len(counts), seconds=1800), keys[: counts.shape[2]], _errors(counts[:, 0::2], counts[:, 1::2])
    )
    pods = {}
    if pod_n is not None and pod_bad is not None:
        names = tuple(f"pod-{i}" for i in range(len(pod_n)))
        pods[_DATASET.spec.threshold] = PodCounts(names, _errors_of(pod_n, pod_bad))
    return spread_of(_DATASET, cells, pods, ["error-rate"])


def _errors(n: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """(blocks, 2 candidate first, slices) as counts (blocks, slices, 2 baseline first, 3 labels, 3 answers)."""
    return np.stack([_errors_of(n[:, arm], bad[:, arm]) for arm in (1, 0)], axis=2)


def _errors_of(n: np.ndarray, bad: np.ndarray) -> np.ndarray:
    """Rows and errors (...) as counts (..., 3 labels, 3 answers): an error is a false alarm."""
    counts = np.zeros((*n.shape, 3, 3), dtype=np.int64)
    counts[..., 0, 0], counts[..., 0, 1] = n - bad, bad
    return counts


SCENARIOS = [
    (autocorrelated, 300, 100),
    (duplicated, 250, 0),
    (pods_differ, 100, 0),
]
