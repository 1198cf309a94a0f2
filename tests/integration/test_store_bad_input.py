"""Odd logs, counted exactly: time zones, the hour that comes twice, future rows, labels of every type."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest

from tierwise.adapters.clickhouse.store import ClickHouseStore, open_store
from tierwise.api.common import Margin
from tierwise.api.modeldeployment import DatasetAnalysis, MetricSpec
from tierwise.api.monitoringdataset import Columns, MonitoringDatasetSpec
from tierwise.api.reasons import Reason
from tierwise.errors import ReasonedError, SpecError
from tierwise.monitoring.counts.model import Block, Dataset, Scope
from tierwise.monitoring.planning.required_reads import reads_of

SCOPE = Scope(None, "v1", "v2")
BERLIN = ZoneInfo("Europe/Berlin")
T0 = datetime(2024, 10, 27, 0, 0, tzinfo=UTC)  # 02:00 summer time in Berlin; the clock goes back at 01:00 UTC
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseStore]:
    store = open_store(f"chdb://{tmp_path_factory.mktemp('chdb') / 'data'}")
    yield store
    store.close()


def a_log(
    store: ClickHouseStore, rows: pa.Table, *, time: str = "DateTime64(3, 'UTC')", label: str = "UInt8"
) -> Dataset:
    name = f"log_{uuid.uuid4().hex[:8]}"
    store.execute(
        f"CREATE TABLE {name} (ts {time}, model_version String, score Float32, label UInt8) "
        "ENGINE = MergeTree ORDER BY tuple()"
    )
    store._connection.insert(name, rows)
    return Dataset("log", MonitoringDatasetSpec(table=name, columns=Columns(model=None, tier=None)))


def every_minute(start: datetime, hours: int) -> pa.Table:
    """A row a minute, alternately of v1 and v2, of which the candidate's are false alarms."""
    times = [start + timedelta(minutes=i) for i in range(60 * hours)]
    versions = ["v1", "v2"] * (30 * hours)
    return pa.table(
        {
            "ts": pa.array(times, pa.timestamp("ms", tz="UTC")),
            "model_version": versions,
            "score": pa.array([0.9 if version == "v2" else 0.1 for version in versions], pa.float32()),
            "label": pa.array([0] * len(times), pa.uint8()),
        }
    )


def hours_of(start: datetime, count: int) -> list[Block]:
    return [Block(start + i * HOUR, start + (i + 1) * HOUR) for i in range(count)]


@pytest.mark.parametrize(
    "time",
    [
        "DateTime64(3, 'UTC')",
        "DateTime('Europe/Berlin')",
        "DateTime64(6, 'Europe/Berlin')",
        "DateTime('America/New_York')",
        "Nullable(DateTime('Asia/Kolkata'))",
    ],
)
def test_an_hour_that_the_clock_shows_twice_is_two_hours(store, time):
    dataset = a_log(store, every_minute(T0, 3), time=time)
    cells = store.read_cells(dataset, SCOPE, hours_of(T0, 3))
    assert cells.counts[:, 0, 0, 0, 0].tolist() == [30, 30, 30]
    assert cells.counts[:, 0, 1, 0, 1].tolist() == [30, 30, 30]
    again = [store.read_distributions(dataset, SCOPE, block).counts.sum() for block in hours_of(T0, 3)]
    assert again == [60, 60, 60]
    assert store.watermark(dataset, SCOPE, T0 + 3 * HOUR) == T0 + timedelta(minutes=179)


def test_blocks_given_in_a_zone_with_summer_time_are_the_same_instants(store):
    dataset = a_log(store, every_minute(T0, 3), time="DateTime('Europe/Berlin')")
    local = [Block(block.start.astimezone(BERLIN), block.end.astimezone(BERLIN)) for block in hours_of(T0, 3)]
    np.testing.assert_array_equal(
        store.read_cells(dataset, SCOPE, local).counts, store.read_cells(dataset, SCOPE, hours_of(T0, 3)).counts
    )


def test_the_hour_that_summer_time_leaves_out_is_not_missed(store):
    spring = datetime(2024, 3, 31, 0, 0, tzinfo=UTC)  # 02:00 to 03:00 in Berlin does not exist
    dataset = a_log(store, every_minute(spring, 3), time="DateTime('Europe/Berlin')")
    assert store.read_cells(dataset, SCOPE, hours_of(spring, 3)).counts.sum(axis=(1, 2, 3, 4)).tolist() == [60] * 3


