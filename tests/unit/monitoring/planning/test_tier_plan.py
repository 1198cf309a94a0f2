import json

import numpy as np
import pytest

from tests.unit.monitoring.builders import (
    SPEC,
    T0,
    a_dataset,
    a_plan,
    an_analysis,
    before_the_rollout,
    some_cells,
)
from tierwise.api.frozen import Frozen
from tierwise.api.reasons import Reason
from tierwise.errors import PlanError
from tierwise.monitoring.planning.snapshot import freeze, pinned_hash, thaw
from tierwise.monitoring.planning.tier_plan import alpha_of_tier, groupings_of

EVEN = {"carrier=HA": (0.05, 0.05), "carrier=UA": (0.02, 0.02)}


def history(rates=EVEN, **kwargs):
    return before_the_rollout(some_cells(np.random.default_rng(7), rates, **kwargs))


def test_plan_survives_freezing_to_the_last_bit():
    analysis = an_analysis(metrics=("error-rate", "recall"), expect=[{"slice": {"carrier": "HA"}, "metric": "recall"}])
    plan = a_plan(analysis, history(), hours=3)
    wire = json.loads(json.dumps(freeze(plan, T0).to_wire()))
    again = thaw(Frozen.model_validate(wire), [analysis], {"flights": a_dataset(analysis)})
    assert (again.alpha, again.copies, again.copy_seconds) == (plan.alpha, plan.copies, plan.copy_seconds)
    assert again.hypotheses == plan.hypotheses == wire["hypotheses"] == 2 * 4
    for one, two in zip(plan.datasets, again.datasets, strict=True):
        assert (one.slices, one.reserved_slots, one.metrics) == (two.slices, two.reserved_slots, two.metrics)
        assert (one.dataset, one.expect) == (two.dataset, two.expect)
        assert one.prior_rates.tobytes() == two.prior_rates.tobytes()
        assert one.powered.tobytes() == two.powered.tobytes()
        assert one.phi.tobytes() == two.phi.tobytes()
        assert one.sigma_pod.tobytes() == two.sigma_pod.tobytes()
        assert (one.phi_split, one.pods, one.points) == (two.phi_split, two.pods, two.points)


def test_slices_are_the_whole_then_by_level_then_by_name():
    atoms = {"carrier=UA,origin=JFK": (0.05, 0.05), "carrier=HA,origin=JFK": (0.05, 0.05)}
    plan = a_plan(an_analysis(slices=("carrier", "origin", "carrier,origin")), history(atoms))
    assert plan.datasets[0].slices == (
        "",
        "carrier=HA",
        "carrier=UA",
        "origin=JFK",
        "carrier=HA,origin=JFK",
        "carrier=UA,origin=JFK",
    )


def test_tolerance_is_half_the_margin_unless_given():
    analysis = an_analysis(margin={"relative": 0.25})
    assert a_plan(analysis).datasets[0].metrics[0].tolerance.relative == 0.125


def test_without_history_there_are_slots_for_what_may_come():
    plan = a_plan(an_analysis(slices=("carrier", "origin")))
    assert plan.datasets[0].slices == ("",)
    assert plan.datasets[0].reserved_slots == 40
    assert plan.datasets[0].prior_rates.tolist() == [[0.05]]
    assert not plan.datasets[0].powered.any()


def test_prior_rates_come_from_before_the_candidate_only():
    seen = some_cells(np.random.default_rng(3), {"carrier=HA": (0.3, 0.3)})
    assert a_plan(an_analysis(), before_the_rollout(seen)).datasets[0].prior_rates[0, 0] == pytest.approx(0.3, abs=0.03)
    assert a_plan(an_analysis(), seen).datasets[0].prior_rates[0, 0] == 0.05


def test_powered_follows_expected_rows_and_not_what_is_ignored():
    few = a_plan(an_analysis(), history(), expected_share=0.1)
    many = a_plan(an_analysis(), history(), expected_share=20)
    assert not few.datasets[0].powered.any()
    assert many.datasets[0].powered.all()
    known_change = an_analysis(expect=[{"slice": {"carrier": "HA"}, "metric": "error-rate", "change": "Ignore"}])
    assert a_plan(known_change, history(), expected_share=20).datasets[0].powered.tolist() == [[True, False, True]]


def test_alpha_is_shared_by_tiers_with_a_tenth_kept():
    assert alpha_of_tier(0.05, 3) == 0.015
    assert alpha_of_tier(0.05, 1) == 0.045


def test_default_slices_are_each_dimension_alone_and_combinations_are_sorted():
    default = an_analysis().model_copy(update={"slices": None})
    assert groupings_of(default, SPEC) == (("carrier",), ("origin",), ("hour",))
    assert groupings_of(an_analysis(slices=("origin,carrier", "carrier,origin")), SPEC) == (("carrier", "origin"),)


@pytest.mark.parametrize(
    ("analysis", "reason", "names"),
    [
        (an_analysis(slices=("airline",)), Reason.UNKNOWN_DIMENSION, "carrier, origin, hour"),
        (an_analysis(metrics=("acuracy",)), Reason.UNKNOWN_METRIC, "did you mean accuracy"),
        (an_analysis(expect=[{"slice": {"air": "x"}, "metric": "error-rate"}]), Reason.UNKNOWN_DIMENSION, "carrier"),
        (an_analysis(expect=[{"slice": {"hour": "1"}, "metric": "recall"}]), Reason.UNKNOWN_METRIC, "error-rate"),
    ],
)
def test_unknown_names_are_refused_with_those_there_are(analysis, reason, names):
    with pytest.raises(PlanError, match=names) as caught:
        groupings_of(analysis, SPEC)
    assert caught.value.reason == reason


def test_the_pinned_hash_tells_an_edited_dataset():
    dataset = a_dataset(an_analysis())
    edited = dataset.spec.model_copy(update={"threshold": 0.7})
    assert pinned_hash(dataset) == pinned_hash(a_dataset(an_analysis()))
    assert pinned_hash(dataset) != pinned_hash(type(dataset)(dataset.name, edited, dataset.groupings))
