from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tests.unit.monitoring.builders import a_dataset, a_plan, an_analysis, before_the_rollout, some_cells
from tierwise.monitoring.counts.model import Reads
from tierwise.monitoring.planning.drop import Drop, bad_rate, own_value
from tierwise.monitoring.planning.forecast import forecast_tier
from tierwise.monitoring.planning.promotion import Course
from tierwise.monitoring.planning.tier_plan import TierTerms, plan_tier

HOUR = 3600.0


def a_forecast(drops=(), *, metric="accuracy", exposure=0.5, hours=4, rates=None, margin=None, soak=0.0):
    """From an hour of history: a large and a small carrier, 10 % wrong in both."""
    rng = np.random.default_rng(1)
    history = before_the_rollout(some_cells(rng, rates or {"carrier=AA": (0.1, 0.1)}, blocks=60, per_block=600))
    small = before_the_rollout(some_cells(rng, {"carrier=VX": (0.1, 0.1)}, blocks=60, per_block=4))
    counts = np.concatenate([history.counts, small.counts[:, 1:]], axis=1)
    counts[:, 0] += small.counts[:, 0]
    cells = type(history)(history.blocks, (*history.slices, "carrier=VX"), counts)
    analysis = an_analysis(metrics=(metric,), margin=margin)
    plan = a_plan(analysis, cells, expected_share=hours, candidate_share=exposure, hours=hours)
    return forecast_tier(plan, {"flights": cells}, HOUR, Course(exposure, soak, hours * HOUR), drops)


def test_a_drop_takes_longer_where_there_are_fewer_labels_and_its_labels_fill_that_time():
    large, small = (Drop({"carrier": name}, "accuracy", 0.9, 0.8) for name in ("AA", "VX"))
    found = a_forecast([large, small]).drops

    assert found[0].fits
    assert found[0].seconds is not None
    assert found[1].seconds is not None
    assert found[1].seconds / found[0].seconds == pytest.approx(
        found[0].labels_per_hour / found[1].labels_per_hour, rel=1e-6
    )
    assert found[0].labels == pytest.approx(found[0].seconds / HOUR * found[0].labels_per_hour, abs=1)


def test_what_does_not_fit_is_told_with_the_exposure_and_the_number_of_hypotheses_that_would():
    drop = Drop({"carrier": "VX"}, "accuracy", 0.9, 0.73)
    late = a_forecast([drop], exposure=0.05, hours=4).drops[0]
    assert not late.fits
    assert late.exposure_needed is not None

    enough = a_forecast([drop], exposure=late.exposure_needed, hours=4).drops[0]
    assert enough.fits
    assert not a_forecast([drop], exposure=late.exposure_needed - 0.01, hours=4).drops[0].fits


def test_a_drop_within_the_tolerance_or_in_a_slice_without_rows_is_never_seen():
    within, nowhere = Drop({"carrier": "AA"}, "accuracy", 0.9, 0.897), Drop({"carrier": "ZZ"}, "accuracy", 0.9, 0.5)
    found = a_forecast([within, nowhere]).drops
    assert [drop.seconds for drop in found] == [None, None]
    assert not any(drop.fits for drop in found)
    assert found[1].labels_per_hour == 0


def test_the_log_s_own_value_stands_in_where_none_is_given():
    found = a_forecast([Drop({"carrier": "AA"}, "accuracy", None, 0.8)]).drops[0]
    assert found.before == pytest.approx(0.9, abs=0.005)


def test_a_slice_is_judged_alone_when_it_is_surely_shown_equal_in_time_and_told_what_would_do_it():
    forecast = a_forecast()
    by_slice = {found.slice: found for found in forecast.slices}
    strong, weak = by_slice["carrier=AA"], by_slice["carrier=VX"]
    assert strong.powered
    assert strong.sure_seconds is not None
    assert strong.sure_seconds <= forecast.course.max_seconds
    assert not weak.powered
    assert weak.sure_seconds is not None
    assert weak.sure_seconds > forecast.course.max_seconds
    assert weak.margin_needed is not None

    wider = a_forecast(margin={"absolute": weak.margin_needed * 1.01})
    assert all(found.powered for found in wider.slices)


def test_the_smallest_drop_seen_is_a_drop_that_just_fits():
    forecast = a_forecast()
    for found in forecast.slices:
        assert found.smallest_drop is not None
        values = dict([found.slice.split("=")]) if found.slice else {}
        at = a_forecast([Drop(values, "accuracy", None, found.smallest_drop)]).drops[0]
        assert at.seconds == pytest.approx(forecast.course.max_seconds, rel=0.01)


@pytest.mark.parametrize("metric", ["accuracy", "false-positive-rate", "recall"])
def test_values_and_rates_of_bad_answers_are_each_other_s_inverse(metric):
    for value in (0.001, 0.2, 0.97):
        assert own_value(metric, bad_rate(metric, value)) == pytest.approx(value)


def a_weighted_forecast(drops, weights, *, metric="accuracy"):
    """As `a_forecast` of one large carrier; `weights` scales (Σw, Σw²) of every count. None: no weights at all."""
    cells = before_the_rollout(some_cells(np.random.default_rng(1), {"carrier=AA": (0.1, 0.1)}, blocks=60))
    analysis = an_analysis(metrics=(metric,), margin={"absolute": 0.05})
    dataset = a_dataset(analysis)
    if weights is not None:
        dataset = replace(dataset, reads=Reads(weights=True))
        cells = replace(cells, weights=np.stack([cells.counts * factor for factor in weights]))
    terms = TierTerms(alpha=0.045, expected_share=4.0, candidate_share=0.5, max_duration_seconds=4 * HOUR)
    plan = plan_tier([analysis], {"flights": dataset}, {"flights": cells}, terms)
    return forecast_tier(plan, {"flights": cells}, HOUR, Course(0.5, 0.0, 4 * HOUR), drops)


@pytest.mark.parametrize(("metric", "after"), [("accuracy", 0.8), ("error-rate", 0.2), ("false-positive-rate", 0.15)])
def test_sample_weights_of_one_give_the_plan_that_no_weights_give(metric, after):
    drop = Drop({"carrier": "AA"}, metric, None, after)
    without, weighted = (a_weighted_forecast([drop], weights, metric=metric) for weights in (None, (1.0, 1.0)))
    for one, two in zip(without.slices, weighted.slices, strict=True):
        assert (one.slice, one.powered) == (two.slice, two.powered)
        assert two.value == pytest.approx(one.value, abs=1e-3)  # a rate known before is smoothed, a weighted one is not
        assert two.labels_per_hour == pytest.approx(one.labels_per_hour)
        assert two.smallest_drop == pytest.approx(one.smallest_drop, abs=0.005)
        assert two.sure_seconds == pytest.approx(one.sure_seconds, rel=0.1)
    assert weighted.drops[0].before == pytest.approx(without.drops[0].before, abs=1e-3)
    assert weighted.drops[0].tolerance == pytest.approx(without.drops[0].tolerance)
    # Two tests, of counts and of an estimate: they differ in the learning and in the tails.
    assert weighted.drops[0].seconds == pytest.approx(without.drops[0].seconds, rel=0.5)


def test_unequal_sample_weights_leave_fewer_effective_labels():
    alike, unlike = (a_weighted_forecast([], weights).slices[0] for weights in ((1.0, 1.0), (2.5, 8.5)))
    assert unlike.labels_per_hour == pytest.approx(alike.labels_per_hour * 2.5**2 / 8.5)
    assert unlike.value == pytest.approx(alike.value)
    assert unlike.smallest_drop < alike.smallest_drop
