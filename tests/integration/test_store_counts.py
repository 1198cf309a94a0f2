"""Counts equal a brute-force count of the raw rows, in every slice, whatever is in the rows."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import numpy as np
import pytest

from tests.support.messy_log import BLOCKINGS, MATURITY, MINUTE, NOW, PAIRS, a_dataset, assert_same, insert, minutes
from tests.support.predictions import T0, Row, brute_bins, brute_cells, in_scope, label_of, slices_of
from tierwise.api.monitoringdataset import Domain, Scale
from tierwise.monitoring.counts.model import Block, Invalid, Scope
from tierwise.monitoring.counts.thresholds import cells_of


@pytest.mark.parametrize("blocking", BLOCKINGS)
@pytest.mark.parametrize("positive", ["AtOrAbove", "Below"])
@pytest.mark.parametrize("threshold", [0.5, 0.57, 0.123456])
def test_cells_equal_a_count_of_the_raw_rows(store, log, blocking, positive, threshold):
    rows, scope = log
    dataset = a_dataset(*PAIRS, threshold=threshold, positive=positive)
    cells = store.read_cells(dataset, scope, BLOCKINGS[blocking])
    assert cells.counts.sum() > 0
    assert_same(cells, brute_cells(rows, dataset, scope, BLOCKINGS[blocking], maturity=MATURITY))


def test_without_groupings_only_the_whole_is_counted(store, log):
    rows, scope = log
    dataset = a_dataset()
    cells = store.read_cells(dataset, scope, BLOCKINGS["cut"])
    assert cells.slices == ("",)
    assert_same(cells, brute_cells(rows, dataset, scope, BLOCKINGS["cut"], maturity=MATURITY))


def test_triples_are_counted(store, log):
    rows, scope = log
    dataset = a_dataset(("carrier", "hour", "origin"))
    assert_same(
        store.read_cells(dataset, scope, BLOCKINGS["one"]),
        brute_cells(rows, dataset, scope, BLOCKINGS["one"], maturity=MATURITY),
    )


def test_where_decides_which_labels_count_and_keeps_every_row(store, log):
    rows, scope = log
    dataset = a_dataset(("origin",), where="content_meta = 'x'")
    everything = store.read_cells(a_dataset(("origin",)), scope, BLOCKINGS["one"])
    cells = store.read_cells(dataset, scope, BLOCKINGS["one"])
    assert cells.counts.sum() == everything.counts.sum()
    assert_same(cells, brute_cells(rows, dataset, scope, BLOCKINGS["one"], maturity=MATURITY, where="x"))


def test_all_tiers_are_read_when_the_scope_names_none(store, log):
    rows, scope = log
    everywhere = Scope(scope.model, "v1", "v2")
    dataset = a_dataset(("origin",))
    assert_same(
        store.read_cells(dataset, everywhere, BLOCKINGS["one"]),
        brute_cells(rows, dataset, everywhere, BLOCKINGS["one"], maturity=MATURITY),
    )


def test_the_domain_and_what_it_excludes_are_compared_in_float32(store, log):
    rows, scope = log
    dataset = a_dataset(("origin",), domain=Domain(min=0.07, max=0.93, exclude=[0.57, 0.5]))
    assert_same(
        store.read_cells(dataset, scope, BLOCKINGS["one"]),
        brute_cells(rows, dataset, scope, BLOCKINGS["one"], maturity=MATURITY),
    )


def test_a_query_instead_of_a_table_gives_the_same_counts(store, log):
    rows, scope = log
    names = "ts, model, model_version, tier, score, label, labelled_at, carrier, origin, hour"
    query = f"SELECT {names} FROM predictions WHERE score < 0.3"
    dataset = a_dataset(("origin",), table=None, query=query)
    few = [row for row in rows if np.float32(row.score) < 0.3]
    assert_same(
        store.read_cells(dataset, scope, BLOCKINGS["equal"]),
        brute_cells(few, dataset, scope, BLOCKINGS["equal"], maturity=MATURITY),
    )


@pytest.mark.parametrize(
    ("scale", "threshold"),
    [
        (Scale(), 0.5),
        (Scale(), 0.57),
        (Scale(), 0.123456),
        (Scale(bins=7), 0.5),
        (Scale(bins=1000), 0.3337),
        (Scale(kind="Logit"), 0.5),
        (Scale(kind="Logit", bins=30), 0.57),
        (Scale(kind="Log", bins=50), 0.57),
    ],
)
def test_distributions_equal_a_count_of_the_raw_rows(store, log, scale, threshold):
    rows, scope = log
    domain = Domain(min=0.001, max=1) if scale.kind == "Log" else Domain()
    dataset = a_dataset(("origin",), scale=scale, threshold=threshold, domain=domain)
    block = BLOCKINGS["one"][0]
    found = store.read_distributions(dataset, scope, block)
    expected = {key: np.zeros((2, 3, len(found.edges)), dtype=np.int64) for key in found.slices}
    for row in rows:
        if in_scope(row, scope) and block.start <= row.ts < block.end:
            place = (int(row.version == "v2"), label_of(row, MATURITY), brute_bins(row.score, found.edges, dataset))
            for key in slices_of(row, dataset):
                expected[key][place] += 1
    for i, key in enumerate(found.slices):
        np.testing.assert_array_equal(found.counts[i], expected[key], err_msg=key)
    assert np.float32(threshold) in found.edges.astype(np.float32)


@pytest.mark.parametrize("positive", ["AtOrAbove", "Below"])
@pytest.mark.parametrize("threshold", [0.5, 0.57, 0.123456])
def test_answers_follow_exactly_from_the_distribution(store, log, threshold, positive):
    """The threshold is an edge: a look counts answers from the stored bins, as a query of its own would."""
    _, scope = log
    dataset = a_dataset(("origin",), threshold=threshold, positive=positive)
    block = BLOCKINGS["one"][0]
    derived = cells_of(store.read_distributions(dataset, scope, block), dataset.spec)
    counted = store.read_cells(dataset, scope, [block])
    assert derived is not None
    assert derived.slices == counted.slices
    np.testing.assert_array_equal(derived.counts, counted.counts)


def test_invalid_rows_are_counted_by_cause(store, log):
    rows, scope = log
    dataset = a_dataset()
    block = BLOCKINGS["one"][0]
    ours = [r for r in rows if r.model == scope.model and r.tier == "tier-3"]
    inside = [r for r in ours if block.start <= r.ts < block.end]
    two = [r for r in inside if r.version in ("v1", "v2")]
    assert store.count_invalid(dataset, scope, block, NOW) == Invalid(
        score=sum(not (np.float32(0) <= np.float32(r.score) <= np.float32(1)) for r in two),
        label=sum(r.label not in (0, 1, None) for r in two),
        time=sum(r.version in ("v1", "v2") and r.ts > NOW for r in ours),
        version=sum(r.version not in ("v1", "v2") for r in inside),
    )


def test_an_empty_window_has_the_whole_and_nothing_in_it(store, log):
    _, scope = log
    far = T0 - timedelta(days=400)
    cells = store.read_cells(
        a_dataset(*PAIRS), scope, [Block(far, far + MINUTE), Block(far + MINUTE, far + 2 * MINUTE)]
    )
    assert cells.slices == ("",)
    assert cells.counts.shape == (2, 1, 2, 3, 3)
    assert not cells.counts.any()
    assert not store.read_distributions(a_dataset(*PAIRS), scope, Block(far, far + MINUTE)).counts.any()
    assert store.read_cells(a_dataset(), scope, []).counts.shape == (0, 1, 2, 3, 3)


def test_the_watermark_is_the_newest_row_that_is_not_in_the_future(store, log):
    rows, scope = log
    dataset = a_dataset()
    newest = max(r.ts for r in rows if r.model == scope.model and r.tier == "tier-3" and r.ts <= NOW)
    assert store.watermark(dataset, scope, NOW) == newest
    assert store.watermark(dataset, scope, NOW + timedelta(days=30)) == NOW + timedelta(days=2)
    assert store.watermark(dataset, scope, T0 - timedelta(days=1)) is None
    assert store.watermark(dataset, Scope("no-such-model", "v1", "v2"), NOW) is None


def test_blocks_that_overlap_are_refused(store, log):
    _, scope = log
    with pytest.raises(ValueError, match="ascend"):
        store.read_cells(a_dataset(), scope, [*minutes(0, 2), *minutes(1, 3)])


def test_millisecond_edges_are_half_open(store):
    model = f"m-{uuid.uuid4().hex[:8]}"
    edge = T0 + timedelta(milliseconds=500)
    one = timedelta(milliseconds=1)
    times: list[datetime] = [
        T0,
        edge - one,
        edge,
        edge + one,
        T0 + timedelta(seconds=1) - one,
        T0 + timedelta(seconds=1),
    ]
    insert(store, [Row(ts, "v1", 0.1, model=model) for ts in times])
    blocks = [Block(T0, edge), Block(edge, T0 + timedelta(seconds=1))]
    cells = store.read_cells(a_dataset(), Scope(model, "v1", "v2"), blocks)
    assert cells.counts.sum(axis=(1, 2, 3, 4)).tolist() == [2, 3]
