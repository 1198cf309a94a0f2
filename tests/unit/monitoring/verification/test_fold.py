"""Delivered tiers: every metric against the tiers' own past and within strata, with what pods alone may do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.monitoring.builders import SPEC, T0, an_analysis, some_blocks
from tests.unit.monitoring.engines import SPEC_OF_SCORES, a_dataset_of, scored
from tierwise.monitoring.counts.model import BASELINE, CANDIDATE, Cells
from tierwise.monitoring.verification.fold import begin_watch, fold_past, fold_strata, past_of_block, strata_of_block
from tierwise.monitoring.verification.hypotheses import Against, Scatter, hypotheses_of, why_not
from tierwise.monitoring.verification.results import has_compared, not_compared, results_of_watch
from tierwise.stats.overdispersion import PodSpread

WEIGHTED = SPEC_OF_SCORES.model_copy(update={"columns": SPEC.columns.model_copy(update={"weight": "w"})})
STRATA = ("carrier=HA", "carrier=UA")
ESTIMATES = ("auc", "balanced-accuracy", "ece")


def a_watch(metrics, *, spec=SPEC_OF_SCORES, control="history", sigma=None, strata=(), tolerance=None, margin=None):
    """A watch of all traffic and two carriers; by default a tenth of a point is tolerated, at a stage's usual alpha."""
    analysis = an_analysis(metrics, margin=margin or {"absolute": tolerance * 2 if tolerance else 0.002})
    dataset = a_dataset_of(analysis, spec)
    usual = scored(5, blocks=1, rows=3000, weighted=spec is WEIGHTED)
    of = hypotheses_of(
        (analysis,),
        {analysis.name: dataset},
        {analysis.name: usual},
        0.0025,
        Against(control, {analysis.name: strata}),
        Scatter(sigma={(analysis.name, name): PodSpread(value, 10_000) for name, value in (sigma or {}).items()}),
    )
    return begin_watch(of)


def rows(seed, *, skill=1.0, blocks=12, weighted=False):
    """One arm's rows are taken of it: UA's and, with that skill, HA's."""
    return {"flights": scored(seed, blocks, 200, skill=(1.0, skill), weighted=weighted)}


def beside_past(watch, now, *days, elsewhere=None, pods=()):
    for i, block in enumerate(now["flights"].blocks):
        here = [past_of_block(watch.of, now, before, i, CANDIDATE) for before in days]
        others = [past_of_block(watch.of, elsewhere[0], before, i, CANDIDATE) for before in (elsewhere or ())[1:]]
        watch = fold_past(watch, block.end, here, others, pods)
    return watch


def within_strata(watch, now, elsewhere, pods=()):
    for i, block in enumerate(now["flights"].blocks):
        watch = fold_strata(watch, block.end, strata_of_block(watch.of, now, elsewhere, i), pods)
    return watch


def worst(watch):
    return results_of_watch(watch)[0]


@pytest.mark.parametrize("metrics", [ESTIMATES, ("positive-rate", "recall")])
def test_as_good_as_the_past_is_no_regression_and_every_metric_was_compared(metrics):
    watch = beside_past(a_watch(metrics), rows(1), rows(2))
    assert watch.stopped_at is None
    assert (has_compared(watch), not_compared(watch)) == (True, ())
    assert {r.metric for r in results_of_watch(watch)} == set(metrics)
    assert {(r.test, r.control) for r in results_of_watch(watch)} == {("mixture", "history")}


@pytest.mark.parametrize("metric", ["auc", "balanced-accuracy", "mcc", "average-precision"])
def test_an_estimate_that_falls_in_one_slice_is_found_and_named(metric):
    watch = beside_past(a_watch((metric,)), rows(1, skill=0.4), rows(2))
    assert watch.stopped_at is not None
    found = worst(watch)
    assert (found.metric, found.verdict, dict(found.slice)) == (metric, "Regressed", {"carrier": "HA"})
    assert found.difference is not None
    assert found.difference < -0.05
    assert found.candidate.bad is None


@pytest.mark.parametrize("metric", ["accuracy", "recall", "balanced-accuracy"])
def test_with_sample_weights_a_fall_is_found_and_the_same_is_not(metric):
    before = rows(2, weighted=True)
    steady = beside_past(a_watch((metric,), spec=WEIGHTED), rows(1, weighted=True), before)
    assert steady.stopped_at is None
    assert has_compared(steady)
    watch = beside_past(a_watch((metric,), spec=WEIGHTED), rows(1, skill=0.3, weighted=True), before)
    assert dict(worst(watch).slice) == {"carrier": "HA"}
    assert watch.stopped_at is not None


def test_a_change_in_the_tiers_to_come_is_taken_off():
    """Scores tell less everywhere: only without the other tiers it counts as the version's."""
    now, before = rows(1, skill=0.4), rows(2)
    watch = beside_past(a_watch(ESTIMATES), now, before, elsewhere=(rows(3, skill=0.4), rows(4)))
    assert watch.stopped_at is None
    assert worst(watch).log10_e < 2
    assert beside_past(a_watch(ESTIMATES), now, before).stopped_at is not None


@pytest.mark.parametrize("control", ["history", "stratified"])
def test_a_rate_that_may_move_neither_way_is_found_when_it_falls(control):
    """No metric that comes with Tierwise is such a rate; a plug-in's may be."""
    now, before = ({"flights": scored(seed, 12, 200, shift=shift)} for seed, shift in ((1, -1.5), (2, 0.0)))
    straight = a_watch(("positive-rate",), control=control, strata=STRATA if control == "stratified" else ())
    bounds = straight.of.bounds
    both = replace(straight.of, bounds=replace(bounds, lower_ratio=bounds.ratio, lower_delta=bounds.delta))
    fold = beside_past if control == "history" else within_strata
    assert fold(straight, now, before).stopped_at is None
    watch = fold(begin_watch(both), now, before)
    assert watch.stopped_at is not None
    assert worst(watch).difference < -0.1


