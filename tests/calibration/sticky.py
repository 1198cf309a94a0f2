"""Requests of one user go to one pod: the arms have users of their own, and differ for good without any difference."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tests.calibration.streams import BettingTest, slice_sizes
from tests.calibration.table import Row, at_most, contrast
from tests.unit.monitoring.builders import some_blocks
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.metrics import registry
from tierwise.metrics.kinds.shift import deciles
from tierwise.metrics.metric import Shift
from tierwise.metrics.tally import Tally
from tierwise.monitoring.counts.model import Cells, Dataset
from tierwise.monitoring.planning.dispersion import spread_of, with_units
from tierwise.stats import betting, overdispersion
from tierwise.stats.persistent import of_split

_ALPHA = 0.015
_SLICES, _USERS, _PODS, _CANDIDATES = 100, 20_000, 8, 2
_LABELS, _LOOKS = 4000.0, 240
_BLOCKS = 48
_BINS = 20
_DATASET = Dataset("slices", MonitoringDatasetSpec(table="log"))


@dataclass(frozen=True)
class Users:
    """Users by pod and slice; `share` of the requests, and where their errors or scores are."""

    pod: np.ndarray
    slice: np.ndarray
    share: np.ndarray
    own: np.ndarray  # N(0, 1)

    @classmethod
    def drawn(cls, rng: np.random.Generator) -> Users:
        share = rng.gamma(1.0, 1.0, _USERS)
        sizes = slice_sizes(_SLICES, 1.0)
        return cls(
            rng.integers(0, _PODS, _USERS),
            rng.choice(_SLICES, _USERS, p=sizes),
            share / share.sum(),
            rng.normal(size=_USERS),
        )


def error_rates(replicates: int) -> list[Row]:
    """Proportions: 20,000 users whose log-odds of an error have sd 1."""
    hits = {learned: sum(_errors(seed, learned=learned) for seed in range(replicates)) for learned in (True, False)}
    about = (
        "Equal versions, 20,000 users who stay on their pod, log-odds of sd 1, 100 slices, 6 + 2 pods, tolerance R = "
        "1.125, α = 1.5 %: ever rolled back."
    )
    rows = [at_most("Sticky users", hits[True], replicates, _ALPHA, "23/30", about=about)]
    about = "The same with φ alone."
    return [*rows, contrast("Sticky users, φ alone", hits[False], replicates, 0.5, "23/30", about=about)]


def _errors(seed: int, *, learned: bool) -> bool:
    rng = np.random.default_rng([95, seed])
    users = Users.drawn(rng)
    base = np.exp(rng.uniform(math.log(0.01), math.log(0.2), _SLICES))[users.slice]
    rate = 1 / (1 + np.exp(-(np.log(base / (1 - base)) + users.own)))

    def counted(some: np.ndarray, minutes: float) -> np.ndarray:
        n = rng.poisson(_LABELS * minutes * users.share[some])
        bad = rng.binomial(n, rate[some])
        return np.stack([np.bincount(users.slice[some], weights=x, minlength=_SLICES) for x in (n, bad)])

    halves = np.zeros((_BLOCKS, _SLICES, 2, 3, 3), dtype=np.int64)
    for half in (0, 1):
        for block in range(_BLOCKS):
            n, bad = counted(users.pod % 2 == half, 90)
            halves[block, :, half, 0, 0], halves[block, :, half, 0, 1] = n - bad, bad
    keys = ("", *(f"slice={i}" for i in range(1, _SLICES)))
    spread = spread_of(_DATASET, Cells(some_blocks(_BLOCKS, seconds=1800), keys, halves), (), ["error-rate"], 8)
    apart = spread.apart[0] * of_split(_CANDIDATES / _PODS) if learned else np.zeros(_SLICES)
    whole = halves.sum(axis=(0, 2))
    prior = (whole[:, 0, 1] + 1) / (whole[:, 0].sum(axis=-1) + 2)
    null = overdispersion.widened(np.full(_SLICES, 1.125), np.zeros(_SLICES), prior, apart)
    test = BettingTest("regression", prior, *null, phi=spread.phi[0])
    candidate = users.pod < _CANDIDATES
    for _ in range(_LOOKS):
        if test.add(np.concatenate([counted(candidate, 1), counted(~candidate, 1)])).max() >= math.log(
            _SLICES / _ALPHA
        ):
            return True
    return False


def shifted_scores(replicates: int) -> list[Row]:
    """Score-shift: users who stay, and requests in bundles of twenty."""
    rows = []
    for bundles, name in ((1, "sticky users"), (20, "bundles of 20")):
        hits = sum(_shift(seed, bundles) for seed in range(replicates))
        about = f"Equal versions, scores of {name}, 20 slices, tolerance 2.5 points, α = 1.5 %: ever rolled back."
        rows.append(at_most(f"Score shift, {name}", hits, replicates, _ALPHA, "28–30/30", about=about))
    return rows


def _shift(seed: int, bundles: int) -> bool:
    rng = np.random.default_rng([96, seed, bundles])
    slices, users = 20, Users.drawn(rng)
    where, is_sticky = users.slice % 20, bundles == 1
    edges = np.linspace(0, 1, _BINS + 1)

    def binned(some: np.ndarray, minutes: float) -> np.ndarray:
        n = rng.poisson(_LABELS / 4 / bundles * minutes * users.share[some])
        owner = np.repeat(np.arange(len(n)), n)
        centre = users.own[some][owner] if is_sticky else np.repeat(rng.normal(size=len(owner)), bundles)
        owner = np.repeat(owner, bundles)
        score = stats.norm.cdf((centre + 0.5 * rng.normal(size=len(owner))) / math.sqrt(1.25))
        out = np.zeros((slices, 3, _BINS + 1), dtype=np.int64)
        np.add.at(out[:, 2], (where[some][owner], np.minimum((score * _BINS).astype(int), _BINS - 1)), 1)
        return out

    halves = np.stack(
        [np.stack([binned(users.pod % 2 == half, 90) for half in (0, 1)], axis=1) for _ in range(_BLOCKS)]
    )
    counts = np.zeros((_BLOCKS, slices, 2, 3, 3), dtype=np.int64)
    counts[..., 2, 0] = halves[..., 2, :-1].sum(axis=-1)
    keys = ("", *(f"slice={i}" for i in range(1, slices)))
    cells = Cells(some_blocks(_BLOCKS, seconds=1800), keys, counts, bins=halves, edges=edges)
    spread = spread_of(_DATASET, cells, (), ["score-shift"], 8)
    measure = registry.get("score-shift").measure
    assert isinstance(measure, Shift)
    at = deciles(halves.sum(axis=(0, 1, 2)), measure.points)
    apart = spread.apart[0] * of_split(_CANDIDATES / _PODS)
    lanes = []
    for point in range(1, len(at) + 1):
        share = np.full(slices, point / (len(at) + 1))
        step = overdispersion.odds_step(share, apart), -overdispersion.odds_step(share, -apart)
        lanes += [(share, 0.025 + step[0]), (1 - share, 0.025 + step[1])]
    prior, delta = (np.concatenate(each) for each in zip(*lanes, strict=True))
    test = BettingTest("regression", prior, 1.0, delta, phi=np.tile(spread.phi[0], len(lanes)))
    candidate = users.pod < _CANDIDATES
    for _ in range(_LOOKS):
        bins = np.stack([binned(~candidate, 1), binned(candidate, 1)], axis=1)
        n, below = measure.count(Tally(counts=np.zeros((slices, 2, 3, 3), dtype=np.int64), bins=bins), at)
        counted = []
        for point in range(len(at)):
            low = below[..., point]
            counted += [np.stack([n[:, 1], bad[:, 1], n[:, 0], bad[:, 0]]) for bad in (low, n - low)]
        log_e = test.add(np.concatenate(counted, axis=1).astype(float)).reshape(len(lanes), slices)
        if betting.log_mean(log_e, np.full(len(lanes), -math.log(len(lanes)))).max() >= math.log(slices / _ALPHA):
            return True
    return False


_SESSION = 40  # rows that one user sends in one go
_UNITS = 64


def sessions(replicates: int) -> list[Row]:
    """Users send their day's rows in one go, of which each goes to one arm whole; the log names no pods."""
    hits = {by_unit: sum(_sessions(seed, by_unit=by_unit) for seed in range(replicates)) for by_unit in (True, False)}
    about = (
        f"Equal versions, 20,000 users whose log-odds have sd 1, each with {_SESSION} rows a day in one go to one arm, "
        "100 slices, no pods in the log, columns.unit; tolerance R = 1.125, α = 1.5 %: ever rolled back."
    )
    rows = [at_most("Rows bundled by user, unit", hits[True], replicates, _ALPHA, about=about)]
    about = "The same without columns.unit."
    return [*rows, contrast("Rows bundled by user, no unit", hits[False], replicates, 0.1, about=about)]


