from dataclasses import fields
from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest

from tests.unit.monitoring.builders import T0, a_plan, an_analysis, before_the_rollout, halves, some_cells
from tierwise.monitoring.counts.model import Cells
from tierwise.monitoring.evidence.fold import begin, fold
from tierwise.monitoring.verdicts.judge import judge

EVEN = {"carrier=HA": (0.05, 0.05), "carrier=UA": (0.02, 0.02), "carrier=DL": (0.1, 0.1)}
WORSE = EVEN | {"carrier=HA": (0.05, 0.3)}


def part(cells, first, last):
    """Blocks [first, last) as a later query gives them: only slices that have rows there."""
    counts = cells.counts[first:last]
    keep = [i for i, key in enumerate(cells.slices) if not key or counts[:, i].any()]
    return Cells(cells.blocks[first:last], tuple(cells.slices[i] for i in keep), counts[:, keep])


def folded(plan, cells, cuts=()):
    evidence = begin(plan)
    edges = [0, *cuts, len(cells.blocks)]
    for first, last in pairwise(edges):
        piece = part(cells, first, last)
        evidence = fold(evidence, {"flights": piece}, halves(piece))
    return evidence


def assert_same_bits(one, two):
    for f in fields(one):
        if f.name in ("plan", "layout"):
            continue
        assert_equal_bits(getattr(one, f.name), getattr(two, f.name), f.name)


def assert_equal_bits(a, b, name):
    if isinstance(a, np.ndarray):
        assert a.tobytes() == b.tobytes(), name
    elif isinstance(a, tuple):
        assert len(a) == len(b), name
        for x, y in zip(a, b, strict=True):
            assert_equal_bits(x, y, name)
    elif hasattr(a, "__dataclass_fields__"):
        for f in fields(a):
            assert_equal_bits(getattr(a, f.name), getattr(b, f.name), f.name)
    else:
        assert a == b, name


@pytest.mark.parametrize("rates", [EVEN, WORSE])
@pytest.mark.parametrize("known", [True, False])
def test_blocks_folded_in_pieces_give_the_same_bits(rates, known):
    """Also with slices that come late, small blocks that wait, and copies that begin on the way."""
    cells = some_cells(np.random.default_rng(4), rates, blocks=150, per_block=6, seconds=120)
    cells.counts[:100, 3] = 0  # one carrier comes late
    plan = a_plan(
        an_analysis(), before_the_rollout(some_cells(np.random.default_rng(1), rates)) if known else None, hours=4
    )
    whole = folded(plan, cells)
    assert_same_bits(whole, folded(plan, cells, cuts=range(1, 150)))
    assert_same_bits(whole, folded(plan, cells, cuts=(7, 8, 90)))


def test_an_evidence_is_never_changed_by_folding_on():
    cells = some_cells(np.random.default_rng(4), EVEN)
    plan = a_plan(an_analysis(), before_the_rollout(cells))
    first = folded(plan, part(cells, 0, 10))
    before = first.bets.regression.tobytes(), first.bets.pending.tobytes(), first.counts[0].tobytes()
    fold(first, {"flights": part(cells, 10, 20)}, np.full(10, 0.5))
    assert (first.bets.regression.tobytes(), first.bets.pending.tobytes(), first.counts[0].tobytes()) == before


def test_nothing_is_folded_after_the_decision_to_roll_back():
    cells = some_cells(np.random.default_rng(4), WORSE, blocks=30)
    plan = a_plan(an_analysis(), before_the_rollout(cells))
    evidence = folded(plan, cells)
    stop = next(i for i, b in enumerate(cells.blocks) if b.end == evidence.stopped_at)
    at_stop = folded(plan, part(cells, 0, stop + 1))
    assert at_stop.bets.regression.tobytes() == evidence.bets.regression.tobytes()
    assert evidence.blocks == 30
    assert evidence.until == cells.blocks[-1].end
    assert judge(evidence).regressed


