"""A slice that looks worse than its margin is not passed over because it is small."""

import numpy as np

from tests.unit.monitoring.builders import a_plan, an_analysis, before_the_rollout, halves, some_cells
from tierwise.monitoring.evidence.fold import begin, fold
from tierwise.monitoring.verdicts.judge import judge
from tierwise.rollout.gate import Situation, gate

TEN_POINTS = {"absolute": 0.1}


def tier_of(rare, *, blocks=20, small=3):
    """Two large slices that are equal, and one with three rows a minute and arm."""
    rng = np.random.default_rng(7)
    large = some_cells(rng, {"carrier=HA": (0.05, 0.05), "carrier=UA": (0.05, 0.05)}, blocks=blocks, per_block=400)
    few = some_cells(rng, {"carrier=VX": rare}, blocks=blocks, per_block=small)
    large.counts[:, 0] += few.counts[:, 0]
    cells = type(large)(
        large.blocks, (*large.slices, "carrier=VX"), np.concatenate([large.counts, few.counts[:, 1:]], axis=1)
    )
    plan = a_plan(an_analysis(margin=TEN_POINTS), before_the_rollout(cells), expected_share=1.0)
    return judge(fold(begin(plan), {"flights": cells}, halves(cells)))


def test_a_small_slice_that_fell_holds_and_says_which_and_how_many_labels_are_needed():
    judgement = tier_of((0.05, 0.35), blocks=10)
    assert judgement.non_inferior
    assert [s.slice for s in judgement.suspects] == [{"carrier": "VX"}]
    assert not judgement.suspects[0].powered
    outcome = gate(Situation(judgement))
    assert (outcome.decision, outcome.reason) == ("Hold", "SuspectSlice")
    assert "carrier=VX" in outcome.message
    assert gate(Situation(judgement, max_duration_passed=True)).decision == "Hold"


def test_equal_small_slices_are_not_suspect():
    judgement = tier_of((0.05, 0.05))
    assert judgement.suspects == ()
    assert gate(Situation(judgement)).decision == "Promote"


def test_a_large_drop_decides_instead():
    judgement = tier_of((0.05, 0.6), blocks=40)
    assert judgement.regressed
    assert judgement.suspects == ()
