"""What is judged on its own, by each way of slicing; what helps where nothing is, tried by planning again."""

from __future__ import annotations

import numpy as np
import pytest

from tests.unit.monitoring.builders import T0, a_dataset, an_analysis, before_the_rollout, some_cells, without_slices
from tierwise.metrics import registry
from tierwise.monitoring.planning.dispersion import Spread
from tierwise.monitoring.planning.judged import is_judged
from tierwise.monitoring.planning.snapshot import freeze, thaw
from tierwise.monitoring.planning.tier_plan import TierTerms, plan_tier

HOUR = 3600.0
RATES = {"carrier=AA,origin=JFK": (0.1, 0.1), "carrier=AA,origin=LAX": (0.1, 0.1), "carrier=VX,origin=JFK": (0.1, 0.1)}


def a_history(rates=RATES, per_block=20):
    cells = before_the_rollout(some_cells(np.random.default_rng(3), rates, blocks=60, per_block=per_block))
    return without_slices(cells, [key for key in cells.slices if "," in key])


def planned(analysis, *, hours=1.0, exposure=0.3, cells=None, spread=None):
    """A plan from an hour of history."""
    terms = TierTerms(alpha=0.045, expected_share=hours, candidate_share=exposure, max_duration_seconds=hours * HOUR)
    history = {analysis.name: a_history() if cells is None else cells}
    spreads = {} if spread is None else {analysis.name: spread}
    return plan_tier([analysis], {analysis.name: a_dataset(analysis)}, history, terms, spread=spreads).datasets[0]


def by_name(plan):
    return {found.dimension: found for found in plan.dimensions}


def test_each_way_of_slicing_is_told_with_its_judged_slices_and_their_share_of_the_traffic():
    found = by_name(planned(an_analysis(("error-rate",), ("carrier", "origin"), margin={"absolute": 0.085}), hours=1.0))
    assert set(found) == {"", "carrier", "origin"}
    assert (found["carrier"].slices, found["carrier"].powered) == (2, 1)  # AA has two thirds of the rows
    assert found["carrier"].traffic == pytest.approx(2 / 3, abs=0.03)
    assert found["carrier"].metrics == ["error-rate"]
    assert (found[""].slices, found[""].powered, found[""].traffic) == (1, 1, 1.0)


@pytest.mark.parametrize("metric", ["error-rate", "recall", "mcc"])
@pytest.mark.parametrize("margin", [{"absolute": 0.005}, {"relative": 0.01}])
@pytest.mark.parametrize("spread", [None, "pods"])
def test_where_no_slice_is_judged_the_named_duration_and_the_named_margin_each_would_do(metric, margin, spread):
    spread = None if spread is None else a_spread()
    silent = planned(an_analysis((metric,), ("carrier",), margin=margin), spread=spread)
    told = by_name(silent)["carrier"]
    assert not is_judged(silent.dimensions)
    assert (told.powered, told.nearest, told.metric) == (0, "carrier=AA", metric)
    ways = 0
    if told.needs_seconds is not None:
        ways += 1
        longer = planned(
            an_analysis((metric,), ("carrier",), margin=margin), hours=told.needs_seconds / HOUR, spread=spread
        )
        assert is_judged(longer.dimensions)
        shorter = planned(
            an_analysis((metric,), ("carrier",), margin=margin), hours=told.needs_seconds / HOUR * 0.98, spread=spread
        )
        assert not is_judged(shorter.dimensions)
    if told.needs_margin is not None:
        ways += 1
        wider = told.needs_margin.to_wire()
        assert is_judged(planned(an_analysis((metric,), ("carrier",), margin=wider), spread=spread).dimensions)
        less = {kind: value * 0.85 for kind, value in wider.items()}  # it is rounded up to two digits
        assert not is_judged(planned(an_analysis((metric,), ("carrier",), margin=less), spread=spread).dimensions)
    assert ways


def a_spread():
    """Pods that differ a little, and counts that scatter more than rows that are independent."""
    keys = ("", "carrier=AA", "carrier=VX")
    return Spread(
        slices=keys,
        phi=np.full((1, 3), 1.7),
        sigma_pod=np.array([0.01]),
        phi_split=1.0,
        pods=12,
        degrees=np.array([30]),
        apart=np.full((1, 3), 0.002),
    )


def test_a_dataset_that_is_not_sliced_is_judged_where_the_whole_is():
    wide, narrow = (an_analysis(("error-rate",), (), margin={"absolute": size}) for size in (0.1, 0.001))
    assert is_judged(planned(wide).dimensions)
    assert not is_judged(planned(narrow).dimensions)
    assert by_name(planned(narrow))[""].nearest == ""


def test_without_rows_nothing_is_judged_and_nothing_near():
    plan = planned(
        an_analysis(("error-rate",), ("carrier",)),
        cells=before_the_rollout(some_cells(np.random.default_rng(1), {"": (0.0, 0.0)}, blocks=2, per_block=0)),
    )
    assert not is_judged(plan.dimensions)
    assert {found.nearest for found in plan.dimensions} == {None}


def test_a_metric_that_no_promotion_asks_for_judges_nothing():
    assert not registry.get("score-shift").needs.labels
    assert planned(an_analysis(("score-shift",), ("carrier",))).dimensions == ()


def test_what_is_judged_is_kept_with_the_plan():
    analysis = an_analysis(("error-rate",), ("carrier",), margin={"absolute": 0.005})
    terms = TierTerms(alpha=0.045, expected_share=1, candidate_share=0.3, max_duration_seconds=HOUR)
    datasets = {analysis.name: a_dataset(analysis)}
    plan = plan_tier([analysis], datasets, {analysis.name: a_history()}, terms)
    again = thaw(freeze(plan, T0), [analysis], datasets)
    assert again.datasets[0].dimensions == plan.datasets[0].dimensions != ()
