import numpy as np
import pytest

from tests.unit.monitoring.builders import (
    SPEC,
    a_plan,
    an_analysis,
    before_the_rollout,
    halves,
    some_cells,
    without_slices,
)
from tests.unit.monitoring.engines import a_plan_of, scored
from tierwise.api.names import Verdict
from tierwise.api.reasons import Reason
from tierwise.errors import PlanError
from tierwise.monitoring.evidence.fold import begin, fold
from tierwise.monitoring.planning.tier_plan import groupings_of
from tierwise.monitoring.verdicts.judge import judge

EVEN = {"carrier=HA": (0.05, 0.05), "carrier=UA": (0.05, 0.05)}
HAWAII = {"carrier": "HA"}


def a_range(low, high, metric="error-rate", where=HAWAII):
    return {"slice": where, "metric": metric, "change": "Within", "within": {"min": low, "max": high}}


def judged(rates, expect, *, history=EVEN, blocks=60, metric="error-rate", slices=("carrier",), whole=None):
    analysis = an_analysis(metrics=(metric,), slices=slices, expect=expect)
    past = before_the_rollout(some_cells(np.random.default_rng(1), history, per_block=1500))
    plan = a_plan(analysis, without_slices(past, {key for key in past.slices if key.startswith("origin")}))
    cells = some_cells(np.random.default_rng(2), rates, blocks=blocks, per_block=1500)
    cells = without_slices(cells, {key for key in cells.slices if key.startswith("origin")})
    if whole is not None:
        cells.counts[:, 0] = cells.counts[:, cells.slices.index(whole)]  # a whole without the known change
    evidence = fold(begin(plan), {"flights": cells}, halves(cells))
    return evidence, judge(evidence)


def verdict(judgement, carrier):
    return next(r for r in judgement.results if r.slice.get("carrier") == carrier).verdict


def test_a_known_worsening_within_its_range_passes_and_beyond_it_rolls_back():
    wish = [a_range(0.01, 0.08)]
    _, known = judged(EVEN | {"carrier=HA": (0.05, 0.09)}, wish, whole="carrier=UA")
    assert not known.regressed
    assert known.non_inferior
    assert verdict(known, "HA") is Verdict.NON_INFERIOR
    _, beyond = judged(EVEN | {"carrier=HA": (0.05, 0.16)}, wish, whole="carrier=UA")
    assert [c.slice for c in beyond.culprits] == [HAWAII]


def test_better_than_its_range_is_not_what_was_expected():
    _, better = judged({"carrier=HA": (0.2, 0.05), "carrier=UA": (0.05, 0.05)}, [a_range(-0.05, 0.01)])
    assert better.regressed
    assert verdict(better, "HA") is Verdict.REGRESSED


def test_a_range_is_in_the_metrics_own_direction():
    accuracy = [a_range(-0.08, -0.01, metric="accuracy")]
    _, fell = judged(EVEN | {"carrier=HA": (0.05, 0.09)}, accuracy, metric="accuracy", whole="carrier=UA")
    assert fell.non_inferior
    _, rose = judged(EVEN | {"carrier=HA": (0.2, 0.1)}, accuracy, metric="accuracy", whole="carrier=UA")
    assert verdict(rose, "HA") is Verdict.REGRESSED


def test_parts_of_the_slice_have_its_range_and_parts_that_come_later_are_left_out():
    pairs = ("carrier", "carrier,origin")
    history = {"carrier=HA,origin=JFK": (0.05, 0.05), "carrier=UA,origin=JFK": (0.05, 0.05)}
    rates = history | {"carrier=HA,origin=JFK": (0.05, 0.09), "carrier=HA,origin=LGA": (0.05, 0.09)}
    evidence, j = judged(rates, [a_range(0.0, 0.08)], history=history, slices=pairs, whole="carrier=UA")
    assert not j.regressed
    late = evidence.slots[0].index("carrier=HA,origin=LGA")
    assert np.isneginf(evidence.log_weight[late])
    assert not judged(rates, [], history=history, slices=pairs, whole="carrier=UA")[1].non_inferior


