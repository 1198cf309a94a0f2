"""Processes that outlive the command that started them, and are ended only when they are still the same ones."""

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
    """A process by id and start time: a process id alone is given to another process sooner or later."""

    name: str
    pid: int
    started: str

    def is_alive(self) -> bool:
        """Whether this very process runs; a zombie and another process with its id do not count."""
        return started_at(self.pid) == self.started


def started_at(pid: int) -> str | None:
    """A value that only this run of the process has; None when there is no such process, or a zombie."""
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
    # A child that ended at once is a zombie until it is waited for: it gets a start time that matches nothing.
    return Process(name, child.pid, started_at(child.pid) or "ended"), child


def stop(processes: Iterable[Process]) -> None:
    """Ends the processes that are still the same ones, in order: asks, waits STOP_SECONDS for each, then kills."""
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
    """Sends a signal; that the process has ended meanwhile is no error."""
    try:
        os.kill(process.pid, number)
    except ProcessLookupError:
        return


def _reap(pid: int) -> None:
    """Takes the exit status when the process is a child of this one."""
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        return
