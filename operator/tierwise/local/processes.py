"""Processes that outlive the command that started them. They are ended only if they are still the same processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

# kube-apiserver waits 10 s for its watches to end; nothing is lost when it is killed, for its data are in etcd.
STOP_SECONDS = 3.0
POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Process:
    """A process, identified by its id and start time, because the system reuses ids."""

    name: str
    pid: int
    started: str

    def is_alive(self) -> bool:
        """Whether this very process runs; a zombie and another process with its id do not count."""
        return started_at(self.pid) == self.started


def started_at(pid: int) -> str | None:
    """A value that only this process has; None if there is no such process, or if it is a zombie."""
    if sys.platform == "linux":
        try:
            # The name may hold spaces and brackets, so fields are counted after the last bracket: state is the first.
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return None if fields[0] in "ZX" else f"{boot}/{fields[19]}"
    listed = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False)
    state, _, since = listed.stdout.strip().partition(" ")
    return None if listed.returncode != 0 or state.startswith("Z") else since.strip()


def spawn(name: str, command: Sequence[str], *, cwd: Path, log: Path) -> tuple[Process, subprocess.Popen[bytes]]:
    """Starts a process in a session of its own (Ctrl-C of the terminal does not reach it); output goes to `log`."""
    with log.open("ab") as out:
        child = subprocess.Popen(
            list(command),
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    # A child that ended at once is a zombie until its status is read. Then it gets a start time that matches nothing.
    return Process(name, child.pid, started_at(child.pid) or "ended"), child


def stop(processes: Iterable[Process]) -> None:
    """Ends the processes that are still the same ones, in order: SIGTERM, wait STOP_SECONDS for each, then SIGKILL."""
    for process in processes:
        if not process.is_alive():
            continue
        _signal(process, signal.SIGTERM)
        deadline = time.monotonic() + STOP_SECONDS
        while process.is_alive() and time.monotonic() < deadline:
            _reap(process.pid)
            time.sleep(POLL_SECONDS)
        if process.is_alive():
            _signal(process, signal.SIGKILL)
            while process.is_alive():
                _reap(process.pid)
                time.sleep(POLL_SECONDS)


def _signal(process: Process, number: signal.Signals) -> None:
    """Sends a signal. It is no error if the process has ended meanwhile."""
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return


def _reap(pid: int) -> None:
    """Reads the exit status if the process is a child of this one."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
