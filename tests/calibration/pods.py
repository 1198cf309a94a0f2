"""Noise that rows drawn one by one do not have: bursts, copies of rows, and pods that differ. Learned from the past."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.calibration.streams import ALPHA, SLICES, BettingTest, base_rates, draw, ever_rolled_back, slice_sizes
from tests.calibration.table import Row, at_most, contrast
from tests.unit.monitoring.builders import some_blocks
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.monitoring.counts.model import Cells, Dataset
from tierwise.monitoring.planning.dispersion import Spread, spread_of
from tierwise.stats import overdispersion, power

_HISTORY = 144  # blocks of 30 minutes: three days
_ARMS = 2
_DATASET = Dataset("slices", MonitoringDatasetSpec(table="log"))


def autocorrelated(replicates: int) -> list[Row]:
    """Each arm's log-odds wander by an AR(1) of their own, as after a cache miss or a hot neighbour."""
    rows = []
    for memory, step, reference in ((10, 0.9, "1.7 %"), (99, 0.99, "9/30"), (333, 0.997, "26/30")):
        hits = _autocorrelated(replicates, step, with_phi=True)
        about = (
            f"The log-odds of each slice and arm wander with a memory of {memory} minutes (AR(1), sd .3); φ from three "
            "days of A/A history."
        )
        rows.append(at_most(f"Noise of {memory} minutes, φ", hits, replicates, ALPHA, reference, about=about))
    hits = _autocorrelated(replicates, 0.9, with_phi=False)
    about = "A memory of 10 minutes, without φ."
    return [*rows, contrast("Noise of 10 minutes, no φ", hits, replicates, 0.5, "80–87 %", about=about)]


def _autocorrelated(replicates: int, step: float, *, with_phi: bool) -> int:
    rng = np.random.default_rng(60)
    sizes, rates = np.tile(slice_sizes(), replicates), base_rates(rng, (replicates * SLICES,))
    sd = 0.3
    noise = rng.normal(0, sd, (_ARMS, len(sizes)))

    def wander(steps: int = 1) -> np.ndarray:
        nonlocal noise
        kept = step**steps
        noise = kept * noise + rng.normal(0, sd * np.sqrt(1 - kept**2), noise.shape)
        return _moved(rates, noise)

    def half_an_hour() -> np.ndarray:
        baseline, candidate = np.mean([wander(3) for _ in range(10)], axis=0)
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
    about = "Every row is written twice, in the past too; φ from three days of A/A history."
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


@dataclass(frozen=True)
class Pods:
    """Pods of one version whose log-odds differ for good: `kept` of the baseline beside `new` of the candidate.

    `known` are the pods, tier by tier, that served the baseline the day before: those of the tier first.
    """

    sd: float
    kept: int
    new: int
    known: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.kept} + {self.new} pods of sd {self.sd:g}"


def pods_differ(replicates: int) -> list[Row]:
    """Equal versions on pods that differ: ever rolled back."""
    rows = []
    for pods, bound, reference in (
        (Pods(0.1, 3, 3, (6,)), 0.015, "0 %"),
        (Pods(0.2, 3, 3, (6,)), 0.015, "0 %"),
        (Pods(0.2, 2, 1, (2, 4, 8)), 0.015, "26.7 %"),
        (Pods(0.4, 3, 1, (3,)), 0.015, "4 %"),
    ):
        hits = _rolled_back(replicates, pods, widen=True)
        about = (
            f"{pods} per arm, log-odds that differ for good; σ_pod from a day of {' + '.join(map(str, pods.known))} "
            "pods, α = 1.5 %."
        )
        rows.append(at_most(f"{pods}", hits, replicates, bound, reference, about=about))
    hits = _rolled_back(replicates, Pods(0.2, 3, 3, (6,)), widen=False)
    about = "3 + 3 pods of sd 0.2 without σ_pod."
    rows.append(contrast("3 + 3 pods, no σ_pod", hits, replicates, 0.05, "15.8 %", about=about))
    hits = _rolled_back(replicates, Pods(0.1, 3, 3, (6,)), widen=True, dies_at=150)
    about = "3 + 3 pods of sd 0.1; one of the candidate's dies after 150 minutes."
    return [*rows, at_most("One pod dead, σ_pod", hits, replicates, 0.015, about=about)]


def analysed(replicates: int) -> list[Row]:
    """`analyze` allows for the pods of the log as the operator does."""
    hits = _rolled_back(replicates, Pods(0.25, 3, 3, (6,)), widen=True, alpha=0.045)
    about = "Two equal versions in a log, 3 + 3 pods of sd 0.25, α = 4.5 %: `analyze` calls one worse."
    return [at_most("analyze, 3 + 3 pods", hits, replicates, 0.045, "8/30", about=about)]


