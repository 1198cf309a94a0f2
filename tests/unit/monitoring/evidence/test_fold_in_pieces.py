"""The same blocks, folded in whatever pieces, by whatever process, give the same evidence to the last bit."""

import json
from dataclasses import fields, replace
from itertools import pairwise

import numpy as np
import pytest

from tests.unit.monitoring.engines import SPEC_OF_SCORES, T0, a_dataset_of, a_plan_of, an_analysis, scored
from tests.unit.monitoring.evidence.test_engines import WEIGHTED, a_spread
from tierwise.api.frozen import Frozen
from tierwise.metrics.weighted import WEIGHED
from tierwise.monitoring.counts.model import Cells
from tierwise.monitoring.evidence.fold import Evidence, begin, fold
from tierwise.monitoring.planning.snapshot import freeze, thaw
from tierwise.monitoring.verdicts.judge import judge

BLOCKS = 30
PODS = np.array([[6, 3]] * 10 + [[6, 2]] * 20)
RANGE = {"slice": {"carrier": "HA"}, "metric": "error-rate", "change": "Within", "within": {"min": -0.1, "max": 0.1}}

CASES = {
    "bets": (an_analysis(metrics=("error-rate", "recall"), margin={"relative": 0.2}), SPEC_OF_SCORES, False),
    "mixture": (an_analysis(metrics=("auc",)), SPEC_OF_SCORES, False),
    "shift": (an_analysis(metrics=("score-shift",)), SPEC_OF_SCORES, False),
    "weights": (an_analysis(metrics=("error-rate",)), WEIGHTED, True),
    "all and a range": (
        an_analysis(metrics=("error-rate", "auc", "score-shift"), expect=[RANGE]),
        SPEC_OF_SCORES,
        False,
    ),
}


def a_case(name, *, skill=(1.0, 1.0)):
    analysis, spec, weighted = CASES[name]
    spread = a_spread(len(analysis.metrics), phi=1.23, sigma=0.1, phi_split=1.5)
    plan = a_plan_of(analysis, spec=spec, weighted=weighted, hours=4, spread=spread)
    return plan, analysis, spec, scored(3, BLOCKS, 60, skill=skill, weighted=weighted, seconds=600)


def some(cells, first, last):
    """Blocks [first, last) as a query of their own gives them: only slices that have rows there."""
    counts = cells.counts[first:last]
    keep = [i for i, key in enumerate(cells.slices) if not key or counts[:, i].any()]
    return Cells(
        cells.blocks[first:last],
        tuple(cells.slices[i] for i in keep),
        counts[:, keep],
        cells.bins[first:last, keep],
        cells.edges,
        {name: values[first:last, keep] for name, values in cells.sums.items()},
        None if cells.weights is None else cells.weights[:, first:last][:, :, keep],
    )


def folded(evidence, cells, *cuts):
    for first, last in pairwise([0, *cuts, BLOCKS]):
        evidence = fold(evidence, {"flights": some(cells, first, last)}, np.full(last - first, 0.33), PODS[first:last])
    return evidence


def assert_same_bits(one, two, name=""):
    if isinstance(one, np.ndarray):
        assert one.tobytes() == two.tobytes(), name
    elif isinstance(one, tuple):
        assert len(one) == len(two), name
        for a, b in zip(one, two, strict=True):
            assert_same_bits(a, b, name)
    elif isinstance(one, dict):
        assert_same_bits(tuple(one.items()), tuple(two.items()), name)
    elif hasattr(one, "__dataclass_fields__"):
        for f in fields(one):
            if f.name not in ("plan", "layout"):
                assert_same_bits(getattr(one, f.name), getattr(two, f.name), f"{name}.{f.name}")
    else:
        assert one == two, name


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("skill", [(1.0, 1.0), (1.0, 0.5)])
def test_pieces_of_any_length_give_the_same_bits(name, skill):
    plan, _, _, cells = a_case(name, skill=skill)
    cells.counts[:12, 2] = 0  # a carrier that comes late
    cells.bins[:12, 2] = 0
    if cells.weights is not None:
        cells.weights[:, :12, 2] = 0
        cells.sums[WEIGHED.name][:12, 2] = 0
    whole = folded(begin(plan), cells)
    assert_same_bits(whole, folded(begin(plan), cells, *range(1, BLOCKS)))
    assert_same_bits(whole, folded(begin(plan), cells, 1, 7, 8, 25))
    assert whole.mixtures.late or plan.late_onset.seconds


@pytest.mark.parametrize("name", CASES)
def test_a_crash_between_two_looks_changes_no_bit(name):
    """The second process knows the status and the log only: it thaws the plan and folds all blocks again."""
    plan, analysis, spec, cells = a_case(name)
    first = folded(begin(plan), cells, 11)
    status = json.dumps(freeze(plan, T0).to_wire())
    dataset = a_dataset_of(analysis, spec)
    again = thaw(Frozen.model_validate(json.loads(status)), [analysis], {"flights": dataset})
    assert_same_bits(first, folded(begin(again), cells))
    assert judge(first) == judge(folded(begin(again), cells))


@pytest.mark.parametrize("name", CASES)
def test_a_missed_hour_is_caught_up_to_the_same_bits(name):
    plan, _, _, cells = a_case(name)
    every = folded(begin(plan), cells, *range(1, BLOCKS))
    missed = folded(begin(plan), cells, 1, 2, 3, 9, 10)  # six blocks of ten minutes came late, in one read
    assert_same_bits(every, missed)


def test_the_plan_of_every_kind_survives_its_status():
    plan, analysis, spec, _ = a_case("all and a range")
    frozen = Frozen.model_validate(json.loads(json.dumps(freeze(plan, T0).to_wire())))
    again = thaw(frozen, [analysis], {"flights": a_dataset_of(analysis, spec)})
    for one, two in zip(plan.datasets, again.datasets, strict=True):
        assert one.points == two.points
        assert any(one.points)
        for name in ("phi", "sigma_pod", "prior_rates", "powered"):
            assert getattr(one, name).tobytes() == getattr(two, name).tobytes(), name
        assert (one.phi_split, one.pods) == (two.phi_split, two.pods) == (1.5, 6)


def test_an_evidence_is_never_changed_by_folding_on():
    plan, _, _, cells = a_case("all and a range")
    first = fold(begin(plan), {"flights": some(cells, 0, 9)}, np.full(9, 0.33), PODS[:9])
    copies = [np.array(a) for a in arrays(first)]
    fold(first, {"flights": some(cells, 9, BLOCKS)}, np.full(BLOCKS - 9, 0.33), PODS[9:])
    for before, after in zip(copies, arrays(first), strict=True):
        assert before.tobytes() == after.tobytes()


def arrays(value):
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from arrays(item)
    elif hasattr(value, "__dataclass_fields__") and not isinstance(value, type(None)):
        for f in fields(value):
            if f.name not in ("plan", "layout"):
                yield from arrays(getattr(value, f.name))


def test_an_evidence_says_all_of_itself():
    """A field that the comparison above does not see would hide a difference."""
    names = {f.name for f in fields(Evidence)}
    assert names >= {"bets", "mixtures", "log_sup", "log_regression", "guards", "counts", "slots", "fewest_pods"}
    assert replace(begin(a_case("bets")[0]), blocks=3).blocks == 3
