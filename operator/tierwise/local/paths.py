"""The folders of local clusters and built binaries, and locks, so that only one command works on them."""

from __future__ import annotations

import fcntl
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Progress = Callable[[str], None]
"""A function that takes one line for a person, which says what is done now."""


def silent(_line: str) -> None:
    """A `Progress` that prints nothing."""


def home() -> Path:
    """The folder of all files of this package: $TIERWISE_HOME, else `tierwise` in the user's cache folder."""
    if chosen := os.environ.get("TIERWISE_HOME"):
        return Path(chosen).expanduser().absolute()
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "tierwise"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tierwise"


def clusters() -> Path:
    """The folder with one folder per local cluster."""
    return home() / "local"


@contextmanager
def locked(path: Path, *, waiting: Callable[[], None]) -> Iterator[None]:
    """Holds an exclusive lock on `path` (created when missing); calls `waiting` once if another process holds it.

    The kernel releases the lock when the process ends, so a killed command never leaves a lock behind. The holder may
    delete the file. Then a waiting process locks the new file.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    while True:
        with path.open("a") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(handle, fcntl.LOCK_EX)
            if not _is_at(path, handle.fileno()):
                continue
            yield
            return


def _is_at(path: Path, descriptor: int) -> bool:
    """Whether the open file is still the file at that path."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
