"""Labels in a real PostgreSQL: read through a named collection, or imported; never twice, shifted or leaked."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from tests.conftest import require
from tests.support.labelled_log import (
    SCOPE,
    WINDOW,
    Label,
    a_dataset,
    counted,
    label_by,
    label_values,
    labels,
    requests,
    write_log,
)
from tests.support.postgres import Postgres, missing, postgres
from tierwise.adapters.clickhouse.connection import Connection
from tierwise.adapters.clickhouse.store import ClickHouseStore, open_store
from tierwise.adapters.postgres.labels import Columns, Target, import_labels, parse_address
from tierwise.cli.commands.run.labels import command
from tierwise.errors import SpecError, StoreError

ROWS = requests(200)
LABELS = labels(ROWS, 5)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    require("PostgreSQL", missing())
    with postgres() as server:
        server.run(
            "CREATE SCHEMA research; CREATE TABLE research.labels "
            "(request text, is_bot smallint, came timestamptz, kind text); SET timezone = 'UTC'; "
            f"INSERT INTO research.labels VALUES {label_values(LABELS)}"
        )
        yield server


@contextmanager
def collection(store: Any, server: Postgres, **other: object) -> Iterator[str]:
    """A named collection of the store, of its own."""
    name = f"research_{uuid.uuid4().hex[:8]}"
    values = {"host": "127.0.0.1", "port": server.port, "database": "app", "user": "app", "password": server.password}
    given = ", ".join(f"{key} = '{value}'" for key, value in (values | other).items())
    store.execute(f"CREATE NAMED COLLECTION {name} AS {given}")
    try:
        yield name
    finally:
        store.execute(f"DROP NAMED COLLECTION {name}")


def through(collection: str, **more: Any) -> dict[str, Any]:
    return {
        "name": "research",
        "kind": "PostgreSQL",
        "collection": collection,
        "table": "research.labels",
        "key": "request",
        "column": "is_bot",
        "labelledAt": "came",
        **more,
    }


def label_of(row: Any) -> int | None:
    return label_by(row, LABELS)


def imported(server: Postgres, dsn: str, *more: str) -> Any:
    arguments = ["--postgres", server.dsn, "--store", dsn, "--table", "research.labels", "--key", "request"]
    names = ["--label", "is_bot", "--labelled-at", "came"]
    return CliRunner(env={"PGPASSWORD": server.password}).invoke(command, ["import", *arguments, *names, *more])


@pytest.fixture(scope="module")
def served(store_dsn: str) -> Iterator[ClickHouseStore]:
    """The store that the command can reach, too."""
    store = open_store(store_dsn)
    yield store
    store.close()


def test_labels_are_read_where_they_are_and_only_those_of_the_window(store, server):
    with collection(store, server) as name:
        store.check(dataset := a_dataset(write_log(store, ROWS), through(name)))
        counts = store.read_cells(dataset, SCOPE, [WINDOW]).counts[0, 0]
        manual = a_dataset(dataset.spec.table, through(name, where="kind = 'manual'"))
        chosen = store.read_cells(manual, SCOPE, [WINDOW]).counts[0, 0]
    assert np.array_equal(counts, counted(ROWS, label_of))
    assert np.array_equal(chosen, counted(ROWS, lambda row: label_by(row, LABELS, "manual")))
    asked = [line for line in server.log.read_text().splitlines() if 'FROM "research"."labels" WHERE' in line]
    assert asked
    assert all('"came" >= ' in line and '"came" <= ' in line for line in asked)


def test_a_read_only_user_reads_them_through_a_table_of_engine_postgresql(server, tmp_path):
    """One process can have one embedded path: the tables are made in another."""
    collection = (
        f"CREATE NAMED COLLECTION research AS host = '127.0.0.1', port = {server.port}, database = 'app', "
        f"user = 'app', password = '{server.password}'"
    )
    table = (
        "CREATE TABLE research_labels (request String, is_bot Nullable(UInt8), came DateTime64(6, 'UTC'), "
        "kind String) ENGINE = PostgreSQL(research, table = 'labels', schema = 'research')"
    )
    given = {"dsn": f"chdb://{tmp_path}/data", "statements": [collection, table]}
    answer = subprocess.run(
        [sys.executable, "-c", READ_ONLY],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
    )
    told = json.loads(answer.stdout)
    assert told["counts"] == counted(ROWS, label_of).tolist()
    assert "may not call postgresql()" in told["refused"]
    assert "kind: Table" in told["refused"]


READ_ONLY = """
import json, sys
from tests.integration.test_postgres_labels import ROWS, through
from tests.support.labelled_log import SCOPE, WINDOW, a_dataset, write_log
from tierwise.adapters.clickhouse.store import open_store
from tierwise.errors import SpecError

