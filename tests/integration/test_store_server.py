"""The store server through ClickHouse's own client: every use that the operator, traffic and people make of it."""

from __future__ import annotations

import gzip
import http.client
import socket
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import clickhouse_connect
import lz4.frame
import pyarrow as pa
import pytest
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import DatabaseError


@pytest.fixture
def client(store_dsn: str) -> Iterator[Client]:
    client = connect(store_dsn)
    yield client
    client.close()


@pytest.fixture
def table(client: Client, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"t_{abs(hash(request.node.name))}"
    client.command(f"CREATE TABLE {name} (a UInt32, s String, x Nullable(Float64)) ENGINE = MergeTree ORDER BY a")
    yield name
    client.command(f"DROP TABLE IF EXISTS {name}")


def connect(dsn: str, **options: object) -> Client:
    return clickhouse_connect.get_client(dsn=dsn.replace("clickhouse://", "http://"), **options)  # type: ignore[arg-type]


def raw(
    dsn: str, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection(urlsplit(dsn).netloc.rpartition("@")[2], timeout=30)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()


def test_ping_version_and_time_zone(client, store_dsn):
    assert client.ping()
    assert int(client.server_version.split(".")[0]) >= 24
    assert raw(store_dsn, "GET", "/ping")[::2] == (200, b"Ok.\n")


def test_parameters_keep_every_character(client):
    text = 'it\'s "x" \\ back\ttab\nline ü ✈ {a:String} %41 & = ; --'
    assert client.query("SELECT {a:String} AS a", parameters={"a": text}).result_rows == [(text,)]
    assert client.query("SELECT {a:Array(String)}", parameters={"a": [text, ""]}).result_rows == [([text, ""],)]
    assert client.query("SELECT {n:UInt8} + {m:Int64}", parameters={"n": 1, "m": -3}).result_rows == [(-2,)]


def test_parameters_too_long_for_a_url_come_as_a_form(client):
    values = [f"value-{i}-ü" for i in range(20_000)]
    answer = client.query("SELECT length({v:Array(String)}), {v:Array(String)}[20000]", parameters={"v": values})
    assert answer.result_rows == [(20_000, values[-1])]


@pytest.mark.parametrize("compress", [False, "lz4", "zstd", "gzip"])
def test_rows_go_in_and_come_out_in_every_encoding(store_dsn, table, compress):
    client = connect(store_dsn, compress=compress)
    # So wide that the client sends several blocks, each compressed for itself.
    rows = [(i, f"s{i} ü\n" + "wide" * 500, None if i % 3 else i / 7) for i in range(5000)]
    client.insert(table, rows, column_names=["a", "s", "x"])
    assert client.query(f"SELECT * FROM {table} ORDER BY a").result_rows == rows
    client.close()


def test_arrow_goes_in_and_comes_out(client, table):
    rows = pa.table({"a": pa.array(range(1000), pa.uint32()), "s": ["x"] * 1000, "x": pa.array([0.5] * 1000)})
    client.insert_arrow(table, rows)
    found = client.query_arrow(f"SELECT a, s, x FROM {table} ORDER BY a", use_strings=True)
    assert found.to_pydict() == rows.to_pydict()


def test_large_results_are_streamed_whole(client):
    with client.query_row_block_stream("SELECT number, toString(number) FROM numbers(300000)") as stream:
        assert sum(len(block) for block in stream) == 300_000


def test_settings_are_those_of_one_query(client):
    assert client.query("SELECT getSetting('max_threads')", settings={"max_threads": 1}).result_rows == [(1,)]
    with pytest.raises(DatabaseError) as error:
        client.query("SELECT count() FROM numbers(1000000)", settings={"max_rows_to_read": 10})
    assert error.value.code == 158
    assert client.query("SELECT count() FROM numbers(1000)").result_rows == [(1000,)]


def test_a_session_keeps_its_settings_and_others_do_not_see_them(store_dsn):
    mine, other = connect(store_dsn, session_id="mine"), connect(store_dsn, session_id="other")
    mine.command("CREATE TEMPORARY TABLE mine_only (a UInt8)")
    mine.command("INSERT INTO mine_only VALUES (7)")
    assert mine.query("SELECT a FROM mine_only").result_rows == [(7,)]
    with pytest.raises(DatabaseError):
        other.query("SELECT a FROM mine_only")
    mine.close()
    other.close()


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT * FROM no_such_table", 60),
        ("SELECT no_such_column FROM numbers(1)", 47),
        ("SELECT no_such_function(1)", 46),
        ("SELEC 1", 62),
        ("SELECT 1; SELECT 2", 62),
        ("SELECT throwIf(1)", 395),
        ("SELECT {p:UInt8}", 456),
        ("SELECT * FROM no_such_database.x", 81),
    ],
)
def test_errors_carry_clickhouse_codes(client, sql, code):
    with pytest.raises(DatabaseError) as error:
        client.query(sql)
    assert error.value.code == code
    assert client.ping()


def test_a_trailing_semicolon_and_comments_are_no_second_statement(client):
    assert client.command("SELECT ';' /* ; */ -- ;\n") == ";"
    assert client.command("SELECT 1;") == 1


