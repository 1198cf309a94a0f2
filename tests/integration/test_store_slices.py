"""Slices: how many values a dimension may have, which ones keep their name, and an arm that is not there."""

from __future__ import annotations

import uuid
from datetime import timedelta

from tests.support.messy_log import BLOCKINGS, MATURITY, MINUTE, a_dataset, assert_same, insert, minutes
from tests.support.predictions import T0, Row, brute_cells, in_scope
from tierwise.monitoring.cells import Dataset, Scope


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
