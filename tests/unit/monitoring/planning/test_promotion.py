"""When a tier would be promoted, with a drop and without one: only then a late rollback is known to come too late."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.monitoring.builders import SPEC, an_analysis, before_the_rollout, some_cells
from tierwise.monitoring.counts.model import Dataset
from tierwise.monitoring.planning.drop import Drop
from tierwise.monitoring.planning.forecast import forecast_tier
from tierwise.monitoring.planning.promotion import Course, shares_in
from tierwise.monitoring.planning.tier_plan import TierTerms, groupings_of, plan_tier

HOUR = 3600.0
RATES = {"carrier=AA": (0.1, 0.1), "carrier=DL": (0.1, 0.1), "carrier=VX": (0.1, 0.1)}


def cells_of(sizes=(60, 30, 2)):
    """An hour of history: a large, a middle and a small carrier, 10 % wrong in each."""
    found = None
    for seed, (atom, rate) in enumerate(RATES.items()):
        part = before_the_rollout(
            some_cells(np.random.default_rng(seed), {atom: rate}, blocks=60, per_block=sizes[seed])
        )
        if found is None:
            found = part
            continue
        counts = np.concatenate([found.counts, part.counts[:, 1:]], axis=1)
        counts[:, 0] += part.counts[:, 0]
        found = type(part)(part.blocks, (*found.slices, *part.slices[1:]), counts)
    return found


def forecast(course, drops=(), *, margin=0.05, maturity="0s", metrics=("accuracy",)):
    analysis = an_analysis(metrics, margin={"absolute": margin})
    spec = SPEC.model_copy(update={"maturity": maturity})
    dataset = Dataset("flights", spec, groupings_of(analysis, spec))
    cells = cells_of()
    terms = TierTerms(
        alpha=0.045,
        expected_share=course.max_seconds / HOUR,
        candidate_share=course.exposure,
        max_duration_seconds=course.max_seconds,
    )
    plan = plan_tier([analysis], {"flights": dataset}, {"flights": cells}, terms)
    return forecast_tier(plan, {"flights": cells}, HOUR, course, drops)


def slices(found):
    return {one.slice: one for one in found.slices}


def test_promotion_comes_when_the_soak_is_over_and_the_whole_and_every_powered_slice_have_passed():
    found = forecast(Course(0.5, 0.0, 4 * HOUR))
    by_key = slices(found)
    assert [key for key, one in by_key.items() if one.powered] == ["", "carrier=AA", "carrier=DL"]
    slowest = by_key["carrier=DL"].pass_seconds
    assert found.promoted_seconds == slowest
    assert by_key["carrier=VX"].pass_seconds > 3 * slowest  # it holds nothing back
    assert forecast(Course(0.5, 2 * HOUR, 4 * HOUR)).promoted_seconds == 2 * HOUR


def test_labels_that_come_late_shorten_the_soak_by_their_maturity():
    late = forecast(Course(0.5, 2 * HOUR, 4 * HOUR), maturity="30m")
    assert late.promoted_seconds == 1.5 * HOUR


def test_a_drop_of_a_slice_that_is_too_small_is_found_after_its_promotion():
    small = Drop({"carrier": "VX"}, "accuracy", None, 0.75)
    found = forecast(Course(0.5, 600.0, 4 * HOUR), [small]).drops[0]
    assert found.fits
    assert not found.in_time
    assert found.promoted_seconds < found.seconds
    patient = forecast(Course(0.5, found.seconds + 1, 4 * HOUR), [small]).drops[0]
    assert patient.in_time


def test_a_drop_beyond_the_margin_of_a_powered_slice_is_never_promoted_and_one_of_the_whole_neither():
    drops = [Drop({"carrier": "DL"}, "accuracy", 0.9, 0.8), Drop({}, "accuracy", 0.9, 0.84)]
    for found in forecast(Course(0.5, 600.0, 4 * HOUR), drops).drops:
        assert found.promoted_seconds is None
        assert found.in_time


def test_at_max_duration_the_policy_promotes_what_never_passed():
    drop = Drop({"carrier": "DL"}, "accuracy", 0.9, 0.85)
    held, promoted = (
        forecast(Course(0.5, 600.0, 4 * HOUR, promotes_at_max=promotes), [drop], margin=0.04).drops[0]
        for promotes in (False, True)
    )
    assert held.promoted_seconds is None
    assert promoted.promoted_seconds == 4 * HOUR


def test_a_drop_that_the_slice_soon_shows_holds_the_promotion_until_it_is_found():
    found = forecast(Course(0.5, 600.0, 4 * HOUR), [Drop({"carrier": "VX"}, "accuracy", None, 0.6)]).drops[0]
    assert found.promoted_seconds is None
    assert found.in_time


def test_a_drop_within_the_margin_passes_later_as_less_of_the_margin_is_left():
    course = Course(0.5, 0.0, 4 * HOUR)
    without = forecast(course).promoted_seconds
    within = forecast(course, [Drop({"carrier": "DL"}, "accuracy", 0.9, 0.87)]).drops[0]
    assert within.promoted_seconds == pytest.approx(without * (5 / 2) ** 2)


@pytest.mark.parametrize("metric", ["accuracy", "mcc"])
def test_the_smallest_drop_in_time_is_found_before_its_promotion(metric):
    course = Course(0.5, 600.0, 4 * HOUR)
    for key, one in slices(forecast(course, metrics=(metric,))).items():
        if one.smallest_in_time is None:
            continue
        values = dict([key.split("=")]) if key else {}
        found = forecast(course, [Drop(values, metric, None, one.smallest_in_time - 1e-6)], metrics=(metric,)).drops[0]
        assert found.in_time, key
        assert one.smallest_in_time <= one.smallest_drop


def test_rows_in_common_are_those_of_the_combination_where_it_is_counted_and_else_of_independent_dimensions():
    keys = ("", "carrier=AA", "carrier=VX", "origin=JFK", "hour=1", "carrier=VX,origin=JFK")
    rows = np.array([100.0, 80.0, 20.0, 50.0, 10.0, 15.0])
    assert shares_in(keys, rows, "carrier=VX").tolist() == [0.2, 0.0, 1.0, 0.3, 0.2, 1.0]
    assert shares_in(keys, rows, "carrier=VX,origin=JFK").tolist() == [0.15, 0.0, 0.75, 0.3, 0.15, 1.0]
