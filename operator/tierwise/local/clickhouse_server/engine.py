"""One embedded ClickHouse engine for the store server. It runs all statements on one worker thread."""

from __future__ import annotations

import contextlib
import fcntl
import re
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import chdb

# The engine's handle has no published type.
Handle = Any

_CODE = re.compile(r"Code: (\d+)")
_NAME = re.compile(r"\(([A-Z][A-Z0-9_]+)\)")
_SETTING = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_COMMENTS = rb"(?:\s|--[^\n]*\n|/\*.*?\*/)*"
_INSERT = re.compile(rb"(?is)^" + _COMMENTS + rb"INSERT\s")
# INSERT INTO t (a, `b`) FORMAT x, then the data; no quoted text before FORMAT, so that values never look like it
_INLINE = re.compile(
    rb"(?is)^("
    + _COMMENTS
    + rb"INSERT\s+INTO\s(?:[^()'\"`]|`(?:[^`\\]|\\.)*`)*?(?:\((?:[^()'\"`]|`(?:[^`\\]|\\.)*`)*\)\s*?)?)"
    rb"\s(FORMAT\s+[A-Za-z0-9_]+)[ \t]*(?:\r?\n|$)"
)
_FORMAT = re.compile(rb"(?is)\bFORMAT\s+([A-Za-z0-9_]+)\s*;?\s*(?:SETTINGS\b[^'\"]*)?$")
_RESULT = re.compile(
    rb"(?is)^" + _COMMENTS + rb"\(*\s*(?:SELECT|WITH|SHOW|DESCRIBE|DESC|EXPLAIN|EXISTS|CHECK|VALUES|FROM)\b"
)
_TOKENS = re.compile(
    rb"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\"|`(?:[^`\\]|\\.)*`|--[^\n]*|/\*.*?\*/|;|[^'\"`;/-]+|.", re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Request:
    """One statement (data of an INSERT follows it), its bound parameters, and the settings it runs with.

    `session` keeps temporary tables and settings for `session_timeout` seconds after its last statement.
    """

    statement: bytes
    database: str | None = None
    bound: dict[str, str] = field(default_factory=dict)
    settings: dict[str, str] = field(default_factory=dict)
    default_format: str = "TabSeparated"
    session: str | None = None
    session_timeout: float = 60
    read_only: bool = False


class EngineError(Exception):
    """A failure with ClickHouse's code, as a ClickHouse server would report it."""

    def __init__(self, message: str, name: str, code: int, *, status: int | None = None) -> None:
        super().__init__(
            message if message.startswith("Code: ") else f"Code: {code}. DB::Exception: {message} ({name})"
        )
        self.code = code
        self.status = status


class DirectoryTakenError(Exception):
    """Another process has the directory."""


@dataclass(frozen=True, slots=True)
class Response:
    """A statement's result; `format` is None if it has no result."""

    body: bytes
    format: str | None
    timezone: str
    summary: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class _Session:
    handle: Handle
    expires: float
    timeout: float


class Engine:
    """The engine of one directory. A process can have one."""

    def __init__(self, path: Path) -> None:
        # Queries run on a worker thread, so that signals reach the main thread. There is only one worker, because two
        # statements at once would not be faster on the few cores this server is for.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="store-engine")
        self._path = str(path.resolve())
        self._sessions: dict[str, _Session] = {}
        try:
            self._root, self._timezone = self._worker.submit(self._open).result()
        except BaseException:
            self._worker.shutdown(wait=False)
            raise

    def _open(self) -> tuple[Handle, str]:
        _require_free(Path(self._path))
        try:
            root = _connect(self._path)
        except RuntimeError as error:
            raise EngineError(f"Cannot open {self._path}: {error}", "CANNOT_OPEN_FILE", 76) from None
        return root, root.query("SELECT timezone()", "TabSeparated").bytes().decode().strip()

    def run(self, request: Request) -> Response:
        """Run one statement.

        Raises:
            EngineError: the error that ClickHouse would return.
        """
        try:
            future = self._worker.submit(self._run, request)
        except RuntimeError:
            raise EngineError("The server is shutting down", "ABORTED", 236, status=503) from None
        return future.result()

    def close(self) -> None:
        """Finish what runs, then close."""

        def close() -> None:
            for session in self._sessions.values():
                session.handle.close()
            self._sessions.clear()
            self._root.close()

        self._worker.submit(close).result()
        self._worker.shutdown()

    def _run(self, request: Request) -> Response:
        statement, settings, default_format = request.statement, request.settings, request.default_format
        if not statement.strip():
            raise EngineError("Empty query", "SYNTAX_ERROR", 62)
        if not re.fullmatch(r"[A-Za-z0-9_]+", default_format):
            raise EngineError(f"Unknown format {default_format[:40]}", "UNKNOWN_FORMAT", 73)
        insert = _INSERT.match(statement) is not None
        if not insert:
            statement = _single(statement)
        handle = self._handle(request.session, request.session_timeout)
        try:
            if request.database:
                _query(handle, f"USE {_quote_name(request.database)}", "TabSeparated")
            saved = _save(handle, settings) if request.session and settings else {}
            assignments = [_assignment(name, value) for name, value in settings.items()]
            if request.read_only and "readonly" not in settings:
                assignments.append("readonly = 2")  # as in ClickHouse for HTTP GET
            if assignments:
                _query(handle, f"SET {', '.join(assignments)}", "TabSeparated")
            try:
                with _data_in_file(statement) if insert else contextlib.nullcontext(statement) as whole:
                    result = _query(handle, whole, default_format, request.bound)
            finally:
                for name, literal in saved.items():
                    _query(handle, f"SET {name} = {literal}", "TabSeparated")
            body: bytes = result.bytes() or b""
        finally:
            if not request.session:
                handle.close()
        has_result = not insert and (bool(body) or _RESULT.match(statement) is not None)
        found = _FORMAT.search(statement) if has_result else None
        name = found.group(1).decode() if found else default_format
        read = str(result.storage_rows_read() if hasattr(result, "storage_rows_read") else result.rows_read())
        summary = {
            "read_rows": read,
            "read_bytes": str(result.bytes_read()),
            "written_rows": read if insert else "0",
            "written_bytes": str(result.bytes_read()) if insert else "0",
            "result_rows": str(result.rows_read()),
            "elapsed_ns": str(int(result.elapsed() * 1e9)),
        }
        return Response(body, name if has_result else None, self._timezone, summary)

    def _handle(self, session: str | None, timeout: float) -> Handle:
        now = time.monotonic()
        for name in [n for n, s in self._sessions.items() if s.expires < now]:
            self._sessions.pop(name).handle.close()
        if not session:
            return _connect(self._path)
        known = self._sessions.get(session)
        if known is None:
            known = self._sessions[session] = _Session(_connect(self._path), 0.0, timeout)
        known.expires = now + min(max(timeout, 1.0), 3600.0)
        return known.handle


def _require_free(path: Path) -> None:
    """Raise if another process has the directory. Without this check the engine would print a long text on stderr."""
    with contextlib.suppress(FileNotFoundError), (path / "status").open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DirectoryTakenError("another process has the directory open") from None


def _connect(path: str) -> Handle:
    return chdb.connect(path)  # type: ignore[no-untyped-call, unused-ignore]


def _query(handle: Handle, statement: str | bytes, fmt: str, bound: dict[str, str] | None = None) -> Handle:
    try:
        return handle.query(statement, fmt, params=bound or {})
    except Exception as error:  # noqa: BLE001  # the engine's errors have no common class across releases
        text = str(error)
        start = text.find("Code: ")
        text = text[start:].strip() if start >= 0 else text
        code, name = _CODE.search(text), _NAME.findall(text)
        number = int(code.group(1)) if code else 1002
        raise EngineError(text, name[-1] if name else "UNKNOWN_EXCEPTION", number) from None


@contextlib.contextmanager
def _data_in_file(statement: bytes) -> Iterator[bytes]:
    """Put the data of an INSERT into a file. If they are inline, the engine ends them at the first `;`."""
    found = _INLINE.match(statement)
    data = statement[found.end() :] if found else b""
    if found is None or not data.strip():
        yield statement
        return
    with tempfile.NamedTemporaryFile(suffix=".data") as file:
        file.write(data)
        file.flush()
        yield found[1] + b" FROM INFILE " + _literal(file.name).encode() + b" " + found[2]


def _single(statement: bytes) -> bytes:
    """The statement without a final semicolon. Two statements are refused, as ClickHouse does over HTTP."""
    end = None
    for match in _TOKENS.finditer(statement):
        token = match.group()
        if token == b";":
            end = match.start() if end is None else end
        elif end is not None and token.strip() and not token.startswith((b"--", b"/*")):
            raise EngineError("Syntax error (Multi-statements are not allowed)", "SYNTAX_ERROR", 62)
    return statement if end is None else statement[:end]


def _save(handle: Handle, settings: dict[str, str]) -> dict[str, str]:
    """The present values of these settings as literals, to restore them later."""
    names = ", ".join(_literal(name) for name in settings)
    sql = f"SELECT name, value, changed FROM system.settings WHERE name IN ({names})"  # noqa: S608  # quoted literals
    rows = _query(handle, sql, "TabSeparatedRaw").bytes()
    saved = {}
    for line in rows.decode("utf-8", "replace").splitlines():
        name, value, changed = line.split("\t")
        saved[name] = _literal(value) if changed == "1" else "DEFAULT"
    return saved


def _assignment(name: str, value: str) -> str:
    if not _SETTING.fullmatch(name):
        raise EngineError(
            f"Setting {name[:60]!r} is neither a builtin setting nor a custom one", "UNKNOWN_SETTING", 115
        )
    return f"{name} = {_literal(value)}"


def _literal(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _quote_name(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"