given = json.load(sys.stdin)
store = open_store(given["dsn"])
for statement in given["statements"]:
    store.execute(statement)
log = write_log(store, ROWS)
store.close()
store = open_store(given["dsn"], read_only=True)
table = through("research", kind="Table", table="research_labels")
del table["collection"]
store.check(dataset := a_dataset(log, table))
counts = store.read_cells(dataset, SCOPE, [WINDOW]).counts[0, 0].tolist()
try:
    store.check(a_dataset(log, through("research")))
    refused = ""
except SpecError as error:
    refused = str(error)
print(json.dumps({"counts": counts, "refused": refused}))
store.close()
"""


def test_a_session_of_another_time_zone_is_refused_because_its_times_would_be_shifted(store, server):
    table = write_log(store, ROWS[:3])
    server.run("ALTER ROLE app SET timezone = 'America/New_York'")
    try:
        with (
            # another host: a connection that is open already keeps its zone
            collection(store, server, host="localhost") as name,
            pytest.raises(SpecError, match=r"time zone America/New_York.*ALTER ROLE"),
        ):
            store.check(a_dataset(table, through(name)))
    finally:
        server.run("ALTER ROLE app RESET timezone")


def test_a_server_that_is_away_is_told_without_the_password(store, server):
    table = write_log(store, ROWS[:3])
    with collection(store, server, port=1) as name, pytest.raises(StoreError) as away:
        store.check(a_dataset(table, through(name)))
    assert "refused" in str(away.value)
    assert server.password not in str(away.value)


def test_imported_labels_count_as_those_that_were_given(served, server, store_dsn):
    done = imported(server, store_dsn, "--into", "research_labels", "-o", "json")
    assert done.exit_code == 0, done.output
    source = {
        "name": "research",
        "kind": "Table",
        "table": "research_labels",
        "key": "request_id",
        "column": "label",
        "labelledAt": "labelled_at",
    }
    dataset = a_dataset(write_log(served, ROWS), source)
    counts = served.read_cells(dataset, SCOPE, [WINDOW]).counts[0, 0]
    assert np.array_equal(counts, counted(ROWS, label_of))


def test_importing_again_brings_only_what_is_new_and_nothing_twice(served, server, store_dsn):
    first = imported(server, store_dsn, "--into", "again", "--overlap", "1m")
    assert first.exit_code == 0, first.output
    valued = [x for x in LABELS if x.value is not None]
    assert first.stdout.startswith(f"{len(valued)} labels read from postgresql://app@127.0.0.1:{server.port}/app")
    newest = max(x.at for x in valued)
    late = Label("r7", 1, newest + timedelta(minutes=3), "manual")
    server.run(f"SET timezone = 'UTC'; INSERT INTO research.labels VALUES {label_values([late])}")
    try:
        again = imported(server, store_dsn, "--into", "again", "--overlap", "1m", "-o", "json")
    finally:
        server.run(
            "DELETE FROM research.labels WHERE request = 'r7' AND came = (SELECT max(came) FROM research.labels)"
        )
    assert again.exit_code == 0, again.output
    distinct = {(x.id, x.value, x.at) for x in [*valued, late]}
    assert served.query("SELECT count() AS n FROM again FINAL").column("n")[0].as_py() == len(distinct)
    recent = [x for x in valued if x.at >= newest - timedelta(minutes=1)]
    assert f'"rows": {len(recent) + 1},' in again.stdout


def test_an_import_that_fails_says_why_without_the_password(server, store_dsn):
    wrong = parse_address(server.dsn, "wrong-password-1")
    hostile = Columns("labels", "request", "is_bot", "came", where="url('http://x') = 1")
    connection = Connection(store_dsn)
    try:
        with pytest.raises(StoreError, match=r"password.* failed") as failed:
            import_labels(connection, Target("nothing", "x"), wrong, Columns("labels", "request", "is_bot", "came"))
        assert "wrong-password-1" not in str(failed.value)
        with pytest.raises(SpecError, match="the function 'url' is not allowed"):
            import_labels(connection, Target("nothing", "x"), wrong, hostile)
    finally:
        connection.close()


def test_a_dsn_that_is_none_is_refused_without_repeating_it():
    for dsn in (
        "mysql://u:secret1@h/d",
        "postgresql://h/d",
        "postgresql://u:secret1@h",
        "postgresql://u:secret1@h:x/d",
    ):
        with pytest.raises(SpecError) as refused:
            parse_address(dsn, None)
        assert "secret1" not in str(refused.value)
