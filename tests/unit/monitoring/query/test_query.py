"""The look's SQL and its decoding, without a store."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pyarrow as pa
import pytest

from tierwise.api.monitoringdataset import Columns, Dimension, Domain, MonitoringDatasetSpec, Scale
from tierwise.api.reasons import Reason
from tierwise.errors import RefusedError
from tierwise.monitoring.counts.model import Block, Cells, Dataset, Reads, Scope
from tierwise.monitoring.query.log.binning import binning_of, scale_edges
from tierwise.monitoring.query.log.columns import Log, Source, quote, source_sql
from tierwise.monitoring.query.log.config import config_hash
from tierwise.monitoring.query.look.counts import cells_query
from tierwise.monitoring.query.look.decode import decode_cells, kept_values, merge_cells

T0 = datetime(2024, 1, 1, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
COLUMNS = {
    "ts": "DateTime64(3, 'UTC')", "tier": "LowCardinality(String)", "model": "LowCardinality(String)",
    "model_version": "LowCardinality(String)", "score": "Float32", "label": "Nullable(UInt8)", "carrier": "String",
}  # fmt: skip
SCOPE = Scope("it's", "v'1", "v2", ("a,b",))


def a_spec(**fields: object) -> MonitoringDatasetSpec:
    given = {"table": "predictions", "dimensions": [Dimension(name="carrier", expression="carrier")], **fields}
    return MonitoringDatasetSpec(**given)  # type: ignore[arg-type]


def a_log(spec: MonitoringDatasetSpec, *groupings: tuple[str, ...]) -> Log:
    return Log(Dataset("flights", spec, groupings), Source("`predictions`", COLUMNS))


def blocks(count: int) -> list[Block]:
    return [Block(T0 + i * MINUTE, T0 + (i + 1) * MINUTE) for i in range(count)]


def test_values_are_bound_and_never_in_the_text():
    query = cells_query(a_log(a_spec(), ("carrier",)), SCOPE, blocks(1))
    for value in ("it's", "v'1", "v2", "a,b", "2024"):
        assert value not in query.sql
    assert query.parameters["model"] == "it's"
    assert query.parameters["tiers"] == ["a,b"]
    assert query.parameters["t1"] == "2024-01-01 00:01:00.000000"


def test_blocks_of_several_days_are_read_without_the_time_between_them():
    days = [Block(b.start + timedelta(days=day), b.end + timedelta(days=day)) for day in range(3) for b in blocks(2)]
    assert sum(name.startswith("from") for name in cells_query(a_log(a_spec()), SCOPE, days).parameters) == 3
    assert not any(name.startswith("from") for name in cells_query(a_log(a_spec()), SCOPE, days[:2]).parameters)


def test_one_query_reads_only_the_two_versions():
    query = cells_query(a_log(a_spec(), ("carrier",)), SCOPE, blocks(3))
    assert query.sql.count("FROM `predictions`") == 1
    assert "IN ({baseline:String}, {candidate:String})" in query.sql


def test_an_unknown_column_names_those_there_are():
    with pytest.raises(RefusedError, match=r"'bot_score' is not in predictions \(columns: ts, tier") as refusal:
        cells_query(a_log(a_spec(columns=Columns(score="bot_score"))), SCOPE, blocks(1))
    assert refusal.value.reason is Reason.UNKNOWN_COLUMN
    assert "spec.columns.score" in refusal.value.remedy


def test_an_unknown_dimension_names_those_there_are():
    with pytest.raises(RefusedError, match="dimensions: carrier") as refusal:
        cells_query(a_log(a_spec(), ("origin",)), SCOPE, blocks(1))
    assert refusal.value.reason is Reason.UNKNOWN_DIMENSION


def test_a_distribution_that_the_scale_does_not_store_is_refused():
    log = a_log(a_spec(scale=Scale(kind="None")))
    with pytest.raises(RefusedError, match="scale None") as refusal:
        cells_query(replace(log, dataset=replace(log.dataset, reads=Reads(bins=True))), SCOPE, blocks(1))
    assert refusal.value.reason is Reason.NOT_SUPPORTED


@pytest.mark.parametrize(
    ("scale", "domain"),
    [
        ("Log", Domain()),
        ("Logit", Domain(min=-1)),
        ("Linear", Domain(min=1, max=0)),
        ("Linear", Domain(max=float("inf"))),
    ],
)
def test_a_scale_that_does_not_fit_the_domain_is_refused(scale, domain):
    with pytest.raises(RefusedError) as refusal:
        scale_edges(a_spec(scale=Scale(kind=scale), domain=domain))
    assert refusal.value.reason is Reason.DATASET_INVALID


@pytest.mark.parametrize("table", ["system.tables", "INFORMATION_SCHEMA.tables"])
def test_a_table_that_is_none_is_refused(table):
    with pytest.raises(RefusedError):
        source_sql(a_spec(table=table))


def test_a_table_is_quoted():
    assert source_sql(a_spec(table="db.log")) == "`db`.`log`"
    assert quote("we`i\\rd") == "`we\\`i\\\\rd`"


def test_the_threshold_is_an_edge_of_its_own_when_it_is_not_one_of_the_scale():
    assert len(binning_of(a_spec(threshold=0.5), single_precision=True).edges) == 101
    assert len(binning_of(a_spec(threshold=0.57), single_precision=True).edges) == 101
    own = binning_of(a_spec(threshold=0.123), single_precision=True)
    assert own.bins == 101
    assert 0.123 in own.edges
    assert (np.diff(own.edges) > 0).all()


@pytest.mark.parametrize("kind", ["Linear", "Logit", "Log"])
def test_edges_ascend_from_end_to_end_of_the_domain(kind):
    edges = scale_edges(a_spec(scale=Scale(kind=kind), domain=Domain(min=1e-3 if kind == "Log" else 0, max=1)))
    assert edges[0] == (1e-3 if kind == "Log" else 0)
    assert edges[-1] == 1
    assert (np.diff(edges) > 0).all()


def test_the_hash_changes_with_everything_that_decides_what_is_counted():
    base = Dataset("d", a_spec(), (("carrier",),))
    others = [
        Dataset("d", a_spec(threshold=0.6), (("carrier",),)),
        Dataset("d", a_spec(where="a = 1"), (("carrier",),)),
        Dataset("d", a_spec(scale=Scale(bins=50)), (("carrier",),)),
        Dataset("d", a_spec(maturity="5m"), (("carrier",),)),
        Dataset("d", a_spec(), ()),
        Dataset("e", a_spec(), (("carrier",),)),
    ]
    assert config_hash(base) == config_hash(Dataset("d", a_spec(), (("carrier",),), known=("carrier=HA",)))
    assert len({config_hash(d) for d in [base, *others]}) == 7
    assert 0 <= config_hash(base) < 2**64


def test_grouping_numbers_name_the_slices():
    query = cells_query(a_log(a_spec(), ("carrier",)), SCOPE, blocks(1))
    table = pa.table(
        {
            "g": pa.array([0, 0], pa.uint64()),
            "tierwise_d0": [b"HA", b"a,b"],
            "h": pa.array([[1] + [0] * 17, [0] * 17 + [2]], pa.list_(pa.uint32())),
        }
    )
    cells = decode_cells(table, query, blocks(1))
    assert cells.slices == ("", "carrier=HA", "carrier=a%2Cb")
    assert cells.counts[0, :, 0, 0, 0].tolist() == [1, 1, 0]
    assert cells.counts[0, :, 1, 2, 2].tolist() == [2, 0, 2]


def test_runs_of_blocks_are_joined_by_slice():
    def a_run(start: int, *slices: str) -> Cells:
        return Cells((blocks(9)[start],), slices, np.full((1, len(slices), 2, 3, 3), start + 1, dtype=np.int64))

    joined = merge_cells([a_run(0, "", "a=1"), a_run(1, "", "a=2")])
    assert joined.slices == ("", "a=1", "a=2")
    assert joined.counts[:, :, 0, 0, 0].tolist() == [[1, 1, 0], [2, 0, 2]]


def test_known_values_stay_and_the_most_frequent_fill_the_rest():
    dataset = Dataset("d", a_spec(dimensions=[Dimension(name="carrier", expression="carrier", max_values=3)]))
    present = {"carrier": ["a", "b", "c", "d"]}
    assert kept_values(dataset, present, {}).values == {"carrier": ("a", "b", "c")}
    assert kept_values(dataset, present, {"carrier": ["z", "d", "other"]}).values == {"carrier": ("z", "d", "a")}
    assert kept_values(dataset, {"carrier": ["a", "b", "c"]}, {}).values == {}
