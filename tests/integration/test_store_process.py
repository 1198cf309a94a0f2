"""The store server as a process: who may use it, how it ends, what is left when it is killed, who has its directory."""

from __future__ import annotations

import http.client
import os
import signal
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError

from tests.integration.test_store_server import connect, raw
from tests.support.polling import eventually
from tests.support.store import served_store


def test_user_and_password_are_required_when_set(tmp_path):
    with served_store(tmp_path / "data", "--user", "writer", password="s3 cret/ü") as store:
        assert "s3" not in store.dsn
        good = connect(store.dsn, username="writer", password="s3 cret/ü")
        assert good.command("SELECT 1") == 1
        good.close()
        for user, password in (("writer", "wrong"), ("default", "s3 cret/ü"), (None, "")):
            with pytest.raises(DatabaseError) as error:
                connect(store.dsn, username=user, password=password)
            assert error.value.code == 516
        assert raw(store.dsn, "GET", "/ping")[0] == 200
        assert raw(store.dsn, "POST", "/?user=writer&password=s3%20cret%2F%C3%BC", b"SELECT 1")[0] == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_and_the_data_stay(tmp_path, number):
    path = tmp_path / "data"
    with served_store(path) as store:
        client = connect(store.dsn)
        client.command("CREATE TABLE kept (a UInt8) ENGINE = MergeTree ORDER BY a")
        client.command("INSERT INTO kept VALUES (1), (2)")
        client.close()
        assert store.stop(number) == 0
    with served_store(path) as store:
        client = connect(store.dsn)
        assert client.command("SELECT count() FROM kept") == 2
        client.close()


def test_a_signal_lets_the_running_query_finish(tmp_path):
    with served_store(tmp_path / "data") as store:
        found: list[int] = []

        def ask() -> None:
            found.append(raw(store.dsn, "POST", "/", b"SELECT sleep(2)")[0])

        thread = threading.Thread(target=ask)
        thread.start()
        eventually(lambda: _is_busy(store.dsn) or not thread.is_alive(), within=20)
        assert store.stop() == 0
        thread.join(timeout=20)
        assert found == [200]


def _is_busy(dsn: str) -> bool:
    """Whether a statement waits: the engine answers within half a second otherwise."""
    try:
        connection = http.client.HTTPConnection(urlsplit(dsn).netloc, timeout=0.5)
        connection.request("POST", "/", b"SELECT 1")
        connection.getresponse().read()
    except TimeoutError:
        return True
    return False


def test_killed_hard_it_starts_again_with_what_was_inserted(tmp_path):
    path = tmp_path / "data"
    with served_store(path) as store:
        client = connect(store.dsn)
        client.command("CREATE TABLE kept (a UInt8) ENGINE = MergeTree ORDER BY a")
        client.command("INSERT INTO kept VALUES (1), (2)")
        os.kill(store.process.pid, signal.SIGKILL)
        store.process.wait(timeout=30)
        client.close()
    with served_store(path) as store:
        assert connect(store.dsn).command("SELECT count() FROM kept") == 2


def test_a_second_server_on_the_same_directory_says_so(tmp_path, capfd):
    path: Path = tmp_path / "data"
    with served_store(path) as store:
        with pytest.raises(AssertionError), served_store(path):
            pass
        with pytest.raises(AssertionError), served_store(tmp_path / "other", "--port", str(urlsplit(store.dsn).port)):
            pass
    told = capfd.readouterr().err
    assert f"Error: cannot serve {path}: another process has the directory open\nUse the DSN that it printed" in told
    assert told.count("Error: cannot serve") == 2
    assert "DB::Exception" not in told