def test_commands_tell_a_result_from_none(client, table):
    assert client.command(f"SELECT count() FROM {table}") == 0
    assert client.command(f"SELECT s FROM {table} LIMIT 0") == ""
    assert client.query(f"SELECT s FROM {table} LIMIT 0").column_names == ("s",)
    assert client.query(f"SELECT s FROM {table}").result_rows == []
    client.command(f"INSERT INTO {table} VALUES (1, 'x', NULL)")
    assert client.command(f"SELECT count() FROM {table}") == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "headers", "status"),
    [
        ("GET", "/nowhere", None, {}, 404),
        ("POST", "/?query=SELECT+1", b"\x00\xff\xfe", {}, 400),
        ("POST", "/?database=x%60y", b"SELECT 1", {}, 404),
        ("POST", "/?max_threads%3D1%2C+readonly=2", b"SELECT 1", {}, 500),
        ("POST", "/?default_format=No%20Such", b"SELECT 1", {}, 500),
        ("POST", "/", b"not gzip", {"Content_Encoding": "gzip"}, 400),
        ("POST", "/", b"SELECT 1", {"Content_Encoding": "rot13"}, 400),
        ("POST", "/?session_id=a&session_timeout=long", b"SELECT 1", {}, 400),
        ("POST", "/", b"--broken\r\n", {"Content_Type": "multipart/form-data; boundary=broken"}, 400),
        ("POST", "/", b"INSERT INTO no_such FORMAT Native\n\xff\xff\xff\xff", {}, 404),
        ("GET", "/?query=CREATE+TABLE+by_get+(a+UInt8)+ENGINE=Memory", None, {}, 403),
    ],
)
def test_bad_requests_get_an_error_and_the_server_goes_on(store_dsn, method, path, body, headers, status):
    answer = raw(store_dsn, method, path, body, **headers)
    assert answer[0] == status
    assert int({k.lower(): v for k, v in answer[1].items()}["x-clickhouse-exception-code"]) > 0
    assert answer[2].startswith(b"Code: ")
    assert raw(store_dsn, "POST", "/", b"SELECT 41 + 1")[::2] == (200, b"42\n")


def test_broken_connections_do_not_harm(store_dsn):
    host, _, port = urlsplit(store_dsn).netloc.rpartition("@")[2].partition(":")
    for data in (
        b"\x16\x03\x01\x02\x00",
        b"POST / HTTP/1.1\r\nContent-Length: 99\r\n\r\nSELECT",
        b"GET /?" + b"x" * 100_000,
        b"GET http://[ HTTP/1.1\r\n\r\n",
    ):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(data)
    body = gzip.compress(b"SELECT 1")
    assert raw(store_dsn, "POST", "/", body, Content_Encoding="gzip")[::2] == (200, b"1\n")


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("lz4", lz4.frame.compress(b"1\tx\t1\n") + lz4.frame.compress(b"2\ty\t1\n")[:-3]),
        ("deflate", zlib.compress(b"1\tx\t1\n") + zlib.compress(b"2\ty\t1\n")),
        ("deflate", zlib.compress(b"1\tx\t1\n")[:-3]),
    ],
)
def test_what_cannot_be_decompressed_to_its_end_becomes_no_rows(store_dsn, client, table, encoding, body):
    status, headers, _ = raw(
        store_dsn, "POST", f"/?query=INSERT+INTO+{table}+FORMAT+TSV", body, Content_Encoding=encoding
    )
    assert (status, headers["X-ClickHouse-Exception-Code"]) == (400, "271")
    assert client.query(f"SELECT count() FROM {table}").result_rows == [(0,)]


@pytest.mark.parametrize(
    "body",
    [
        b"Content-Length: 30\r\n\r\n1\tx\t1\n2\ty",
        b"Transfer-Encoding: chunked\r\n\r\n6\r\n1\tx\t1\n\r\n20\r\n2\ty",
        b"Transfer-Encoding: chunked\r\n\r\n6\r\n1\tx\t1\n\r\n",
    ],
)
def test_half_an_insert_becomes_no_rows(store_dsn, client, table, body):
    host, _, port = urlsplit(store_dsn).netloc.rpartition("@")[2].partition(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(f"POST /?query=INSERT+INTO+{table}+FORMAT+TSV HTTP/1.1\r\n".encode() + body)
        connection.shutdown(socket.SHUT_WR)
        assert connection.makefile("rb").readline().startswith(b"HTTP/1.1 400")
    assert client.command(f"SELECT count() FROM {table}") == 0


def test_many_clients_at_once(store_dsn, table):
    def work(number: int) -> int:
        client = connect(store_dsn)
        try:
            for i in range(5):
                client.insert(table, [(number * 100 + i, "x", None)], column_names=["a", "s", "x"])
            return int(
                client.query("SELECT sum(number) FROM numbers({n:UInt64})", parameters={"n": number}).result_rows[0][0]
            )
        finally:
            client.close()

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(work, range(24))) == [n * (n - 1) // 2 for n in range(24)]
    client = connect(store_dsn)
    assert client.command(f"SELECT count(), uniqExact(a) FROM {table}") == ["120", "120"]
    client.close()
