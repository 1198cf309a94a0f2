"""What a watch of delivered tiers shows: one row per slice and metric, as a judgement has them."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from tierwise.api.names import Verdict
from tierwise.api.slices import parse_slice_key
from tierwise.api.strategy import MetricSpec
from tierwise.metrics import registry
from tierwise.monitoring.judgement import ArmCounts, Result
from tierwise.monitoring.verifying import Hypotheses, Watch, tolerance_of
from tierwise.stats import multiplicity

_LOG10 = math.log(10)


def results_of_watch(watch: Watch) -> tuple[Result, ...]:
    """All that is watched, most evidence first; the named ones are `Regressed` once the decision fell."""
    of = watch.of
    log_e = watch.log_e if watch.log_e is not None else np.zeros(of.size)
    named = np.zeros(of.size, dtype=np.bool_)
    if watch.stopped_at is not None:
        named = multiplicity.e_bh(log_e, of.log_weight, of.alpha, hypotheses=of.size)
    arms = np.stack(_arms(watch), axis=1).tolist()
    order = np.argsort(-(log_e + of.log_weight), kind="stable")
    places = _places(of)
    return tuple(
        _result(watch, places[h], tuple(arms[h]), float(log_e[h]), named=bool(named[h])) for h in order.tolist()
    )


def has_compared(watch: Watch) -> bool:
    """Whether anything could be compared yet: rows of both sides in at least one hypothesis, enough for the test."""
    if watch.strata is not None:
        return bool((watch.strata.past[0] > 0).any())
    if watch.log_e is None:
        return False
    return bool((watch.log_e != 0).any())


def _arms(watch: Watch) -> tuple[npt.NDArray[np.int64], ...]:
    if watch.strata is not None:
        return tuple(row.sum(axis=-1).astype(np.int64) for row in watch.strata.counts)
    now, before = watch.tables[:2]
    return tuple(row.astype(np.int64) for row in (*now, *before))


def _places(of: Hypotheses) -> list[tuple[str, MetricSpec, str]]:
    return [
        (dataset.name, spec, key)
        for dataset, specs, keys in zip(of.datasets, of.metrics, of.slices, strict=True)
        for spec in specs
        for key in keys
    ]


def _result(
    watch: Watch, place: tuple[str, MetricSpec, str], arms: tuple[int, int, int, int], log_e: float, *, named: bool
) -> Result:
    (dataset, spec, key), (na, ka, nb, kb) = place, arms
    metric = registry.get(spec.name)
    value, usual = metric.value(na, ka), metric.value(nb, kb)
    verdict = Verdict.INCONCLUSIVE if min(na, nb) > 0 else Verdict.INSUFFICIENT_DATA
    return Result(
        dataset=dataset,
        metric=spec.name,
        slice=parse_slice_key(key),
        verdict=Verdict.REGRESSED if named else verdict,
        candidate=ArmCounts(na, ka),
        baseline=ArmCounts(nb, kb),
        candidate_value=value,
        baseline_value=usual,
        difference=None if value is None or usual is None else value - usual,
        interval=None,
        margin=spec.margin,
        tolerance=tolerance_of(spec),
        log10_e=log_e / _LOG10,
        log10_e_non_inferior=None,
        log10_e_improved=None,
        powered=False,
        alpha=watch.of.alpha,
        traffic=None,
        test="block-betting" if watch.strata is not None else "mixture",
        control="stratified" if watch.strata is not None else "history",
        phi=watch.of.phi,
    )
