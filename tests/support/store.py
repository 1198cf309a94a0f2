"""A store for tests: the store server as its own process, and rows with all that can be wrong with rows."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_READY = re.compile(r"^clickhouse://\S+$")


class ServedStore:
    """A running `tierwise store serve`."""

    def __init__(self, process: subprocess.Popen[str], dsn: str, path: Path) -> None:
        self.process = process
        self.dsn = dsn
        self.path = path

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal and wait; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(timeout=30)
            raise


@contextmanager
def served_store(path: Path, *arguments: str, password: str | None = None) -> Iterator[ServedStore]:
    """Serve `path` on a free port; ends the process afterwards, however the block ends."""
    environment = dict(os.environ)
    if password is not None:
        environment["TIERWISE_STORE_SERVE_PASSWORD"] = password
    code = "from tierwise.cli.main import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "store", "serve", "--path", str(path), *arguments],
        stdout=subprocess.PIPE,
        env=environment,
        text=True,
    )
    store = ServedStore(process, "", path)
    try:
        assert process.stdout is not None
        # readline ends with the process, so this cannot hang on one that failed
        store.dsn = process.stdout.readline().strip()
        assert _READY.match(store.dsn), f"store serve printed {store.dsn!r}"
        yield store
    finally:
        store.stop()
        if process.stdout is not None:
            process.stdout.close()
