"""Delivered tiers without a control beside them: estimates and weighted shares, at a tolerance of zero.

Every slice is a comparison of its own, so what is counted is how many e-values ever reach 1/α. The past is of five
days, which differ where that is said. Scores are in 32 bins; a weight of 5 stands on a fifth of the rows; the numbers
of `mae` have a long tail.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from scipy import stats

from tests.calibration.table import Row, at_least, at_most
from tierwise.api.common import Margin
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.strategy import MetricSpec
from tierwise.metrics import registry
from tierwise.metrics.counts import stacked
from tierwise.metrics.tally import Tally
from tierwise.monitoring.counts.model import Dataset, Reads
from tierwise.monitoring.planning.bounds import Bounds
from tierwise.monitoring.verification.fold import BlockTallies, begin_watch, fold_past, fold_strata
from tierwise.monitoring.verification.hypotheses import Group, Hypotheses, Pairs, how_of

ALPHA = 0.05
_AT = datetime(2026, 1, 1, tzinfo=UTC)
_BINS = 32
_EDGES = np.linspace(0, 1, _BINS + 1)
_SPEC = MonitoringDatasetSpec.model_validate({"table": "log"})
_SKILL = 2.0
_LOOKS = 40
_DAYS = 5

SCORES = ("auc", "average-precision", "balanced-accuracy", "mcc", "ece")
WEIGHTED = ("accuracy", "false-positive-rate", "balanced-accuracy")
NUMBERS = ("mae",)


@dataclass(frozen=True)
class Setting:
    """`mix`: rows of the version, and of each of what it is compared with, as a share of `size` a look and stratum."""

    metrics: tuple[str, ...]
    control: str
    mix: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    strata: int = 0
    size: int = 60
    drift: float = 0.0  # by which everything gets worse between the past and now
    worse: float = 0.0  # by which the version is
    is_weighted: bool = False
    day_sd: float = 0.0  # of the log of the errors' size, by day and slice


def ever_over(setting: Setting, slices: int, seed: int) -> dict[str, int]:
    """How many of the slices' e-values ever reach 1/α, by metric."""
    rng = np.random.default_rng(seed)
    of = _hypotheses(setting, slices)
    watch = begin_watch(of)
    top = np.zeros(of.size)
    sets = slices * max(1, setting.strata)
    own = np.exp(rng.normal(0, setting.day_sd, (1 + _DAYS, sets)))
    counts = np.zeros((4, of.size) if setting.control == "history" else (4, of.size, setting.strata))

    def drawn(window: int, day: int) -> Tally:
        share, (skill, level) = setting.mix[window], _levels(setting)[window]
        return _drawn(rng, setting, rng.poisson(setting.size * share, sets), skill, level * own[day])

    for _ in range(_LOOKS):
        if setting.control == "history":
            parts = [
                [BlockTallies(counts, (stacked([drawn(before, day), now], axis=1),)) for day in range(1, 1 + _DAYS)]
                for before, now in ((1, drawn(0, 0)), (3, drawn(2, 0)))
            ]
            # Days that differ do so in the version's place: elsewhere they would be taken off.
            watch = fold_past(watch, _AT, parts[0], () if setting.day_sd else parts[1])
        else:
            watch = fold_strata(watch, _AT, BlockTallies(counts, (stacked([drawn(1, 0), drawn(0, 0)], axis=1),)))
        assert watch.log_e is not None
        watch = replace(watch, stopped_at=None)  # every slice is a trial of its own
        top = np.maximum(top, watch.log_e)
    return {group.spec.name: int((top[group.here] >= -np.log(ALPHA)).sum()) for group in of.groups}


def _levels(setting: Setting) -> list[tuple[float, float]]:
    """Skill of the scores and size of the errors: now, before, elsewhere now, elsewhere before."""
    drift, worse = setting.drift, setting.worse
    return [
        (_SKILL * (1 - drift - worse), (1 + drift) * (1 + worse)),
        (_SKILL, 1.0),
        (_SKILL * (1 - drift), 2 * (1 + drift)),
        (_SKILL, 2.0),
    ]


