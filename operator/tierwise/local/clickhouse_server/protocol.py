"""ClickHouse's HTTP protocol: reads a request, runs it on the engine and writes the response."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import logging
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tierwise.local.clickhouse_server.encoding import compress, content_type_of, decompress, form_fields
from tierwise.local.clickhouse_server.engine import Engine, EngineError, Request, Response

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 1 << 30
# Parameters of the protocol itself; every other one is a setting of the query.
_PROTOCOL = {
    "query", "database", "default_format", "session_id", "session_timeout", "session_check", "query_id", "quota_key",
    "compress", "decompress", "wait_end_of_query", "buffer_size", "client_protocol_version", "role", "user", "password",
    "send_progress_in_http_headers", "http_headers_progress_interval_ms", "enable_http_compression",
    "cancel_http_readonly_queries_on_client_close",
}  # fmt: skip
_HTTP_STATUS = {
    60: 404,
    81: 404,
    46: 404,
    47: 400,
    62: 400,
    159: 408,
    164: 403,
    193: 403,
    192: 403,
    497: 403,
    516: 403,
    373: 400,
}


class Listener(ThreadingHTTPServer):
    """Accepts connections, with a thread each, and counts the requests without a response."""

    daemon_threads = True
    request_queue_size = 128
    engine: Engine
    credentials: tuple[str, str] | None

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401  # the base class's own
        super().__init__(*arguments)
        self._busy = 0
        self._idle = threading.Condition()

    @contextmanager
    def request_in_flight(self) -> Iterator[None]:
        """Count a request until its response is written."""
        with self._idle:
            self._busy += 1
        try:
            yield
        finally:
            with self._idle:
                self._busy -= 1
                self._idle.notify_all()

    def wait_until_idle(self, seconds: float) -> None:
        """Wait until every response is written, or until the time is over."""
        with self._idle:
            self._idle.wait_for(lambda: self._busy == 0, timeout=seconds)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  # the base class's own
        """Ignore a client that closed the connection. Nothing of a request is ever logged."""


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise EngineError(f"{text[:40]!r} is no time-out", "BAD_ARGUMENTS", 36, status=400) from None


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    server: Listener
    protocol_version = "HTTP/1.1"
    server_version = "tierwise-store"
    sys_version = ""
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    timeout = 600  # an idle connection's thread ends

    def log_message(self, format: str, *args: Any) -> None:  # noqa: ANN401  # http.server's own
        """Log nothing: queries and addresses of clients must not be in a log."""

    def do_GET(self) -> None:
        """Run a statement that only reads, as in ClickHouse."""
        with self.server.request_in_flight():
            self._serve()

    do_HEAD = do_POST = do_GET  # noqa: N815  # the names that http.server looks for

    def _serve(self) -> None:
        try:
            parts = urlsplit(self.path)
        except ValueError:
            self._fail(EngineError("The request's target is not a URL", "BAD_ARGUMENTS", 36, status=400))
            return
        parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
        try:
            body = self._body()
            if parts.path in ("/ping", "/replicas_status") or (parts.path == "/" and not parameters and not body):
                self._reply(200, b"Ok.\n", {"Content-Type": "text/plain; charset=UTF-8"})
                return
            if parts.path != "/":
                raise EngineError(f"There is no handle {parts.path[:80]}", "BAD_ARGUMENTS", 36, status=404)
            self._authenticate(parameters)
            answer, query_id = self._run(parameters, body)
        except EngineError as error:
            self._fail(error)
            return
        except (ConnectionError, TimeoutError):
            self.close_connection = True
            return
        except Exception:
            logger.exception("a request failed")
            self._fail(EngineError("The request could not be served", "LOGICAL_ERROR", 49))
            return
        self._answer(answer, query_id, parameters)

    def _run(self, parameters: dict[str, str], body: bytes) -> tuple[Response, str]:
        encoding = self.headers.get("Content-Encoding", "").lower()
        content_type = self.headers.get("Content-Type", "")
        if content_type.lower().startswith("multipart/form-data"):
            parameters.update(form_fields(content_type, body))
            body = b""
        elif content_type.lower().startswith("application/x-www-form-urlencoded"):
            form = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
            if "query" in form:
                parameters.update(form)
                body = b""
        body = decompress(body, encoding)
        query = parameters.get("query", "").encode("utf-8", "surrogateescape")
        statement = query + b"\n" + body if query and body else query or body
        bound = {k[6:]: v for k, v in parameters.items() if k.startswith("param_")}
        settings = {k: v for k, v in parameters.items() if k not in _PROTOCOL and not k.startswith("param_")}
        default_format = parameters.get("default_format") or self.headers.get("X-ClickHouse-Format") or "TabSeparated"
        query_id = parameters.get("query_id") or str(uuid.uuid4())
        answer = self.server.engine.run(
            Request(
                statement,
                database=parameters.get("database") or self.headers.get("X-ClickHouse-Database") or None,
                bound=bound,
                settings=settings,
                default_format=default_format,
                session=parameters.get("session_id"),
                session_timeout=_seconds(parameters.get("session_timeout") or "60"),
                read_only=self.command != "POST",
            )
        )
        return answer, query_id

    def _authenticate(self, parameters: dict[str, str]) -> None:
        if self.server.credentials is None:
            return
        user, password = parameters.get("user", ""), parameters.get("password", "")
        if header := self.headers.get("X-ClickHouse-User"):
            user, password = header, self.headers.get("X-ClickHouse-Key", "")
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                user, _, password = base64.b64decode(token, validate=True).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                user, password = "", ""
        given, wanted = (user or "default", password), self.server.credentials
        if not all(hmac.compare_digest(a.encode(), b.encode()) for a, b in zip(given, wanted, strict=True)):
            raise EngineError(
                "Authentication failed: password is incorrect, or there is no user with such name.",
                "AUTHENTICATION_FAILED",
                516,
            )

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts: list[bytes] = []
            total = 0
            while True:
                line = self.rfile.readline(1026)
                try:
                    size = int(line.split(b";", 1)[0].strip(), 16)
                except ValueError:
                    self.close_connection = True
                    raise EngineError("The chunked body is broken", "INCORRECT_DATA", 117, status=400) from None
                total += size
                if size < 0 or total > MAX_BODY_BYTES:
                    self.close_connection = True
                    raise EngineError("The body is too large", "TOO_LARGE_SIZE_COMPRESSED", 131, status=413)
                if size == 0:
                    while self.rfile.readline(1026).strip():
                        pass  # trailers
                    return b"".join(parts)
                parts.append(self._read(size))
                self.rfile.readline(1026)
        try:
            length = int(self.headers.get("Content-Length") or 0)
        except ValueError:
            length = -1
        if not 0 <= length <= MAX_BODY_BYTES:
            self.close_connection = True
            raise EngineError(
                "Content-Length is not a length, or the body is too large", "INCORRECT_DATA", 117, status=400
            )
        return self._read(length)

    def _read(self, length: int) -> bytes:
        """Read this many bytes. Fewer bytes are an error, because half an INSERT must not become rows."""
        data = self.rfile.read(length)
        if len(data) < length:
            self.close_connection = True
            raise EngineError("The body ended early", "CANNOT_READ_ALL_DATA", 33, status=400)
        return data

    def _answer(self, answer: Response, query_id: str, parameters: dict[str, str]) -> None:
        headers = {
            "X-ClickHouse-Query-Id": query_id,
            "X-ClickHouse-Timezone": answer.timezone,
            "X-ClickHouse-Server-Display-Name": "tierwise-store",
            "X-ClickHouse-Summary": json.dumps(answer.summary),
        }
        body = answer.body
        if answer.format is not None:
            headers["X-ClickHouse-Format"] = answer.format
            headers["Content-Type"] = content_type_of(answer.format)
            if parameters.get("enable_http_compression", "0") in ("1", "true"):
                body, encoding = compress(body, self.headers.get("Accept-Encoding", ""))
                if encoding:
                    headers["Content-Encoding"] = encoding
        else:
            headers["Content-Type"] = "text/plain; charset=UTF-8"
        self._reply(200, body, headers)

    def _fail(self, error: EngineError) -> None:
        headers = {"X-ClickHouse-Exception-Code": str(error.code), "Content-Type": "text/plain; charset=UTF-8"}
        status = error.status or _HTTP_STATUS.get(error.code, 500)
        self._reply(status, f"{error}\n".encode("utf-8", "replace"), headers)

    def _reply(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        try:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, re.sub(r"[\r\n]", " ", value))
            self.send_header("Content-Length", str(len(body)))
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)
            self.wfile.flush()
        except (ConnectionError, TimeoutError):
            self.close_connection = True
