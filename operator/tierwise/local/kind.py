"""The same cluster by kind, if a Docker engine responds."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tierwise.errors import LocalClusterError

PROBE_SECONDS = 10.0


def is_usable() -> bool:
    """Whether kind and kubectl are on the PATH and a Docker engine responds (a client alone is not enough)."""
    docker = shutil.which("docker")
    if docker is None or shutil.which("kind") is None or shutil.which("kubectl") is None:
        return False
    try:
        probe = subprocess.run(
            [docker, "info", "--format", "{{.ServerVersion}}"], capture_output=True, timeout=PROBE_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return probe.returncode == 0 and bool(probe.stdout.strip())


def create(name: str, kubeconfig: Path) -> None:
    """Creates the kind cluster `tierwise-<name>` unless it exists, and writes its kubeconfig."""
    listed = _run("get", "clusters").splitlines()
    if f"tierwise-{name}" not in listed:
        _run("create", "cluster", "--name", f"tierwise-{name}", "--kubeconfig", str(kubeconfig), "--wait", "180s")
    else:
        _run("export", "kubeconfig", "--name", f"tierwise-{name}", "--kubeconfig", str(kubeconfig))
    kubeconfig.chmod(0o600)


def exists(name: str) -> bool:
    """Whether kind knows the cluster `tierwise-<name>`."""
    return f"tierwise-{name}" in _run("get", "clusters").splitlines()


def delete(name: str) -> None:
    """Deletes the kind cluster `tierwise-<name>`. It is no error if the cluster does not exist."""
    _run("delete", "cluster", "--name", f"tierwise-{name}")


def _run(*arguments: str) -> str:
    try:
        result = subprocess.run(["kind", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError as missing:
        raise LocalClusterError(
            "this cluster was made by kind, and kind is not on the PATH", "install kind"
        ) from missing
    if result.returncode != 0:
        last = result.stderr.strip().rpartition("\n")[2]
        raise LocalClusterError(f"kind {' '.join(arguments[:2])} failed: {last}", "is the Docker engine running?")
    return result.stdout
