"""What a store answers when it cannot be read: its own reason each, a message that helps, and never a credential."""

from __future__ import annotations

import socket
import traceback
import uuid
from collections.abc import Iterator
from datetime import timedelta

import pyarrow as pa
import pytest

from tests.support.predictions import T0, Row, columns
from tests.support.store import served_store
from tierwise.adapters.clickhouse.connection import Connection, error_of_code, parse_dsn
from tierwise.adapters.clickhouse.store import ClickHouseStore, open_store
from tierwise.api.monitoringdataset import Columns, Dimension, MonitoringDatasetSpec, Scale
from tierwise.api.reasons import Reason
from tierwise.errors import ReasonedError, SpecError, StoreError
from tierwise.monitoring.counts.model import Block, Dataset, Scope
from tierwise.monitoring.query.stored.performance_table import Origin

BLOCK = Block(T0, T0 + timedelta(minutes=1))
SCOPE = Scope("m", "v1", "v2", ("tier-3",))
SECRET = "hunter2/&=ü secret"
ENCODED = "hunter2%2F%26%3D%C3%BC%20secret"


@pytest.fixture
def store(store_dsn: str) -> Iterator[ClickHouseStore]:
    store = open_store(store_dsn)
    store.init(["carrier"])
    yield store
    store.close()


def a_dataset(**spec: object) -> Dataset:
    given = {"table": "predictions", "dimensions": [Dimension(name="carrier", expression="carrier")], **spec}
    return Dataset("flights", MonitoringDatasetSpec(**given), (("carrier",),))  # type: ignore[arg-type]


def refused(store: ClickHouseStore, dataset: Dataset) -> ReasonedError:
    with pytest.raises(ReasonedError) as error:
        store.check(dataset)
    with pytest.raises(type(error.value)):
        store.read_cells(dataset, SCOPE, [BLOCK])
    return error.value


def test_a_dataset_that_can_be_read_passes(store):
    store.check(a_dataset())
    store.check(a_dataset(where="content_meta = 'x'", scale=Scale(kind="Logit")))
    store.check(a_dataset(table=None, query="SELECT * FROM predictions WHERE score > 0"))


def test_an_unknown_table_is_a_hold(store):
    error = refused(store, a_dataset(table="no_such_log"))
    assert isinstance(error, StoreError)
    assert error.reason is Reason.UNKNOWN_TABLE
    assert "no_such_log" in error.message
    assert "store init" in error.remedy


def test_an_unknown_column_names_those_there_are(store):
    error = refused(store, a_dataset(columns=Columns(score="bot_score")))
    assert isinstance(error, SpecError)
    assert error.reason is Reason.UNKNOWN_COLUMN
    assert "'bot_score'" in error.message
    assert "model_version" in error.message
    assert error.remedy == "set spec.columns.score"


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"where": "no_such = 1"}, Reason.UNKNOWN_COLUMN),
        ({"where": "sleep(3)"}, Reason.QUERY_REFUSED),
        ({"where": "score = 'x' SETTINGS readonly = 0"}, Reason.QUERY_REFUSED),
        ({"where": "intDiv(document_id, 2) = 1"}, Reason.DATASET_INVALID),
        ({"dimensions": [Dimension(name="carrier", expression="file('/etc/passwd')")]}, Reason.QUERY_REFUSED),
        ({"table": None, "query": "SELECT * FROM system.tables"}, Reason.QUERY_REFUSED),
        ({"table": None, "query": "SELECT * FROM predictions; SELECT 1"}, Reason.QUERY_REFUSED),
        ({"columns": Columns(score="ts")}, Reason.DATASET_INVALID),
        ({"columns": Columns(score="content_meta")}, Reason.DATASET_INVALID),
    ],
)
def test_a_dataset_that_a_person_must_change_says_so(store, spec, reason):
    error = refused(store, a_dataset(**spec))
    assert isinstance(error, SpecError), error
    assert error.reason is reason, error


def test_a_dictionary_that_is_missing_is_told(store):
    error = refused(store, a_dataset(dimensions=[Dimension(name="carrier", expression="dictGet('no_such', 'a', 1)")]))
    assert "no_such" in error.message