def _hypotheses(setting: Setting, slices: int) -> Hypotheses:
    dataset = Dataset("log", _SPEC, reads=Reads(bins=True, weights=setting.is_weighted))
    groups = []
    for i, name in enumerate(setting.metrics):
        # A relative tolerance: what changes elsewhere is taken off as a factor.
        margin = Margin(relative=0.1) if setting.metrics is NUMBERS else Margin(absolute=0.01)
        metric, spec = registry.get(name), MetricSpec(name=name, margin=margin)
        groups.append(Group(0, metric, spec, how_of(metric, dataset.reads), i * slices, slices))
    size = slices * len(groups)
    strata = setting.strata
    pairs = Pairs(np.repeat(np.arange(slices), strata), np.tile(np.arange(strata), slices), ("",) * slices * strata)
    return Hypotheses(
        alpha=ALPHA,
        control="history" if setting.control == "history" else "stratified",
        datasets=(dataset,),
        slices=(("",) * slices,),
        strata=(("",) * strata,),
        pairs=(pairs,),
        groups=tuple(groups),
        bounds=Bounds.equal(size),
        prior=np.full(size, 0.1),
        log_weight=np.zeros(size),
        sigma=np.zeros(size),
        pod_bound=np.zeros(size),
    )


def _drawn(rng: np.random.Generator, setting: Setting, n: np.ndarray, skill: float, level: np.ndarray) -> Tally:
    """One arm's rows of every slice, or slice within a stratum."""
    counts = np.zeros((len(n), 3, 3), dtype=np.int64)
    bins = np.zeros((len(n), 3, _BINS + 1), dtype=np.int64)
    weights = np.zeros((2, len(n), 3, 3))
    positives = rng.binomial(n, 0.3)
    for label, rows in ((0, n - positives), (1, positives)):
        high, low = (1 + skill, 1.0) if label else (1.0, 1 + skill)
        bins[:, label, :_BINS] = rng.multinomial(rows, np.diff(stats.beta.cdf(_EDGES, high, low)))
        halves = (bins[:, label, : _BINS // 2].sum(axis=1), bins[:, label, _BINS // 2 :].sum(axis=1))
        for answer, found in enumerate(halves):
            heavy = rng.binomial(found, 0.2)
            counts[:, label, answer] = found
            weights[:, :, label, answer] = found - heavy + np.multiply.outer([5, 25], heavy)
    sums = {}
    if setting.metrics is NUMBERS:
        owner = np.repeat(np.arange(len(n)), n)
        errors = rng.gamma(0.5, 2 * level[owner])
        parts = {"x": errors, "xx": errors**2}
        sums = {f"mae:{name}": np.bincount(owner, values, len(n)) for name, values in parts.items()}
        sums["mae:n"] = n.astype(float)
    return Tally(counts, bins, _EDGES, sums=sums, weights=weights if setting.is_weighted else None)


_UNEVEN = ((0.3, 1.0, 1.0, 1.0), (1.0, 0.3, 1.0, 1.0))
EQUAL = {
    "own past": Setting(SCORES, "history"),
    "own past, weighted": Setting(WEIGHTED, "history", is_weighted=True),
    "own past, numbers": Setting(NUMBERS, "history", size=30),
    "own past, days differ": Setting(NUMBERS, "history", size=30, day_sd=0.2),
    "all get worse": Setting(SCORES, "history", drift=0.3),
    "all get worse, numbers": Setting(NUMBERS, "history", size=30, drift=0.3),
    **{f"strata, {mix}": Setting(SCORES, "strata", mix, strata=8, size=30) for mix in _UNEVEN},
    **{f"strata, weighted, {mix}": Setting(WEIGHTED, "strata", mix, strata=8, is_weighted=True) for mix in _UNEVEN},
    **{f"strata, numbers, {mix}": Setting(NUMBERS, "strata", mix, strata=8, size=20) for mix in _UNEVEN},
}
WORSE = {
    "own past": Setting(("auc", "balanced-accuracy"), "history", worse=0.5, size=300),
    "own past, weighted": Setting(WEIGHTED, "history", worse=0.5, size=600, is_weighted=True),
    "own past, numbers": Setting(NUMBERS, "history", worse=0.5, size=60),
    "strata": Setting(("auc", "balanced-accuracy"), "strata", worse=0.3, strata=8, size=60),
    "strata, weighted": Setting(WEIGHTED, "strata", worse=0.5, strata=8, size=90, is_weighted=True),
    "strata, numbers": Setting(NUMBERS, "strata", worse=0.5, strata=8, size=20),
}


def equal(name: str, slices: int, seed: int) -> list[Row]:
    """Nothing is the version's."""
    found = ever_over(EQUAL[name], slices, seed)
    return [at_most(f"{name}: {metric}", hits, slices, ALPHA, about=name) for metric, hits in found.items()]


def worse(name: str, slices: int, seed: int) -> list[Row]:
    """The version is worse."""
    found = ever_over(WORSE[name], slices, seed)
    return [at_least(f"{name}: {metric}", hits, slices, 0.9, about=name) for metric, hits in found.items()]