def _sessions(seed: int, *, by_unit: bool) -> bool:
    rng = np.random.default_rng([97, seed])
    users = Users.drawn(rng)
    base = np.exp(rng.uniform(math.log(0.01), math.log(0.2), _SLICES))[users.slice]
    rate = 1 / (1 + np.exp(-(np.log(base / (1 - base)) + users.own)))
    bad = rng.binomial(_SESSION, rate)  # the day before
    at = rng.integers(0, _UNITS, _USERS) * _SLICES + users.slice
    counts = np.zeros((_UNITS, _SLICES, 2, 3, 3), dtype=np.int64)
    for answer, found in enumerate((_SESSION - bad, bad)):
        counts[:, :, 0, 0, answer] = np.bincount(at, weights=found, minlength=_UNITS * _SLICES).reshape(_UNITS, -1)
    keys = ("", *(f"slice={i}" for i in range(1, _SLICES)))
    spread = with_units(None, _DATASET, Cells(some_blocks(_UNITS), keys, counts), ["error-rate"])
    whole = counts[:, :, 0].sum(axis=0)
    prior = (whole[:, 0, 1] + 1) / (whole[:, 0].sum(axis=-1) + 2)
    test = BettingTest("regression", prior, 1.125, 0.0, phi=spread.phi[0] if by_unit else 1.0)
    look, is_candidate = rng.integers(0, _LOOKS, _USERS), rng.random(_USERS) < 0.25
    bad = rng.binomial(_SESSION, rate)
    for now in range(_LOOKS):
        block = []
        for arm in (is_candidate, ~is_candidate):
            some = (look == now) & arm
            block += [
                np.bincount(users.slice[some], weights=x[some], minlength=_SLICES)
                for x in (np.full(_USERS, float(_SESSION)), bad)
            ]
        if test.add(np.stack(block)).max() >= math.log(_SLICES / _ALPHA):
            return True
    return False


SCENARIOS = [(error_rates, 250, 0), (sessions, 600, 0), (shifted_scores, 200, 0)]