def test_an_estimated_metric_has_ranges_too():
    wish = [a_range(-0.15, -0.02, metric="auc")]
    plan = a_plan_of(an_analysis(metrics=("auc",), margin={"absolute": 0.05}, expect=wish))
    cells = scored(1, blocks=60, skill=(1.0, 0.7))
    cells.bins[:, 0] = cells.bins[:, 2]
    j = judge(fold(begin(plan), {"flights": cells}, halves(cells)))
    assert j.non_inferior
    assert verdict(j, "HA") is Verdict.NON_INFERIOR
    same = scored(1, blocks=60)
    assert verdict(judge(fold(begin(plan), {"flights": same}, halves(same))), "HA") is Verdict.REGRESSED


@pytest.mark.parametrize("change", ["Improve", "Within"])
def test_a_value_that_never_comes_is_a_note_and_no_pass(change):
    wish = (
        a_range(0.0, 0.1, where={"carrier": "ZZ"})
        if change == "Within"
        else {
            "slice": {"carrier": "ZZ"},
            "metric": "error-rate",
        }
    )
    _, j = judged(EVEN, [wish])
    assert verdict(j, "ZZ") is Verdict.INSUFFICIENT_DATA
    assert any("carrier=ZZ" in note and "no row has this value" in note for note in j.notes)


@pytest.mark.parametrize("change", ["Improve", "Within"])
def test_a_slice_that_is_not_judged_can_neither_improve_nor_stay_in_a_range(change):
    wish = (
        a_range(0.0, 0.1, where={"origin": "JFK"})
        if change == "Within"
        else {
            "slice": {"origin": "JFK"},
            "metric": "error-rate",
        }
    )
    with pytest.raises(PlanError, match="'origin' to slices") as caught:
        groupings_of(an_analysis(expect=[wish]), SPEC)
    assert caught.value.reason is Reason.UNKNOWN_DIMENSION


def test_a_known_change_may_cover_what_is_not_sliced_by():
    groupings_of(an_analysis(expect=[{"slice": {"origin": "JFK"}, "metric": "error-rate", "change": "Ignore"}]), SPEC)


@pytest.mark.parametrize(
    ("expect", "told"),
    [
        ([a_range(0, 0.1), a_range(-0.2, -0.1)], "'error-rate' on carrier=HA has two expectations"),
        ([a_range(0, 0.1), {"slice": HAWAII, "metric": "error-rate", "change": "Ignore"}], "has two expectations"),
        ([a_range(2, 3)], "the range 2 to 3 of 'error-rate' is more than a share of rows can change; give .* -1 to 1"),
        ([a_range(-1e6, 1e6)], "the range -1e\\+06 to 1e\\+06 of 'error-rate' is more than a share of rows"),
        ([a_range(-1e308, 1, metric="brier")], "to 1 of 'brier' is more than can be computed with; give .* 1,000,000"),
    ],
)
def test_what_no_candidate_can_fulfil_is_refused(expect, told):
    with pytest.raises(PlanError, match=told) as caught:
        groupings_of(an_analysis(metrics=("error-rate", "brier"), expect=expect), SPEC)
    assert caught.value.reason is Reason.INVALID_SPEC


def test_a_range_beside_an_ignored_part_is_no_contradiction():
    part = {"slice": {**HAWAII, "origin": "JFK"}, "metric": "error-rate", "change": "Ignore"}
    groupings_of(an_analysis(expect=[a_range(-1, 1), part]), SPEC)


def test_margin_zero_never_promotes_and_says_what_to_do():
    analysis = an_analysis(margin={"absolute": 0})
    cells = some_cells(np.random.default_rng(2), EVEN, blocks=60, per_block=1500)
    plan = a_plan(analysis, before_the_rollout(cells))
    j = judge(fold(begin(plan), {"flights": cells}, halves(cells)))
    assert not plan.datasets[0].powered.any()
    assert not j.non_inferior
    assert any("margin 0" in note and "give a margin above 0" in note for note in j.notes)