def test_a_late_label_is_late_by_instants_not_by_the_clock(store):
    """Prediction at 02:30 summer time, label half an hour of the same clock later, which is 90 minutes."""
    name = f"log_{uuid.uuid4().hex[:8]}"
    store.execute(
        f"CREATE TABLE {name} (ts DateTime('Europe/Berlin'), labelled_at DateTime('UTC'), model_version String, "
        "score Float32, label UInt8) ENGINE = MergeTree ORDER BY tuple()"
    )
    served = T0 + timedelta(minutes=30)
    came = [served + timedelta(minutes=minutes) for minutes in (59, 61)]
    store._connection.insert(
        name,
        pa.table(
            {
                "ts": pa.array([served, served], pa.timestamp("ms", tz="UTC")),
                "labelled_at": pa.array(came, pa.timestamp("ms", tz="UTC")),
                "model_version": ["v1", "v1"],
                "score": pa.array([0.1, 0.1], pa.float32()),
                "label": pa.array([0, 0], pa.uint8()),
            }
        ),
    )
    columns = Columns(model=None, tier=None, labelled_at="labelled_at")
    dataset = Dataset("log", MonitoringDatasetSpec(table=name, columns=columns, maturity="1h"))
    counts = store.read_cells(dataset, SCOPE, hours_of(T0, 1)).counts
    assert (counts[0, 0, 0, 0].sum(), counts[0, 0, 0, 2].sum()) == (1, 1)


def test_rows_of_the_future_are_in_no_block_and_counted_as_invalid(store):
    now = T0 + 2 * HOUR
    dataset = a_log(store, every_minute(T0, 4), time="DateTime('Europe/Berlin')")
    assert store.watermark(dataset, SCOPE, now) == now
    invalid = store.count_invalid(dataset, SCOPE, Block(T0, now), now)
    assert invalid.time == 119  # after two o'clock sharp
    assert store.read_cells(dataset, SCOPE, hours_of(T0, 2)).counts.sum() == 120


