"""Starts a local cluster, reports its state, stops it.

    cluster = up("demo", progress=print, owner_pid=os.getpid())
    …
    down("demo")

`up` uses the first of these that exists: binaries of $KUBEBUILDER_ASSETS, the cached build, kind with a Docker engine
that responds, a build with Go. With `provider="components"` kind is not used; tests and the demo need this, because
kwok simulates their pods. With `owner_pid` a supervisor stops the cluster when that process ends, however it ends.
"""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tierwise.errors import LocalClusterError
from tierwise.local import kind
from tierwise.local.components import Components, ensure_components, find_components
from tierwise.local.controlplane import ComponentEndedError, Starter, is_ready
from tierwise.local.paths import Progress, clusters, locked, silent
from tierwise.local.processes import Process, spawn, started_at, stop
from tierwise.local.state import DEFAULT_NAME, State, folder_of, load, save

ProviderChoice = Literal["auto", "components", "kind"]
ATTEMPTS = 3
SUPERVISOR = "supervisor"


@dataclass(frozen=True)
class Cluster:
    """A running cluster. `kubeconfig` has an administrator's rights; `kubectl` fits the cluster's version."""

    name: str
    kubeconfig: Path
    kubectl: Path
    server: str
    provider: str
    source: str


@dataclass(frozen=True)
class Status:
    """The state of a cluster: `Absent`, `Running`, or `Degraded` (`processes` says which of its parts run)."""

    name: str
    state: Literal["Absent", "Running", "Degraded"]
    provider: str = ""
    source: str = ""
    server: str = ""
    kubeconfig: str = ""
    kubectl: str = ""
    processes: tuple[tuple[str, int, bool], ...] = ()


def up(
    name: str = DEFAULT_NAME,
    *,
    progress: Progress = silent,
    provider: ProviderChoice = "auto",
    owner_pid: int | None = None,
) -> Cluster:
    """Start the cluster. Returns when it is ready to schedule pods; at once if it already is.

    A cluster with a part that ended is started again with its old data. If this call fails or is interrupted, it ends
    the processes that it started.

    Raises:
        NoComponentsError: this machine has no way to get a control plane.
        LocalClusterError: a component or its build failed.
    """
    folder = folder_of(name)
    with _locked(name, progress):
        if status(name).state == "Running" and (running := load(name)) is not None:
            return _cluster(running)
        known = load(name)
        components, chosen = _choose(provider if known is None else _same(known, provider), progress)
        if known is not None:
            progress(f"cluster '{name}' has ended parts; starting it again on its data")
            stop(reversed(known.processes))
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        state = State(name=name, provider=chosen)
        save(state)
        try:
            if owner_pid is not None:
                state = _supervise(state, owner_pid)
            if components is None:
                progress(f"creating the kind cluster tierwise-{name}")
                kind.create(name, folder / "kubeconfig")
                state = replace(state, source="kind", kubectl=shutil.which("kubectl") or "kubectl")
                save(state)
            else:
                state = _start(state, components, progress)
        except BaseException:
            _end(name, keep_data=known is not None)
            raise
        return _cluster(state)


def down(name: str = DEFAULT_NAME, *, progress: Progress = silent) -> bool:
    """Ends exactly the processes that `up` started and deletes the data; False when there was no such cluster."""
    folder_of(name)
    with _locked(name, progress):
        known = load(name) is not None
        if known:
            _end(name, keep_data=False)
        _lock_file(name).unlink()
        return known


def status(name: str = DEFAULT_NAME) -> Status:
    """The present state of the cluster. It only reads."""
    state = load(name)
    if state is None:
        return Status(name=name, state="Absent")
    folder = folder_of(name)
    processes = tuple((each.name, each.pid, each.is_alive()) for each in state.processes)
    if state.provider == "kind":
        running = bool(state.source) and kind.exists(name)
    else:
        certificate = folder / "certificates" / "apiserver.crt"
        parts = {part for part, _, alive in processes if alive}
        needed = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"}
        running = needed <= parts and is_ready(state.server, certificate)
    return Status(
        name=name,
        state="Running" if running else "Degraded",
        provider=state.provider,
        source=state.source,
        server=state.server,
        kubeconfig=str(folder / "kubeconfig"),
        kubectl=state.kubectl,
        processes=processes,
    )