@pytest.mark.parametrize("metric", ["auc", "balanced-accuracy", "recall"])
def test_within_strata_a_fall_is_found_and_the_same_is_not(metric):
    steady = within_strata(a_watch((metric,), control="stratified", strata=STRATA), rows(1), rows(2))
    assert steady.stopped_at is None
    assert has_compared(steady)
    watch = within_strata(a_watch((metric,), control="stratified", strata=STRATA), rows(1, skill=0.3), rows(2))
    assert watch.stopped_at is not None
    assert worst(watch).control == "stratified"


def test_another_mix_of_the_strata_is_no_fall_of_an_estimate():
    """The version has nine times as many rows of the carrier whose scores tell less, the tiers to come as few."""
    one, two = scored(1, 12, 200, skill=(1.0, 0.2)), scored(2, 12, 200, skill=(1.0, 0.2))
    now, elsewhere = ({"flights": thinned(cells, carrier)} for cells, carrier in ((one, 2), (two, 1)))
    metrics = ("auc", "balanced-accuracy")
    adjusted = within_strata(a_watch(metrics, control="stratified", strata=STRATA), now, elsewhere)
    assert adjusted.stopped_at is None
    assert has_compared(adjusted)
    plain = within_strata(a_watch(metrics, control="stratified", strata=("",)), now, elsewhere)
    assert plain.stopped_at is not None


def thinned(cells, carrier):
    """A ninth of one carrier's rows; both arms have those of the second, which is another model's on HA."""
    counts, bins = cells.counts.copy(), cells.bins.copy()
    for values in (counts, bins):
        values[:, :, BASELINE] = values[:, :, CANDIDATE]
        values[:, carrier] //= 9
        values[:, 0] = values[:, 1] + values[:, 2]
    return Cells(cells.blocks, cells.slices, counts, bins, cells.edges)


@pytest.mark.parametrize("control", ["history", "stratified"])
def test_what_pods_alone_can_make_of_a_rate_is_not_rolled_back(control):
    """Three pods a side of which each may differ: a fall that two large fleets would be rolled back for."""
    fold = beside_past if control == "history" else within_strata
    now, before = rows(1, skill=0.75), rows(2)

    def stopped(pods):
        strata = STRATA if control == "stratified" else ()
        watch = a_watch(("accuracy",), control=control, strata=strata, sigma={"accuracy": 0.2})
        return fold(watch, now, before, pods=pods)

    assert stopped((500, 500)).stopped_at is not None
    few = stopped((3, 3))
    assert few.stopped_at is None
    assert worst(few).sigma_pod == 0.2


def test_the_fewest_pods_seen_so_far_count():
    watch = a_watch(("accuracy",), sigma={"accuracy": 0.2})
    now, before = rows(1), rows(2)
    for pods in ((3, 3), (100, 100)):
        watch = fold_past(watch, T0, [past_of_block(watch.of, now, before, 0, CANDIDATE)], (), pods)
    assert watch.apart == pytest.approx(np.sqrt(2 / 3))


def test_what_is_not_watched_is_told_with_its_reason():
    watch = a_watch(("score-shift", "accuracy"))
    assert watch.of.watched == ("flights/accuracy",)
    assert [name for name, _ in watch.of.skipped] == ["flights/score-shift"]
    dataset = a_dataset_of(an_analysis(("ks",)))
    assert why_not("ks", dataset, "history") == ""
    assert "too high where rows are few" in why_not("ks", dataset, "stratified")


def test_distributions_within_too_many_strata_are_not_kept_and_told():
    analysis = an_analysis(("auc", "accuracy"))
    dataset = a_dataset_of(analysis)
    keys = ("", *(f"carrier={i}" for i in range(1000)))
    shape = (1, len(keys), 2, 3)
    usual = Cells(some_blocks(1), keys, np.ones((*shape, 3), dtype=np.int64), np.ones((*shape, 51), dtype=np.int64))
    strata = {analysis.name: [f"origin={i}" for i in range(64)]}
    of = hypotheses_of(
        (analysis,), {analysis.name: dataset}, {analysis.name: usual}, 0.0025, Against("stratified", strata)
    )
    assert of.watched == ("flights/accuracy",)
    assert "64064 slices within strata" in of.skipped[0][1]
    assert not of.datasets[0].reads.bins


def test_a_metric_with_too_few_rows_is_not_said_to_be_watched():
    watch = a_watch(("auc", "accuracy"))
    few = {"flights": scored(1, 1, 20)}
    watch = beside_past(watch, few, rows(2, blocks=1))
    assert [name for name, _ in not_compared(watch)] == ["flights/auc", "flights/accuracy"]
    assert not has_compared(watch)


def test_proportions_of_sums_are_counted_from_them():
    spec = SPEC_OF_SCORES.model_copy(update={"columns": SPEC.columns.model_copy(update={"status": "status"})})

    def errors(share):
        cells = scored(1, 6, 500)
        n = cells.counts.sum(axis=(3, 4)).astype(float)
        sums = {"server-error-rate:n": n, "server-error-rate:bad": np.round(n * share)}
        return {"flights": replace(cells, sums=sums)}

    analysis = an_analysis(("server-error-rate",), margin={"relative": 0.25})
    dataset = a_dataset_of(analysis, spec)
    of = hypotheses_of((analysis,), {"flights": dataset}, errors(0.05), 0.0025)
    assert beside_past(begin_watch(of), errors(0.05), errors(0.05)).stopped_at is None
    assert beside_past(begin_watch(of), errors(0.12), errors(0.05)).stopped_at is not None