LABELS = {
    "String": (["1", "0", "x", ""], (1, 1, 2)),
    "LowCardinality(String)": (["1", "0", "x", ""], (1, 1, 2)),
    "Nullable(String)": (["1", "0", None, "1"], (2, 1, 1)),
    "LowCardinality(Nullable(String))": (["1", "0", None, "0"], (1, 2, 1)),
    "Bool": ([True, False, True, True], (3, 1, 0)),
    "Nullable(Bool)": ([True, False, None, True], (2, 1, 1)),
    "UInt8": ([1, 0, 2, 255], (1, 1, 2)),
    "Int64": ([1, 0, -1, 1], (2, 1, 1)),
    "Float64": ([1.0, 0.0, 0.5, float("nan")], (1, 1, 2)),
    "Nullable(Decimal(9, 2))": (["1.00", "0.00", "0.50", None], (1, 1, 2)),
    "Enum8('0' = 0, '1' = 1, 'maybe' = 2)": (["1", "0", "maybe", "1"], (2, 1, 1)),
    "Enum8('no' = 0, 'yes' = 1, 'maybe' = 2)": (["yes", "no", "maybe", "yes"], (2, 1, 1)),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_of_every_type_are_counted_or_refused_never_guessed(store, kind):
    """Positive, negative, unknown; an Enum counts by its name or its number."""
    values, (positive, negative, unknown) = LABELS[kind]
    name = f"log_{uuid.uuid4().hex[:8]}"
    store.execute(
        f"CREATE TABLE {name} (ts DateTime64(3, 'UTC'), model_version String, score Float32, label {kind}) "
        "ENGINE = MergeTree ORDER BY tuple()"
    )
    for value in values:
        shown = "NULL" if value is None else repr(value) if isinstance(value, str) else str(value).lower()
        store.execute(f"INSERT INTO {name} VALUES ('2024-10-27 00:30:00', 'v1', 0.9, {shown})")
    dataset = Dataset("log", MonitoringDatasetSpec(table=name, columns=Columns(model=None, tier=None)))
    counts = store.read_cells(dataset, SCOPE, hours_of(T0, 1)).counts[0, 0, 0].sum(axis=-1)
    assert counts.tolist() == [negative, positive, unknown]


@pytest.mark.parametrize("score", ["String", "Array(Float32)", "DateTime('UTC')", "UUID"])
def test_a_score_that_is_no_number_is_told_with_its_type(store, score):
    name = f"log_{uuid.uuid4().hex[:8]}"
    store.execute(
        f"CREATE TABLE {name} (ts DateTime64(3, 'UTC'), model_version String, score {score}, label UInt8) "
        "ENGINE = MergeTree ORDER BY tuple()"
    )
    dataset = Dataset("log", MonitoringDatasetSpec(table=name, columns=Columns(model=None, tier=None)))
    with pytest.raises(ReasonedError) as error:
        store.check(dataset)
    assert error.value.reason is Reason.DATASET_INVALID
    assert score.split("(")[0] in str(error.value)


def numbers_of(store: ClickHouseStore, kind: str, expression: str, **columns: str) -> Dataset:
    """A log with a column `x` of this type, whose metric adds up `expression`."""
    name = f"log_{uuid.uuid4().hex[:8]}"
    store.execute(
        f"CREATE TABLE {name} (ts DateTime64(3, 'UTC'), model_version String, score Float32, label UInt8, x {kind}) "
        "ENGINE = MergeTree ORDER BY tuple()"
    )
    values = [{"name": "clicks", "expression": expression}, {"name": "shown", "expression": "1"}]
    spec = MonitoringDatasetSpec.model_validate(
        {"table": name, "columns": {"model": "", "tier": "", **columns}, "values": values}
    )
    metric = MetricSpec(name="ratio@clicks/shown", margin=Margin(absolute=0.1))
    return Dataset("log", spec, reads=reads_of(DatasetAnalysis(name="log", metrics=[metric]), spec))


@pytest.mark.parametrize(
    ("kind", "expression", "told"),
    [
        ("String", "x", r"spec.values[clicks] (x) is String, not a number; write toFloat64OrNull(x)"),
        (
            "Nullable(String)",
            "upper(x)",
            "(upper(x)) is Nullable(String), not a number; write toFloat64OrNull(upper(x))",
        ),
        ("Array(UInt8)", "x", "(x) is Array(UInt8), not a number; write an expression of one number"),
        ("UUID", "x", "(x) is UUID, not a number; write an expression of one number"),
        ("String", "x + 1", "(x + 1) cannot be computed (x is String): Illegal types String and UInt8"),
    ],
)
def test_a_value_that_is_no_number_is_told_with_its_type_and_without_the_query(store, kind, expression, told):
    with pytest.raises(SpecError) as error:
        store.check(numbers_of(store, kind, expression))
    assert told in str(error.value)
    assert error.value.reason is Reason.DATASET_INVALID
    assert "SELECT" not in str(error.value)


def test_a_value_of_a_column_that_is_not_there_names_those_that_are(store):
    told = r"\(clicked\) cannot be computed: Unknown expression identifier `clicked`; .*columns: ts, "
    with pytest.raises(SpecError, match=told) as error:
        store.check(numbers_of(store, "UInt8", "clicked"))
    assert error.value.reason is Reason.UNKNOWN_COLUMN


def test_a_weight_in_text_is_refused_and_numbers_of_every_type_are_not(store):
    with pytest.raises(SpecError, match=r"spec\.columns\.weight \(x\) is String, not a number"):
        store.check(numbers_of(store, "String", "1", weight="x"))
    for kind in ("Decimal(9, 2)", "Nullable(Float32)", "Bool", "LowCardinality(Nullable(String))"):
        store.check(numbers_of(store, kind, "toFloat64OrNull(toString(x))" if "String" in kind else "x"))


@pytest.mark.parametrize("time", ["Date", "Date32", "String", "UInt32", "Float64"])
def test_a_time_that_is_none_is_refused_before_anything_is_judged(store, time):
    name = f"log_{uuid.uuid4().hex[:8]}"
    store.execute(
        f"CREATE TABLE {name} (ts {time}, model_version String, score Float32, label UInt8) "
        "ENGINE = MergeTree ORDER BY tuple()"
    )
    dataset = Dataset("log", MonitoringDatasetSpec(table=name, columns=Columns(model=None, tier=None)))
    with pytest.raises(SpecError, match=f"'ts' is {time}, not a time") as error:
        store.check(dataset)
    assert error.value.reason is Reason.DATASET_INVALID
    assert "DateTime" in error.value.remedy
