"""Blocks of prediction time."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.rollout.world import T0
from tierwise.api.modelrollout import PodsChange
from tierwise.rollout.state.blocks import blocks_until


def at(seconds: float):
    return T0 + timedelta(seconds=seconds)


def change(seconds: float, candidate: int = 1, baseline: int = 4) -> PodsChange:
    return PodsChange(at=at(seconds), candidate=candidate, baseline=baseline)


def spans(blocks) -> list[tuple[float, float]]:
    return [((b.block.start - T0).total_seconds(), (b.block.end - T0).total_seconds()) for b in blocks]


def test_blocks_are_whole_intervals_that_have_ended():
    assert spans(blocks_until(T0, 10, [change(-5)], at(35))) == [(0, 10), (10, 20), (20, 30)]
    assert blocks_until(T0, 10, [change(-5)], at(9.9)) == ()
    assert blocks_until(T0, 10, [change(-5)], at(-60)) == ()


def test_a_change_of_the_pods_cuts_the_block_and_changes_the_share():
    blocks = blocks_until(T0, 10, [change(-5), change(13, 3, 9)], at(30))
    assert spans(blocks) == [(0, 10), (10, 13), (13, 20), (20, 30)]
    assert [block.candidate_share for block in blocks] == [0.2, 0.2, 0.25, 0.25]


def test_a_change_at_an_edge_cuts_nothing():
    assert spans(blocks_until(T0, 10, [change(-5), change(10, 2, 4)], at(20))) == [(0, 10), (10, 20)]


def test_times_without_one_of_the_arms_are_left_out():
    changes = [change(-5), change(4, 0, 4), change(8), change(22, 1, 0)]
    assert spans(blocks_until(T0, 10, changes, at(40))) == [(0, 4), (8, 10), (10, 20), (20, 22)]
    assert blocks_until(T0, 10, [], at(40)) == ()


def test_times_in_which_the_pods_were_not_followed_are_left_out():
    unfollowed = change(13, 2, 9).model_copy(update={"until": at(24)})
    blocks = blocks_until(T0, 10, [change(-5), unfollowed, change(25, 2, 8)], at(40))
    assert spans(blocks) == [(0, 10), (10, 13), (25, 30), (30, 40)]


@settings(max_examples=200, deadline=None)
@given(
    gaps=st.lists(st.tuples(st.floats(0.1, 30), st.integers(0, 3), st.integers(0, 3)), max_size=12),
    untils=st.lists(st.floats(0, 200), min_size=2, max_size=5),
)
def test_later_looks_only_append(gaps, untils):
    changes, moment = [change(-1)], -1.0
    for gap, candidate, baseline in gaps:
        moment += gap
        changes.append(change(moment, candidate, baseline))
    before = ()
    for until in sorted(untils):
        # A look knows the changes recorded so far: those up to now, and `until` is not after now.
        known = [c for c in changes if c.at <= at(until)]
        blocks = blocks_until(T0, 10, known, at(until))
        assert blocks[: len(before)] == before
        assert all(a.block.end <= b.block.start for a, b in pairwise(blocks))
        before = blocks
