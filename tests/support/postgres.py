"""A real PostgreSQL on loopback for tests: its own data folder, run by a user without rights, ended with the test."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.polling import eventually

_FOLDERS = ("/usr/lib/postgresql/15/bin", "/usr/lib/postgresql/16/bin", "/usr/lib/postgresql/17/bin")


@dataclass(frozen=True)
class Postgres:
    """A running server with one database, `app`, and the password of its user `app`."""

    port: int
    password: str
    log: Path

    @property
    def dsn(self) -> str:
        """Where it is, without the password."""
        return f"postgresql://app@127.0.0.1:{self.port}/app"

    def run(self, sql: str) -> str:
        """What psql prints."""
        command = [*_program("psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.dsn, "-c", sql]
        done = subprocess.run(
            command, env=os.environ | {"PGPASSWORD": self.password}, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def _program(name: str) -> list[str]:
    for folder in _FOLDERS:
        if (path := Path(folder) / name).is_file():
            return [str(path)]
    found = shutil.which(name)
    return [found] if found else []


def missing() -> str | None:
    """Why there is no PostgreSQL here; None when there is one."""
    absent = [name for name in ("initdb", "postgres", "psql") if not _program(name)]
    return f"{', '.join(absent)} not found; install Debian's postgresql-15" if absent else None


def _user() -> dict[str, int]:
    """PostgreSQL does not run as root: a user without rights for the subprocess."""
    if os.getuid() != 0:
        return {}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid}
    raise AssertionError("neither the user postgres nor nobody exists")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def postgres() -> Iterator[Postgres]:
    """A server until the block ends."""
    # Not pytest's folder: that one is closed to other users.
    root = Path(tempfile.mkdtemp(prefix="tierwise-postgres-"))
    as_user = _user()
    try:
        password = secrets.token_urlsafe(16)
        (root / "password").write_text(password)
        if as_user:
            for path in (root, root / "password"):
                os.chown(path, as_user["user"], as_user["group"])
        data = root / "data"
        subprocess.run(
            [*_program("initdb"), "-D", data, "-U", "app", "--pwfile", root / "password", "-A", "scram-sha-256", "-N"],
            check=True,
            capture_output=True,
            cwd="/",
            **as_user,
        )
        server = Postgres(_free_port(), password, root / "log")
        with (root / "log").open("wb") as log:
            options = ["-c", "listen_addresses=127.0.0.1", "-c", "fsync=off", "-c", "log_statement=all"]
            process = subprocess.Popen(
                [*_program("postgres"), "-D", data, "-p", str(server.port), "-k", root, *options],
                stdout=log,
                stderr=log,
                cwd="/",
                **as_user,
            )
        try:
            _wait_for(server, process)
            yield server
        finally:
            process.send_signal(signal.SIGINT)  # fast: ends its clients
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(timeout=30)
    finally:
        shutil.rmtree(root)


def _wait_for(server: Postgres, process: subprocess.Popen[bytes]) -> None:
    admin = f"postgresql://app@127.0.0.1:{server.port}/postgres"

    def created() -> bool:
        assert process.poll() is None, server.log.read_text()
        done = subprocess.run(
            [*_program("psql"), "-Xq", "-d", admin, "-c", "CREATE DATABASE app"],
            env=os.environ | {"PGPASSWORD": server.password},
            capture_output=True,
        )
        return done.returncode == 0

    eventually(created, within=60, what="PostgreSQL to answer")
