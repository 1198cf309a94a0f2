"""Clients of one store, one per thread, with time-outs. Every failure is an error with a reason and no credential."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import clickhouse_connect
import pyarrow as pa
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ProgrammingError

from tierwise.api.reasons import Reason
from tierwise.errors import ReasonedError, SpecError, StoreError

T = TypeVar("T")

for _name in ("clickhouse_connect", "urllib3"):
    # The drivers log and raise the same error. We report it once, without their long log, which may have a credential.
    logging.getLogger(_name).setLevel(logging.CRITICAL)

ACCESS_CODES = {192, 193, 194, 195, 516, 497, 164}  # unknown user, wrong password, …, ACCESS_DENIED, READONLY
TABLE_CODES = {60, 81}  # unknown table, unknown database
LIMIT_CODES = {
    158,
    159,
    160,
    241,
    307,
    396,
    201,
    202,
}  # limits of rows, time, estimated time, memory, bytes, result and quota; too many queries
COLUMN_CODES = {8, 16, 47}
FINAL_CODE = 181
SPEC_CODES = {6, 38, 41, 42, 43, 44, 46, 48, 53, 62, 63, 70, 72, 349, 386, 395}  # the dataset's own SQL or types

_SCOPE = re.compile(r": In scope (?:SELECT|WITH) .*$", re.DOTALL)  # ClickHouse adds the whole query

_OPTIONS = {
    "connect_timeout",
    "send_receive_timeout",
    "compress",
    "verify",
    "ca_cert",
    "client_cert",
    "client_cert_key",
    "secure",
}


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of a DSN. `repr` and `str` never show the password."""

    scheme: str
    host: str
    port: int | None
    user: str
    password: str = field(repr=False)
    database: str | None
    path: str | None
    options: Mapping[str, str]

    def __str__(self) -> str:
        if self.scheme == "chdb":
            return f"chdb://{self.path or ''}"
        port = f":{self.port}" if self.port else ""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{port}/{self.database or ''}"

    @property
    def embedded(self) -> bool:
        """Whether the engine runs in this process."""
        return self.scheme == "chdb"


def parse_dsn(dsn: str) -> Address:
    """Parse a DSN.

    Raises:
        SpecError: InvalidSpec; the message does not repeat the DSN, which may have a password.
    """
    try:
        parts = urlsplit(dsn)
        port = parts.port
    except ValueError:
        raise SpecError(
            "the store's DSN is not a URL",
            "give clickhouse://USER:PASSWORD@HOST:PORT/DATABASE",
            reason=Reason.INVALID_SPEC,
        ) from None
    if parts.scheme not in ("clickhouse", "clickhouses", "http", "https", "chdb"):
        raise SpecError(
            f"the store's DSN has the scheme {parts.scheme!r}"[:120],
            "give clickhouse://…, https://… or chdb:///PATH",
            reason=Reason.INVALID_SPEC,
        )
    options = dict(parse_qsl(parts.query))
    if parts.scheme == "chdb":
        path = unquote(parts.path) if not parts.netloc else None
        if parts.netloc not in ("", "memory"):
            raise SpecError(
                f"the store's DSN chdb://{parts.hostname} names a host",
                "give chdb:///PATH or chdb://memory",
                reason=Reason.INVALID_SPEC,
            )
        return Address("chdb", "", None, "", "", None, path or None, options)
    unknown = set(options) - _OPTIONS
    if unknown:
        raise SpecError(
            f"the store's DSN has the unknown option {sorted(unknown)[0]!r}",
            f"options are {', '.join(sorted(_OPTIONS))}",
            reason=Reason.INVALID_SPEC,
        )
    return Address(
        parts.scheme,
        parts.hostname or "localhost",
        port,
        unquote(parts.username or ""),
        unquote(parts.password or ""),
        unquote(parts.path.strip("/")) or None,
        None,
        options,
    )