def test_small_blocks_are_kept_for_later_and_not_lost():
    cells = some_cells(np.random.default_rng(4), {"carrier=HA": (0.01, 0.3)}, blocks=200, per_block=2)
    plan = a_plan(an_analysis(), None)
    evidence = folded(plan, cells)
    assert evidence.bets.counts[0, 0] > 50
    assert evidence.stopped_at is not None


def test_late_slices_take_reserved_slots_and_the_rest_is_named():
    seen = some_cells(np.random.default_rng(1), EVEN)
    plan = a_plan(an_analysis(), before_the_rollout(seen))
    assert plan.datasets[0].reserved_slots == 1
    more = some_cells(np.random.default_rng(2), EVEN | {"carrier=AA": (0.05, 0.05), "carrier=ZZ": (0.05, 0.05)})
    evidence = folded(plan, more)
    assert evidence.slots[0][-1] == "carrier=AA"
    judgement = judge(evidence)
    assert {r.slice.get("carrier") for r in judgement.results} == {None, "HA", "UA", "DL", "AA"}
    assert any("carrier=ZZ" in note for note in judgement.notes)


def test_a_regression_in_a_late_slice_is_found():
    seen = before_the_rollout(some_cells(np.random.default_rng(1), EVEN))
    cells = some_cells(np.random.default_rng(2), EVEN | {"carrier=AA": (0.05, 0.4)}, blocks=40)
    judgement = judge(folded(a_plan(an_analysis(), seen), cells))
    assert judgement.culprits[0].slice == {"carrier": "AA"}


def test_ignored_changes_never_roll_back_not_even_in_parts_of_the_slice():
    atoms = {"carrier=HA,origin=HNL": (0.02, 0.5), "carrier=UA,origin=JFK": (0.02, 0.02)}
    expect = [
        {"slice": {"carrier": "HA"}, "metric": "error-rate", "change": "Ignore"},
        {"slice": {"origin": "HNL"}, "metric": "error-rate", "change": "Ignore"},
    ]
    analysis = an_analysis(slices=("carrier", "origin", "carrier,origin"), expect=expect, margin={"absolute": 0.9})
    cells = some_cells(np.random.default_rng(2), atoms, blocks=60)
    judgement = judge(folded(a_plan(analysis, before_the_rollout(cells)), cells))
    assert not judgement.regressed
    strict = an_analysis(slices=("carrier", "origin", "carrier,origin"), expect=expect)
    cells.counts[:, 0] = cells.counts[:, cells.slices.index("carrier=UA")]  # the whole without the known change
    assert not judge(folded(a_plan(strict, before_the_rollout(cells)), cells)).regressed


def test_bets_begin_by_the_clock_of_the_blocks():
    plan = a_plan(an_analysis(), None, hours=3)
    cells = some_cells(np.random.default_rng(4), EVEN, blocks=10, seconds=1800)
    cells.counts[:] = 0  # nothing is bet on, so that only what began shows
    for blocks, begun in ((1, 0.5 + 0.5 / 6), (3, 0.75), (6, 1.0), (10, 1.0)):
        evidence = folded(plan, part(cells, 0, blocks))
        assert np.exp(evidence.bets.regression) == pytest.approx(begun)
        assert evidence.log_regression == pytest.approx(0)


def test_late_onset_is_found_soon_after_hours_without_difference():
    rng = np.random.default_rng(6)
    calm = some_cells(rng, EVEN, blocks=240, seconds=60)
    worse = some_cells(rng, WORSE, blocks=30, start=T0 + timedelta(hours=4))
    plan = a_plan(an_analysis(), before_the_rollout(calm), hours=8)
    evidence = fold(begin(plan), {"flights": calm}, halves(calm))
    assert evidence.stopped_at is None
    evidence = fold(evidence, {"flights": worse}, halves(worse))
    assert evidence.stopped_at is not None
    assert evidence.stopped_at <= T0 + timedelta(hours=4, minutes=4)


def test_different_blocks_per_dataset_are_refused():
    cells = some_cells(np.random.default_rng(4), EVEN)
    with pytest.raises(ValueError, match="same blocks"):
        fold(begin(a_plan(an_analysis())), {"flights": cells}, np.full(3, 0.5))
