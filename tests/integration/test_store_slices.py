"""Slices: how many values a dimension may have, which ones keep their name, and an arm that is not there."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest

from tests.support.messy_log import BLOCKINGS, MATURITY, MINUTE, a_dataset, assert_same, insert, minutes
from tests.support.predictions import T0, Row, brute_cells, in_scope
from tierwise.api.monitoringdataset import Scale
from tierwise.api.slices import parse_slice_key
from tierwise.metrics.tally import Sum
from tierwise.monitoring.counts.model import Block, Dataset, Reads, Scope
from tierwise.monitoring.query.look.group_hashing import combinations_of
from tierwise.monitoring.query.look.memory_limits import is_sparse


def test_one_arm_alone_is_counted_and_the_other_is_zero(store):
    model = f"m-{uuid.uuid4().hex[:8]}"
    rows = [
        Row(T0 + timedelta(seconds=i), "v2", 0.9, label=1, model=model, dimensions={"carrier": "HA"}) for i in range(20)
    ]
    insert(store, rows)
    scope = Scope(model, "v1", "v2", ("tier-3",))
    dataset = a_dataset(("carrier",))
    cells = store.read_cells(dataset, scope, minutes(0, 1))
    assert_same(cells, brute_cells(rows, dataset, scope, minutes(0, 1), maturity=MATURITY))
    assert cells.counts[:, :, 0].sum() == 0


def test_values_beyond_the_limit_are_counted_as_other(store, log):
    rows, scope = log
    dataset = a_dataset(("carrier",), ("hour",), ("hour", "origin"), max_values=5)
    counted: dict[str, int] = {}
    for row in rows:
        if in_scope(row, scope) and T0 <= row.ts < T0 + 30 * MINUTE:
            hour = row.dimensions["hour"]
            counted[hour] = counted.get(hour, 0) + 1
    kept = sorted(counted, key=lambda value: (-counted[value], value))[:5]
    cells = store.read_cells(dataset, scope, BLOCKINGS["one"])
    hours = {key.removeprefix("hour=") for key in cells.slices if key.startswith("hour=") and "," not in key}
    assert hours == {*kept, "other"}
    only_hours = Dataset("flights", dataset.spec, (("hour",), ("hour", "origin")))
    assert_same(
        store.read_cells(only_hours, scope, BLOCKINGS["one"]),
        brute_cells(rows, only_hours, scope, BLOCKINGS["one"], maturity=MATURITY, kept={"hour": kept}),
    )


def test_slices_known_from_the_start_keep_their_own_counts(store, log):
    _, scope = log
    dataset = a_dataset(("hour",), max_values=5)
    before = store.read_cells(dataset, scope, minutes(0, 15)).slices
    known = Dataset("flights", dataset.spec, dataset.groupings, known=before)
    after = store.read_cells(known, scope, minutes(15, 30)).slices
    assert after == before


def test_an_attack_with_many_values_stays_within_the_limit(store):
    model = f"m-{uuid.uuid4().hex[:8]}"
    rows = [
        Row(
            T0 + timedelta(milliseconds=i),
            ["v1", "v2"][i % 2],
            0.9,
            label=1,
            model=model,
            dimensions={"carrier": f"x{i}"},
        )
        for i in range(20_000)
    ]
    insert(store, rows)
    cells = store.read_cells(a_dataset(("carrier",)), Scope(model, "v1", "v2"), minutes(0, 1))
    assert len(cells.slices) == 52
    assert cells.counts[0, cells.slices.index("carrier=other")].sum() == 20_000 - 50
    assert cells.counts[0, 0].sum() == 20_000


MANY = (
    ("carrier",),
    ("carrier", "hour"),
    ("carrier", "hour", "origin"),
    ("carrier", "origin"),
    ("hour", "origin"),
)


@pytest.mark.parametrize("max_values", [50, 5])
@pytest.mark.parametrize("groupings", [MANY, MANY[1:]])
def test_many_combinations_are_grouped_by_hash_to_the_same_counts(store, log, groupings, max_values):
    _, scope = log
    dataset = a_dataset(*groupings, max_values=max_values)
    assert combinations_of(dataset) == MANY[1:]
    found = store.read_cells(dataset, scope, BLOCKINGS["cut"])
    for grouping in groupings:
        alone = store.read_cells(replace(dataset, groupings=(grouping,)), scope, BLOCKINGS["cut"])
        assert [key for key in found.slices if names_of(key) == grouping] == list(alone.slices[1:])
        for i, key in enumerate(alone.slices):
            np.testing.assert_array_equal(found.counts[:, found.slices.index(key)], alone.counts[:, i], err_msg=key)
    assert len(found.slices) == 1 + sum(names_of(key) in groupings for key in found.slices)


def test_distributions_of_many_combinations_are_grouped_by_hash_too(store, log):
    _, scope = log
    block = BLOCKINGS["one"][0]
    found = store.read_distributions(a_dataset(*MANY), scope, block)
    for grouping in MANY:
        alone = store.read_distributions(a_dataset(grouping), scope, block)
        for i, key in enumerate(alone.slices):
            np.testing.assert_array_equal(found.counts[found.slices.index(key)], alone.counts[i], err_msg=key)


def test_an_empty_window_of_many_combinations_has_the_whole(store, log):
    _, scope = log
    far = T0 - timedelta(days=400)
    cells = store.read_cells(a_dataset(*MANY), scope, [Block(far, far + MINUTE)])
    assert cells.slices == ("",)
    assert not cells.counts.any()


def names_of(key: str) -> tuple[str, ...]:
    return tuple(sorted(parse_slice_key(key)))


WIDE = Reads(
    bins=True, sums=(Sum("p", "{valid} * {score}"), Sum("right", "{label} < 2 AND {answer} = {label}")), weights=True
)


APART = (("carrier", "hour"), ("carrier", "origin"), ("hour", "origin"))  # no dimension stands alone
MIXED = (("carrier",), ("hour",), ("hour", "origin"))


@pytest.mark.parametrize(("groupings", "blocking"), [(MANY, "one"), (MIXED, "gaps"), (APART, "one")])
def test_few_rows_in_many_slices_are_read_cell_by_cell_to_the_same_counts(store, log, groupings, blocking):
    _, scope = log
    scale = Scale(bins=300)
    few, many = (replace(a_dataset(*groupings, max_values=n, scale=scale), reads=WIDE) for n in (24, 10_000))
    assert (is_sparse(few), is_sparse(many)) == (False, True)
    dense, sparse = (store.read_cells(dataset, scope, BLOCKINGS[blocking]) for dataset in (few, many))
    assert sparse.slices == dense.slices
    for name in ("counts", "bins", "edges"):
        np.testing.assert_array_equal(getattr(sparse, name), getattr(dense, name), err_msg=name)
    np.testing.assert_allclose(sparse.weights, dense.weights, rtol=1e-12)
    np.testing.assert_allclose(sparse.bin_weights, dense.bin_weights, rtol=1e-12)
    for name in dense.sums:
        np.testing.assert_allclose(sparse.sums[name], dense.sums[name], rtol=1e-12)
    block = BLOCKINGS["one"][0]
    all_cells, occurring = (store.read_distributions(dataset, scope, block) for dataset in (few, many))
    assert occurring.slices == all_cells.slices
    np.testing.assert_array_equal(occurring.counts, all_cells.counts)
    np.testing.assert_allclose(occurring.weights, all_cells.weights, rtol=1e-12)
    np.testing.assert_allclose(occurring.bin_weights, all_cells.bin_weights, rtol=1e-12)
    np.testing.assert_allclose(occurring.sums["p"], all_cells.sums["p"], rtol=1e-12)