def at_the_margin(replicates: int) -> list[Row]:
    """A candidate exactly at its margin of 25 % on pods that differ: ever passes."""
    rows = []
    for pods, reference in (
        (Pods(0.2, 3, 1, (4, 4, 8)), "36 %"),
        (Pods(0.2, 3, 3, (6, 6)), "32.5 %"),
        (Pods(0.1, 6, 2, (8,)), "19.5 %"),
    ):
        passed = {narrow: _passes(replicates, pods, narrow=narrow) for narrow in (True, False)}
        about = f"A candidate at its margin (R = 1.25), {pods}, 5 % errors, 1,000 labels a minute and arm: passes."
        rows.append(at_most(f"At the margin, {pods}", passed[True], replicates, 0.05, reference, about=about))
        about = "The same with the margin as it is."
        rows.append(contrast(f"The same, {pods}, no σ_pod", passed[False], replicates, 0.05, reference, about=about))
    return rows


def _rolled_back(replicates: int, pods: Pods, *, widen: bool, dies_at: int | None = None, alpha: float = 0.015) -> int:
    rng = np.random.default_rng([62, round(1000 * pods.sd), pods.kept, pods.new])
    sizes, rates = np.tile(slice_sizes(), replicates), base_rates(rng, (replicates * SLICES,))
    old, new, bias = _drawn(rng, replicates, pods, sizes, rates)
    by_old, by_new = ([_moved(rates, np.repeat(pod, SLICES)) for pod in arm] for arm in (old, new))
    ratio, deltas = np.ones(len(rates)), np.full(len(rates), 0.005)
    if widen:
        ratio, deltas = overdispersion.widened(ratio, deltas, rates, np.repeat(bias, SLICES))

    def minute(look: int) -> np.ndarray:
        alive = by_new if dies_at is None or look < dies_at else by_new[:-1]
        candidate, baseline = np.mean(alive, axis=0), np.mean(by_old, axis=0)
        return draw(rng, sizes * len(alive) / pods.new, candidate, sizes, baseline)

    return ever_rolled_back(BettingTest("regression", rates, ratio, deltas), minute, replicates, alpha=alpha)


def _passes(replicates: int, pods: Pods, *, narrow: bool) -> int:
    rng = np.random.default_rng([63, round(1000 * pods.sd), pods.kept, pods.new])
    rates, margin, labels = np.full(replicates, 0.05), 1.25, np.full(replicates, 1000.0)
    old, new, bias = _drawn(rng, replicates, pods, labels, rates, slices=1)
    candidate = np.mean([_moved(margin * rates, pod) for pod in new], axis=0)
    baseline = np.mean([_moved(rates, pod) for pod in old], axis=0)
    ratio, delta = np.full(replicates, margin), np.zeros(replicates)
    if narrow:
        ratio, delta = overdispersion.narrowed(ratio, delta, rates, bias)
    test = BettingTest("non-inferior", rates, ratio, delta)
    passed = np.zeros(replicates, dtype=bool)
    for _ in range(240):
        passed |= test.add(draw(rng, labels, candidate, labels, baseline)) >= math.log(power.PASS_AT)
    return int(passed.sum())


def _drawn(
    rng: np.random.Generator, replicates: int, pods: Pods, sizes: np.ndarray, rates: np.ndarray, slices: int = SLICES
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log-odds of the kept and the new pods (pods, replicates), and the bias (replicates,) learned from a day."""
    tiers = [rng.normal(0, pods.sd, (count, replicates)) for count in pods.known]
    new = rng.normal(0, pods.sd, (pods.new, replicates))
    groups = []
    for tier in tiers:
        n = np.stack([rng.poisson(1440 / len(tiers[0]) * sizes) for _ in tier])
        moved = [_moved(rates, np.repeat(pod, slices)) for pod in tier]
        bad = np.stack([rng.binomial(n[i], rate) for i, rate in enumerate(moved)])
        groups.append([x.reshape(-1, replicates, slices).sum(axis=2) for x in (n, bad)])  # (pods, replicates)
    spreads = [
        overdispersion.pod_spread([(n[:, i].astype(float), bad[:, i].astype(float)) for n, bad in groups])
        for i in range(replicates)
    ]
    apart = overdispersion.pods_apart(pods.kept, pods.new)
    return tiers[0][: pods.kept], new, np.array([spread.bound * apart for spread in spreads])


def _moved(rates: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Rates (streams,) with their log-odds moved: `by` (..., streams) gives (..., streams)."""
    odds = rates / (1 - rates) * np.exp(by)
    return odds / (1 + odds)


def _phi(block: Callable[[], np.ndarray], replicates: int) -> np.ndarray:
    """φ per stream, learned as in production from 30-minute blocks of A/A history."""
    past = np.stack([block() for _ in range(_HISTORY)]).reshape(_HISTORY, 4, replicates, SLICES).astype(np.int64)
    return np.concatenate([_spread(past[:, :, i]).phi[0] for i in range(replicates)])


def _spread(counts: np.ndarray) -> Spread:
    """From (blocks, 4, slices) counts of two halves."""
    keys = ("", *(f"slice={i}" for i in range(1, counts.shape[2])))
    halves = _errors(counts[:, 0::2], counts[:, 1::2])
    return spread_of(_DATASET, Cells(some_blocks(len(counts), seconds=1800), keys, halves), (), ["error-rate"], 0)


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
    (pods_differ, 600, 0),
    (analysed, 200, 0),
    (at_the_margin, 500, 150),
]
