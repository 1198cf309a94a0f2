"""The container of what is counted: every array is added, joined and taken apart alike."""

from dataclasses import fields

import numpy as np
import pytest

from tests.unit.monitoring.builders import some_blocks
from tierwise.metrics.counts import Counts, concatenated, stacked
from tierwise.metrics.tally import Tally
from tierwise.monitoring.counts.model import Block, Cells, Distributions

ARRAYS = {each.name for each in fields(Counts)} - {"edges"}
EDGES = np.linspace(0, 1, 6)


def full(seed, kind=Counts, leading=(4, 3, 2), **more):
    """Every array there is, each with numbers of its own."""
    rng = np.random.default_rng(seed)
    return kind(
        counts=rng.integers(0, 99, (*leading, 3, 3)),
        bins=rng.integers(0, 99, (*leading, 3, 6)),
        edges=EDGES,
        sums={"x": rng.random(leading), "y": rng.random(leading)},
        weights=rng.random((2, *leading, 3, 3)),
        bin_weights=rng.random((2, *leading, 3, 6)),
        **more,
    )


def assert_same(one, two):
    for name in ARRAYS - {"sums"}:
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name), err_msg=name)
    assert list(one.sums) == list(two.sums)
    for name, values in one.sums.items():
        np.testing.assert_array_equal(values, two.sums[name], err_msg=name)


def test_every_array_is_changed_and_nothing_else():
    tally = full(1, Tally, classes=("a", "b"), positive_below=True)
    seen = []
    changed = tally.map_arrays(lambda values, first: seen.append(values.shape[first : first + 3]) or values * 2)
    assert seen == [(4, 3, 2)] * (len(ARRAYS) + 1), "sums are two"
    assert_same(changed - tally, tally)
    assert changed.edges is EDGES
    assert (changed.classes, changed.positive_below) == (("a", "b"), True)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_what_is_taken_apart_and_joined_is_what_it_was(axis):
    whole = full(2)
    assert_same(
        concatenated([whole.take(slice(0, 1), axis), whole.take([1, 2, 3][: (3, 2, 1)[axis]], axis)], axis), whole
    )
    parts = [whole.take(i, axis) for i in range((4, 3, 2)[axis])]
    assert_same(stacked(parts, axis), whole)
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    assert_close(whole.sum(axis), total)


def assert_close(one, two):
    one.zip_arrays([two], lambda arrays, _: np.testing.assert_allclose(*arrays, rtol=1e-12))


def test_a_sum_keeps_what_only_one_has():
    one, two = full(3), full(4)
    few = Counts(one.counts, sums={"x": one.sums["x"]})
    found = few + two
    np.testing.assert_array_equal(found.counts, one.counts + two.counts)
    np.testing.assert_array_equal(found.bin_weights, two.bin_weights)
    np.testing.assert_array_equal(found.sums["y"], two.sums["y"])
    assert found.edges is EDGES
    assert_close(one + two - two, one)
    np.testing.assert_array_equal((few - two).weights, -two.weights)


def test_a_sum_shares_no_memory_with_what_only_one_has():
    """A view would keep all blocks of a read in memory for as long as the evidence lives."""
    two = full(5)
    found = Counts(two.counts) + two
    assert not np.shares_memory(found.bins, two.bins)


def test_what_one_part_lacks_is_left_out_of_the_whole():
    one, two = full(6), full(7)
    few = Counts(two.counts, two.bins, EDGES, {"y": two.sums["y"]})
    for parts in ([one, few], [few, one]):
        found = concatenated(parts)
        assert found.counts.shape == (8, 3, 2, 3, 3)
        assert found.bins.shape == (8, 3, 2, 3, 6)
        assert list(found.sums) == ["y"]
        assert found.weights is None
        assert found.bin_weights is None


def test_blocks_and_slices_of_cells_are_taken_with_their_names():
    cells = full(8, Cells, blocks=some_blocks(4), slices=("", "a=1", "a=2"))
    for index in (slice(1, 3), [1, 2]):
        part = cells.take_blocks(index)
        assert part.blocks == cells.blocks[1:3]
        assert_same(part, cells.take(slice(1, 3)))
    part = cells.take_slices([0, 2])
    assert part.slices == ("", "a=2")
    assert_same(part, cells.take([0, 2], axis=1))


def test_another_kind_is_made_of_the_same_arrays():
    cells = full(9, Cells, blocks=some_blocks(4), slices=("", "a=1", "a=2"))
    tally = Tally(**cells.contents, classes=("a",))
    for name, values in cells.contents.items():
        assert getattr(tally, name) is values


def test_distributions_have_their_bins_as_counts():
    one = full(10, leading=(3, 2))
    found = Distributions(Block(*[some_blocks(1)[0].start] * 2), ("", "a=1", "a=2"), one.bins, EDGES, one.sums)
    assert found.bins is None
    assert (found + found).counts.shape == (3, 2, 3, 6)
    assert found.take(0).edges is EDGES