def names() -> tuple[str, ...]:
    """Names of the clusters that `up` made and `down` has not ended."""
    if not clusters().is_dir():
        return ()
    return tuple(sorted(path.parent.name for path in clusters().glob("*/state.json")))


def _lock_file(name: str) -> Path:
    return clusters() / f".{name}.lock"


def _locked(name: str, progress: Progress) -> AbstractContextManager[None]:
    """One command at a time works on a cluster."""
    return locked(
        _lock_file(name), waiting=lambda: progress(f"another command works on cluster '{name}'; waiting for it")
    )


def _same(known: State, wanted: ProviderChoice) -> ProviderChoice:
    """The provider of a cluster that is started again: it must not change."""
    if wanted not in ("auto", known.provider):
        raise LocalClusterError(
            f"cluster '{known.name}' was made by {known.provider}, not {wanted}",
            f"run `tierwise local down --name {known.name}` first, which deletes its data, or leave --provider away",
        )
    return "kind" if known.provider == "kind" else "components"


def _choose(provider: ProviderChoice, progress: Progress) -> tuple[Components | None, str]:
    """The components to start, or None for kind; with the provider's name."""
    if provider == "components":
        return ensure_components(progress=progress), "components"
    if provider == "kind":
        if not kind.is_usable():
            raise LocalClusterError(
                "kind cannot be used here", "start the Docker engine; kind and kubectl must be on the PATH"
            )
        return None, "kind"
    found = find_components(progress=progress)
    if found is None and kind.is_usable():
        return None, "kind"
    return found or ensure_components(progress=progress), "components"


def _start(state: State, components: Components, progress: Progress) -> State:
    """Starts the components. If another process took a port meanwhile, it tries other ports."""
    progress(f"starting the control plane '{state.name}' ({components.source})")
    for attempt in range(1, ATTEMPTS + 1):
        starter = Starter(state, components)
        try:
            return starter.run()
        except ComponentEndedError as ended:
            stop(reversed([each for each in starter.state.processes if each not in state.processes]))
            save(state)
            if attempt == ATTEMPTS or not ended.port_taken:
                raise
            progress("a port was taken meanwhile; trying others")
    raise AssertionError("unreachable")


def _supervise(state: State, owner_pid: int) -> State:
    """Starts the process that stops the cluster when its owner has ended."""
    since = started_at(owner_pid)
    if since is None:
        raise LocalClusterError(f"there is no process {owner_pid} to own cluster '{state.name}'", "give a running one")
    folder = folder_of(state.name)
    (folder / "logs").mkdir(parents=True, exist_ok=True, mode=0o700)
    command = [sys.executable, "-m", "tierwise.local.supervisor", state.name, str(owner_pid), since]
    process, _ = spawn(SUPERVISOR, command, cwd=folder, log=folder / "logs" / "supervisor.log")
    state = state.with_process(process)
    save(state)
    return state


def _end(name: str, *, keep_data: bool) -> None:
    """Ends a cluster's processes, last started first; the caller holds the lock. The supervisor never ends itself."""
    state = load(name)
    if state is None:
        return
    if state.provider == "kind":
        kind.delete(name)
    own: list[Process] = [each for each in state.processes if each.pid != os.getpid()]
    stop(reversed(own))
    if keep_data:
        save(replace(state, processes=()))
    else:
        shutil.rmtree(folder_of(name), ignore_errors=True)


def _cluster(state: State) -> Cluster:
    return Cluster(
        name=state.name,
        kubeconfig=folder_of(state.name) / "kubeconfig",
        kubectl=Path(state.kubectl),
        server=state.server,
        provider=state.provider,
        source=state.source,
    )