class Connection:
    """Clients of one store, one per thread, because a client of chDB or of a session may not be shared."""

    def __init__(self, dsn: str, *, read_only: bool = False, timeout_seconds: float = 60.0) -> None:
        self.address = parse_dsn(dsn)
        self.read_only = read_only
        self._timeout_seconds = timeout_seconds
        self._local = threading.local()
        self._lock = threading.Lock()
        self._clients: list[Client] = []

    def query(self, sql: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """Run the query; returns its result as Arrow columns."""
        return self.run(
            lambda client: client.query_arrow(sql, parameters=dict(parameters or {}), use_strings=self._use_strings)
        )

    def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> object:
        """Run a statement; returns its first value."""
        return self.run(lambda client: client.command(sql, parameters=dict(parameters or {})))

    def insert(self, table: str, rows: pa.Table) -> None:
        """Insert Arrow columns by name."""
        self.run(lambda client: client.insert_arrow(table, rows))

    def run(self, call: Callable[[Client], T]) -> T:
        """Call the function with this thread's client.

        Raises:
            StoreError: the store cannot be read now (unreachable, access, limits, unknown table).
            SpecError: the query is wrong (unknown column, types).
        """
        try:
            return call(self._client())
        except ReasonedError:
            raise
        except Exception as error:  # noqa: BLE001  # whatever a driver raises may carry a credential: none goes on
            raise self._error(error) from None

    def close(self) -> None:
        """Close every thread's client."""
        with self._lock:
            clients, self._clients = self._clients, []
        self._local = threading.local()
        for client in clients:
            client.close()

    @property
    def _use_strings(self) -> bool | None:
        # A read-only chDB client cannot change a setting per query, so the settings are set once, before readonly.
        return None if self.address.embedded else True

    def _client(self) -> Client:
        client: Client | None = getattr(self._local, "client", None)
        if client is None:
            client = self._connect()
            self._local.client = client
            with self._lock:
                self._clients.append(client)
        return client

    def _connect(self) -> Client:
        address = self.address
        if address.embedded:
            client = clickhouse_connect.get_client(interface="chdb", path=address.path, tz_mode="aware")
            client.set_client_setting("output_format_arrow_string_as_string", 1)
            if self.read_only:
                client.set_client_setting("readonly", 1)
            return client
        secure = address.scheme in ("https", "clickhouses") or address.options.get("secure", "").lower() in (
            "1",
            "true",
        )
        options: dict[str, Any] = {k: v for k, v in address.options.items() if k != "secure"}
        options.setdefault("connect_timeout", 5)
        options.setdefault("send_receive_timeout", self._timeout_seconds)
        return clickhouse_connect.get_client(
            host=address.host,
            port=address.port or (8443 if secure else 8123),
            username=address.user or None,
            password=address.password,
            database=address.database,
            interface="https" if secure else "http",
            tz_mode="aware",
            autogenerate_session_id=False,  # with a session, threads that share the pool would wait for each other
            query_retries=1,
            show_clickhouse_errors="scrub",  # without the URL and the server's version
            **options,
        )

    def _error(self, error: Exception) -> ReasonedError:
        code = getattr(error, "code", None)
        text = self.scrub(str(error))
        place = f"store {self.address}"
        if isinstance(code, int) and code:
            return error_of_code(code, text, place)
        if self.address.embedded and isinstance(error, ProgrammingError):
            return StoreError(
                f"{place}: {text}",
                "one process can have one chDB path, and one path one process; use `tierwise store serve` to share it",
                reason=Reason.STORE_UNREACHABLE,
            )
        if isinstance(error, pa.ArrowException | TypeError | ValueError | KeyError):
            return StoreError(f"{place}: the response could not be read: {text}", reason=Reason.QUERY_FAILED)
        cause = _socket_error(error)  # the driver itself says no more than "Error executing HTTP request"
        text = self.scrub(cause) if cause else text
        return StoreError(f"{place}: {text}", "is it up, and is the address right?", reason=Reason.STORE_UNREACHABLE)

    def scrub(self, text: str) -> str:
        """The text in one line of bounded length, without the password in plain or encoded form."""
        secrets = {self.address.password, quote(self.address.password, safe="")} - {""}
        for secret in sorted(secrets, key=len, reverse=True):
            text = text.replace(secret, "***")
        text = re.sub(r"//[^/@\s]*@", "//", text)
        text = re.sub(r"(?i)(password|authorization|bearer|basic)([=: ]+)\S+", r"\1\2***", text)
        text = re.sub(r"\s+", " ", text).strip()
        return text if len(text) <= 600 else text[:599] + "…"


def _socket_error(error: BaseException) -> str | None:
    """The message of the operating system, such as ``Connection refused``, below the errors of the driver."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return None


def error_of_code(code: int, text: str, place: str) -> ReasonedError:
    """The error for a ClickHouse error code."""
    text = re.sub(r"^Received ClickHouse exception, code: \d+, server response: ", "", text)
    message = f"{place}: {text}"
    if code in ACCESS_CODES:
        return StoreError(message, "check user, password and grants of the DSN", reason=Reason.STORE_ACCESS_DENIED)
    if code in TABLE_CODES:
        return StoreError(
            message, "create the table (`tierwise store init`) or fix spec.table", reason=Reason.UNKNOWN_TABLE
        )
    if code in LIMIT_CODES:
        return StoreError(
            message,
            "raise the limit of the user's profile, or look at a shorter interval, fewer slices or fewer values",
            reason=Reason.QUERY_OVER_LIMITS,
            code=code,
        )
    if code in COLUMN_CODES:
        return SpecError(message, "fix the column's name in the dataset", reason=Reason.UNKNOWN_COLUMN)
    if code == FINAL_CODE:
        return SpecError(
            f"{place}: FINAL merges no rows of this table; a file never has any to merge, nor has a plain MergeTree",
            "leave FINAL away in spec.query; spec.deduplicate leaves repeated rows out of any table",
            reason=Reason.DATASET_INVALID,
        )
    if code in SPEC_CODES:
        message = _SCOPE.sub("", message)
        return SpecError(message, "fix the dataset's SQL or column types", reason=Reason.DATASET_INVALID)
    return StoreError(message, reason=Reason.QUERY_FAILED)