def test_a_store_that_is_away_is_unreachable_and_comes_back(store_dsn):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        away = open_store(f"clickhouse://user:{ENCODED}@127.0.0.1:{taken.getsockname()[1]}/default")
        error = refused(away, a_dataset())
    assert error.reason is Reason.STORE_UNREACHABLE
    assert_no_secret(error)
    away.close()


def test_a_host_that_does_not_exist_is_unreachable():
    error = refused(open_store(f"clickhouse://user:{ENCODED}@no-such-host.invalid:8123/default"), a_dataset())
    assert error.reason is Reason.STORE_UNREACHABLE
    assert_no_secret(error)


def test_what_is_no_clickhouse_at_all_is_not_a_pass():
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(30)
        store = open_store(
            f"clickhouse://u:{ENCODED}@127.0.0.1:{server.getsockname()[1]}/default?connect_timeout=2&send_receive_timeout=1"
        )
        error = refused(store, a_dataset())  # it accepts and never answers
    assert error.reason in (Reason.STORE_UNREACHABLE, Reason.QUERY_FAILED)
    assert_no_secret(error)


def test_bad_credentials_are_denied_and_never_shown(tmp_path):
    with served_store(tmp_path / "data", password="right") as served:
        address = served.dsn.partition("//")[2]
        error = refused(open_store(f"clickhouse://default:{ENCODED}@{address}"), a_dataset())
        assert isinstance(error, StoreError)
        assert error.reason is Reason.STORE_ACCESS_DENIED
        assert_no_secret(error)
        good = open_store(f"clickhouse://default:right@{address}")
        good.init(["carrier"])
        good.check(a_dataset())
        good.close()


def assert_no_secret(error: ReasonedError) -> None:
    shown = "".join(traceback.format_exception(error)) + repr(error) + error.message + error.remedy
    for part in (SECRET, ENCODED, "hunter2"):
        assert part not in shown


@pytest.mark.parametrize(
    "spelling", [SECRET, ENCODED, f"http://u:{ENCODED}@h/", f"Authorization: Basic {SECRET}", f"password={SECRET}"]
)
def test_a_password_inside_an_exception_is_taken_out(spelling):
    connection = Connection(f"clickhouse://u:{ENCODED}@h:1/d")

    def fail(_: object) -> None:
        raise RuntimeError(f"something failed: {spelling} and went on")

    connection._local.client = object()  # a client that is there, so that nothing connects
    with pytest.raises(StoreError) as error:
        connection.run(fail)
    assert_no_secret(error.value)
    assert SECRET not in f"{connection.address} {connection.address!r}"


@pytest.mark.parametrize(
    ("code", "reason", "kind"),
    [
        (516, Reason.STORE_ACCESS_DENIED, StoreError), (192, Reason.STORE_ACCESS_DENIED, StoreError),
        (193, Reason.STORE_ACCESS_DENIED, StoreError), (497, Reason.STORE_ACCESS_DENIED, StoreError),
        (60, Reason.UNKNOWN_TABLE, StoreError), (81, Reason.UNKNOWN_TABLE, StoreError),
        (158, Reason.QUERY_OVER_LIMITS, StoreError), (159, Reason.QUERY_OVER_LIMITS, StoreError),
        (396, Reason.QUERY_OVER_LIMITS, StoreError), (241, Reason.QUERY_OVER_LIMITS, StoreError),
        (47, Reason.UNKNOWN_COLUMN, SpecError), (70, Reason.DATASET_INVALID, SpecError),
        (181, Reason.DATASET_INVALID, SpecError),
        (999, Reason.QUERY_FAILED, StoreError),
    ],
)  # fmt: skip
def test_every_code_has_its_reason(code, reason, kind):
    error = error_of_code(code, "Code: …", "store x")
    assert error.reason is reason
    assert isinstance(error, kind)


def test_limits_of_the_profile_hold(store_dsn, tmp_path):
    store = open_store(store_dsn)
    store.init(["carrier"])
    model = f"m-{uuid.uuid4().hex[:8]}"
    store.insert_predictions(
        columns([Row(T0 + timedelta(milliseconds=i), "v1", 0.5, model=model) for i in range(1000)], ["carrier"])
    )
    for sql in (
        "SELECT sum(score) FROM predictions SETTINGS max_rows_to_read = 1",
        "SELECT sleepEachRow(1) FROM numbers(9) SETTINGS max_execution_time = 1",
    ):
        with pytest.raises(StoreError) as error:
            store.query(sql)
        assert error.value.reason is Reason.QUERY_OVER_LIMITS
    store.close()


