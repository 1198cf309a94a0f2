"""Starts the demo's processes and ends them when the demo ends, however it ends.

The demo holds the other end of this process' stdin. When that closes, because the demo is over, was interrupted or
killed, everything that was started here is stopped, last first. So there is no moment at which a process is left
without somebody to end it.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tierwise.local.processes import Process, spawn, stop

CLOSE_SECONDS = 60.0


class Guard:
    """The demo's side: start processes through it; leaving the `with` block ends them."""

    def __enter__(self) -> Guard:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tierwise.demo.guard"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C of the terminal must not reach it
        )
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(CLOSE_SECONDS)
        finally:
            self._process.stdout.close()

    def start(self, name: str, command: Sequence[str], *, folder: Path) -> Process:
        """Start a process in `folder`; its output goes to `<name>.log` there."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        request = {"name": name, "command": list(command), "folder": str(folder)}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return Process(name, answer["pid"], answer["started"])


def main() -> None:
    """Serve requests until stdin closes."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    processes: list[Process] = []
    try:
        for line in sys.stdin:
            request = json.loads(line)
            folder = Path(request["folder"])
            process, _ = spawn(request["name"], request["command"], cwd=folder, log=folder / f"{request['name']}.log")
            processes.append(process)
            sys.stdout.write(json.dumps({"pid": process.pid, "started": process.started}) + "\n")
            sys.stdout.flush()
    finally:
        stop(reversed(processes))


if __name__ == "__main__":
    main()
