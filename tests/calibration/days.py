"""Rates that move from day to day by themselves: a delivered version against the same hours of earlier days."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from tests.calibration.table import Row, at_least, at_most, contrast, unpromised
from tests.unit.monitoring.builders import T0
from tierwise.api.common import Margin
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.strategy import MetricSpec
from tierwise.metrics import registry
from tierwise.monitoring.counts.model import Dataset
from tierwise.monitoring.planning.bounds import Bounds
from tierwise.monitoring.verification.fold import BlockTallies, begin_watch, fold_past
from tierwise.monitoring.verification.hypotheses import Group, Hypotheses, pairs_of
from tierwise.stats import multiplicity
from tierwise.stats.betting import Boundary
from tierwise.stats.days import day_bound
from tierwise.stats.history import change

_ALPHA = 0.0025  # a stage's share of α = 5 %; half of it is for days
_HOURS, _ROWS, _RATE = 24, 20_000.0, 0.05
_SLICES = 20
_STEP = 0.9  # of a rate that wanders within the day: a memory of ten hours


@dataclass(frozen=True)
class Week:
    """`sd` of a day's log-odds, `wander` of an hour's about it, `worse` of the version; `elsewhere`: other tiers."""

    days: int = 7
    sd: float = 0.1
    wander: float = 0.0
    worse: float = 0.0
    elsewhere: bool = False
    allowed: bool = True  # for days that differ


def all_traffic(replicates: int) -> list[Row]:
    """All traffic, 20,000 labels an hour with 5 % errors; every replicate is a rollout of its own."""
    text = "Equal versions, 20,000 labels an hour, days whose log-odds have sd {sd:g}, {days} days of past, α = .25 %"
    rows = []
    for week, bound, more in (
        (Week(), 0.0025, ""),
        (Week(sd=0.03), 0.0025, ""),
        (Week(elsewhere=True), 0.0025, ", less the change in other tiers"),
        (Week(days=5), 0.005, ""),
        (Week(wander=0.1), 0.0075, ", hours that wander by sd .1"),
    ):
        about = text.format(sd=week.sd, days=week.days) + f"{more}: ever rolled back."
        name = f"Own past, sd {week.sd:g}, {week.days} days{more}"
        rows.append(at_most(name, _all_traffic(week, replicates), replicates, bound, about=about))
    few = replicates // 4
    hits = _all_traffic(Week(days=1, allowed=False), few)
    about = "The same against one day, as if days did not differ."
    rows.append(contrast("Own past, one day", hits, few, 0.2, "43 %", about=about))
    hits = _all_traffic(Week(days=3, allowed=False), few)
    about = "Three days: too few to know how days differ, so it is told and never rolled back."
    rows.append(unpromised("Own past, three days, told", hits, few, about=about))
    hits = _all_traffic(Week(worse=0.8), few)
    about = "Log-odds up by .8 at sd .1 and seven days: found."
    return [*rows, at_least("Own past, a large regression", hits, few, 0.9, about=about)]


def _all_traffic(week: Week, replicates: int) -> int:
    rng = np.random.default_rng([110, week.days, round(1000 * (week.sd + week.wander)), week.elsewhere, week.allowed])
    shape = (1 + week.days, replicates)
    day = rng.normal(0, week.sd, shape)
    common = rng.normal(0, week.sd, shape) if week.elsewhere else np.zeros(shape)
    day[0] += week.worse
    wander = rng.normal(0, week.wander, shape)
    here, there = np.zeros((*shape[:1], 2, replicates)), np.zeros((*shape[:1], 2, replicates))
    fallen, own = np.zeros(replicates, dtype=bool), np.arange(replicates)
    null = Boundary(np.ones(replicates), np.zeros(replicates))
    for _ in range(_HOURS):
        wander = _STEP * wander + rng.normal(0, week.wander * math.sqrt(1 - _STEP**2), shape)
        here += _drawn(rng, _ROWS, common + day + wander)
        elsewhere = None
        if week.elsewhere:
            there += _drawn(rng, _ROWS, common)
            elsewhere = (there[0], there[1:])
        found = change(here[0], here[1:], null, elsewhere=elsewhere)
        if week.allowed:
            allowed = day_bound(found.days, found.apart, found.variance, own, _ALPHA / 2)
            found = replace(found, beyond=found.beyond - allowed)
        fallen |= found.log_e >= math.log(2 / _ALPHA)
    return int(fallen.sum())


def _drawn(rng: np.random.Generator, rows: float | np.ndarray, log_odds: np.ndarray) -> np.ndarray:
    """Rows and errors (days, 2, streams) at 5 % errors, with their log-odds moved."""
    odds = _RATE / (1 - _RATE) * np.exp(log_odds)
    n = rng.poisson(rows, log_odds.shape)
    return np.stack([n, rng.binomial(n, odds / (1 + odds))], axis=1).astype(float)


def slices(replicates: int) -> list[Row]:
    """All traffic and twenty slices, folded as in production."""
    rows = []
    for common, own in ((0.1, 0.0), (0.07, 0.07), (0.0, 0.1)):
        hits = sum(_slices(seed, common, own) for seed in range(replicates))
        about = (
            f"Equal versions in 20 slices, days of sd {common:g} for all and {own:g} for each slice, seven days of "
            "past, α = .25 %: ever rolled back."
        )
        rows.append(at_most(f"Own past, slices, sd {common:g} + {own:g}", hits, replicates, 0.01, about=about))
    few = max(replicates // 4, 40)
    hits = sum(_slices(seed, 0.05, 0.05, worse=0.8) for seed in range(few))
    about = "Log-odds up by .8 in one slice at sd .05 + .05: found."
    return [*rows, at_least("Own past, one slice", hits, few, 0.9, about=about)]


def _slices(seed: int, common: float, own: float, worse: float = 0.0) -> bool:
    rng = np.random.default_rng([111, seed, round(100 * common), round(100 * own)])
    of = _hypotheses()
    shape = (8, _SLICES)
    moved = rng.normal(0, common, (8, 1)) + rng.normal(0, own, shape)
    moved[0, 2] += worse
    sizes = _ROWS / np.arange(1, _SLICES + 1) ** 0.8 / 5
    watch = begin_watch(of)
    for _ in range(_HOURS):
        counts = _drawn(rng, np.broadcast_to(sizes, shape), moved)
        counts = np.concatenate([counts.sum(axis=2, keepdims=True), counts], axis=2)
        days = [BlockTallies(np.concatenate([counts[0], before]), (None,)) for before in counts[1:]]
        watch = fold_past(watch, T0, days)
    return watch.stopped_at is not None


def _hypotheses() -> Hypotheses:
    keys = ("", *(f"slice={i}" for i in range(_SLICES)))
    size = len(keys)
    metric = MetricSpec(name="error-rate", margin=Margin(absolute=0.01))
    return Hypotheses(
        alpha=_ALPHA,
        control="history",
        datasets=(Dataset("log", MonitoringDatasetSpec.model_validate({"table": "log"})),),
        slices=(keys,),
        strata=((),),
        pairs=(pairs_of((), ()),),
        groups=(Group(0, registry.get("error-rate"), metric, "counts", 0, size),),
        bounds=Bounds.equal(size),
        prior=np.full(size, _RATE),
        log_weight=np.log(multiplicity.level_weights(np.array([key.count("=") for key in keys]), 0)),
        sigma=np.zeros(size),
        pod_bound=np.zeros(size),
    )


SCENARIOS = [(all_traffic, 20_000, 0), (slices, 400, 0)]
