"""The operator as a process of its own, as it runs in production; ended with the test, however that ends."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.polling import eventually

_PROGRAM = "from tierwise.cli.main import main; main()"
_ADDRESS = re.compile(r"/healthz.* on (http://\S+)")


class OperatorProcess:
    """A running `tierwise operator` whose log is a file."""

    def __init__(self, kubeconfig: Path, namespace: str, log: Path, *arguments: str) -> None:
        self.log = log
        self._command = [sys.executable, "-c", _PROGRAM, "operator", "--kubeconfig", str(kubeconfig)]
        self._command += ["-n", namespace, "--health", "0", *arguments]
        self._process: subprocess.Popen[bytes] | None = None
        self._seen = 0

    def start(self) -> None:
        """Start it; returns at once."""
        self._seen = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The process; it must have been started."""
        assert self._process is not None
        return self._process

    def since_start(self) -> str:
        """What this process has logged so far."""
        with self.log.open("rb") as log:
            log.seek(self._seen)
            return log.read().decode(errors="replace")

    def probe(self, path: str) -> tuple[int, str]:
        """Status and text of a page of the health port; (0, "") while it does not respond."""
        found = _ADDRESS.search(self.since_start())
        if found is None:
            return 0, ""
        try:
            with urllib.request.urlopen(found[1] + path, timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def wait_ready(self, within: float = 60) -> None:
        """Until it serves (leading, caches filled, watching)."""

        def ready() -> bool:
            assert self.process.poll() is None, f"the operator ended: {self.since_start()[-2000:]}"
            return self.probe("/readyz") == (200, "ok\n")

        eventually(ready, within=within, what="the operator is ready")

    def kill(self) -> None:
        """SIGKILL: it gets no chance to tidy up."""
        self.process.kill()
        self.process.wait(timeout=30)

    def stop(self, within: float = 30) -> int:
        """SIGTERM; the exit status. SIGKILL when it does not end in time."""
        if self._process is None or self._process.poll() is not None:
            return self._process.returncode if self._process else 0
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(timeout=within)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


@contextmanager
def running_operator(
    kubeconfig: Path, namespace: str, log: Path, *arguments: str, quiet: bool = False
) -> Iterator[OperatorProcess]:
    """An operator that is ready; its log is printed (pytest shows it with a failed test) unless `quiet`."""
    operator = OperatorProcess(kubeconfig, namespace, log, *arguments)
    operator.start()
    try:
        operator.wait_ready()
        yield operator
    finally:
        try:
            operator.stop()
        finally:
            if not quiet:
                print(f"--- {log.name} at {time.strftime('%H:%M:%S')}\n{log.read_text()[-20_000:]}")
