"""The record of a local cluster, with which any later command can find, check and end it."""

from __future__ import annotations

import json
import os
import re
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tierwise.errors import LocalClusterError
from tierwise.local.paths import clusters
from tierwise.local.processes import Process

DEFAULT_NAME = "default"


@dataclass(frozen=True)
class State:
    """The record of one cluster; `provider` is "components" or "kind"."""

    name: str
    provider: str
    source: str = ""
    kubectl: str = ""
    server: str = ""
    processes: tuple[Process, ...] = field(default_factory=tuple)

    def with_process(self, process: Process) -> State:
        """The same record with one more process."""
        return replace(self, processes=(*self.processes, process))


def folder_of(name: str) -> Path:
    """The folder of the cluster `name`."""
    if not re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,38}[a-z0-9])?", name):
        raise LocalClusterError(
            f"cluster name '{name}' is not valid", "use up to 40 of a-z, 0-9 and '-', not at the beginning or end"
        )
    return clusters() / name


def load(name: str) -> State | None:
    """The record of a cluster, None when there is none."""
    try:
        data = json.loads((folder_of(name) / "state.json").read_text())
    except FileNotFoundError:
        return None
    return State(**{**data, "processes": tuple(Process(**process) for process in data["processes"])})


def save(state: State) -> None:
    """Writes the record in one step, so that a reader sees either the old or the new record."""
    folder = folder_of(state.name)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = folder / f".state.{os.getpid()}"
    part.write_text(json.dumps(asdict(state), indent=1))
    part.replace(folder / "state.json")