def test_a_reading_user_with_readonly_2_is_refused(tmp_path):
    connection = Connection(f"chdb://{tmp_path / 'data'}")
    store = ClickHouseStore(connection)
    store.init(["carrier"])
    connection.run(lambda client: client.set_client_setting("readonly", 2))
    with pytest.raises(StoreError, match="readonly=2") as error:
        store.check(a_dataset())
    assert error.value.reason is Reason.STORE_ACCESS_DENIED
    store.close()


def test_a_read_only_store_reads_and_never_writes(tmp_path):
    dsn = f"chdb://{tmp_path / 'data'}"
    writer = open_store(dsn)
    writer.init(["carrier"])
    writer.insert_predictions(columns([Row(T0, "v1", 0.5, dimensions={"carrier": "HA"})], ["carrier"]))
    writer.close()
    reader = open_store(dsn, read_only=True)
    reader.check(a_dataset())
    cells = reader.read_cells(a_dataset(), SCOPE, [BLOCK])
    assert cells.slices == ("", "carrier=HA")
    found = reader.read_distributions(a_dataset(), SCOPE, BLOCK)
    for write in (
        lambda: reader.init(),
        lambda: reader.write_performance(Origin("r", "tier-3", 0), a_dataset(), SCOPE, found),
        lambda: reader.query("SELECT * FROM file('/etc/passwd', 'LineAsString')"),
    ):
        with pytest.raises(StoreError) as error:
            write()
        assert error.value.reason is Reason.STORE_ACCESS_DENIED
    reader.close()


def test_init_can_run_again_and_adds_dimensions(tmp_path):
    store = open_store(f"chdb://{tmp_path / 'data'}")
    assert store.init() == store.init(["a"]) == store.init(["a", "b"])
    names = store.query("SELECT name FROM system.columns WHERE table = 'predictions'").column("name").to_pylist()
    assert {"a", "b", "labelled_at"} <= {n.decode() if isinstance(n, bytes) else n for n in names}
    with pytest.raises(SpecError):
        store.init(["a; DROP TABLE predictions"])
    store.query("SELECT 1")
    store.close()


def test_a_second_chdb_path_in_one_process_is_told(tmp_path):
    first, second = open_store(f"chdb://{tmp_path / 'a'}"), open_store(f"chdb://{tmp_path / 'b'}")
    first.init()
    with pytest.raises(StoreError, match="chdb") as error:
        second.init()
    assert "store serve" in error.value.remedy
    first.close()
    second.init()
    second.close()


@pytest.mark.parametrize(
    "dsn",
    [
        f"mysql://u:{ENCODED}@h/d",
        f"u:{ENCODED}@h",
        "",
        f"clickhouse://u:{ENCODED}@h:port/d",
        f"clickhouse://u:{ENCODED}@h/d?no_such=1",
        "chdb://host/path",
    ],
)
def test_a_dsn_that_is_none_is_told_without_repeating_it(dsn):
    with pytest.raises(SpecError) as error:
        parse_dsn(dsn)
    assert error.value.reason is Reason.INVALID_SPEC
    assert_no_secret(error.value)


def test_threads_share_a_store(store):
    from concurrent.futures import ThreadPoolExecutor

    model = f"m-{uuid.uuid4().hex[:8]}"
    rows = [Row(T0 + timedelta(milliseconds=i), ["v1", "v2"][i % 2], 0.5, model=model) for i in range(500)]
    store.insert_predictions(columns(rows, ["carrier"]))
    scope = Scope(model, "v1", "v2")
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: store.read_cells(a_dataset(), scope, [BLOCK]).counts.sum(), range(32)))
    assert set(found) == {1000}  # the whole, and the one carrier


def test_columns_given_as_a_mapping_are_inserted(store):
    model = f"m-{uuid.uuid4().hex[:8]}"
    rows = {
        "ts": pa.array([T0], pa.timestamp("ms", tz="UTC")),
        "model": [model],
        "model_version": ["v1"],
        "score": [0.5],
    }
    assert store.insert_predictions(rows) == 1
    assert store.watermark(a_dataset(), Scope(model, "v1", "v2"), T0) == T0
