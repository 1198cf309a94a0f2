"""Fixtures on real components: one control plane for each process of the session, a namespace for each test."""

from __future__ import annotations

import os
import signal
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.support.cluster import Kubectl
from tests.support.helm import Helm, ensure_helm
from tierwise.errors import NoComponentsError
from tierwise.local import cluster
from tierwise.local.components import ensure_components

# How long an example takes says nothing on a machine that others use too.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

ROOT = Path(__file__).parent.parent
CRDS = ROOT / "crds"
CHART = ROOT / "charts" / "tierwise"
IN_CI = os.environ.get("CI", "").lower() in ("true", "1")

_missing: dict[str, str] = {}


def require(component: str, reason: str | None) -> None:
    """Skips the test by the component's name when `reason` says why it is missing; with CI=true fails instead."""
    if reason is None:
        return
    if IN_CI:
        pytest.fail(f"{component} is missing, and CI=true: {reason}", pytrace=False)
    pytest.skip(f"{component} is missing: {reason}")


def pytest_configure() -> None:
    """Ctrl-C is tested on processes that inherit from this one: a shell's background job starts with it ignored."""
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Builds the control plane (and Helm) before the first test: a cold build takes longer than any test may."""
    if session.config.option.collectonly:
        return
    wanted = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    capture = session.config.pluginmanager.get_plugin("capturemanager")

    def progress(line: str) -> None:
        # To stderr: a worker of pytest-xdist has no terminal reporter.
        with capture.global_and_fixture_disabled():
            print(line, file=sys.stderr, flush=True)

    for fixture, ensure in (("control_plane", ensure_components), ("helm", ensure_helm)):
        if fixture in wanted:
            try:
                ensure(progress=progress)
            except NoComponentsError as error:
                _missing[fixture] = str(error)


@pytest.fixture(scope="session")
def control_plane() -> Iterator[cluster.Cluster]:
    """A real control plane, shared by this process's tests; nothing of it survives the session, however that ends."""
    require("control plane", _missing.get("control_plane"))
    name = f"test-{os.getpid()}-{uuid.uuid4().hex[:6]}"
    try:
        yield cluster.up(name, provider="components", owner_pid=os.getpid())
    finally:
        cluster.down(name)


@pytest.fixture(scope="session")
def admin(control_plane: cluster.Cluster) -> Kubectl:
    """kubectl with an administrator's rights and no namespace."""
    return Kubectl(control_plane.kubectl, control_plane.kubeconfig)


@pytest.fixture(scope="session")
def helm() -> Helm:
    """Real Helm, for the chart of this repository."""
    require("helm", _missing.get("helm"))
    return Helm(ensure_helm(progress=print), CHART)


@pytest.fixture(scope="session")
def crds_installed(admin: Kubectl) -> None:
    """Tierwise's CRDs are served."""
    admin("apply", "--server-side", "-f", str(CRDS))
    admin("wait", "--for=condition=Established", "--timeout=60s", "-f", str(CRDS))


@pytest.fixture
def namespace(admin: Kubectl) -> Iterator[str]:
    """A namespace of the test's own; deleted afterwards (not waited for)."""
    name = f"t-{uuid.uuid4().hex[:10]}"
    admin("create", "namespace", name)
    yield name
    admin("delete", "namespace", name, "--wait=false")


@pytest.fixture
def kubectl(admin: Kubectl, namespace: str) -> Kubectl:
    """kubectl in the test's namespace."""
    return admin.inside(namespace)


@pytest.fixture(scope="session")
def kubectl_in(admin: Kubectl) -> Callable[[str], Kubectl]:
    """kubectl in any namespace: kubectl_in("inference")("get", "pods")."""
    return admin.inside


@pytest.fixture
def restricted(admin: Kubectl) -> Iterator[str]:
    """A namespace whose pods must meet Pod Security `restricted`."""
    name = f"restricted-{uuid.uuid4().hex[:8]}"
    labels = {"pod-security.kubernetes.io/enforce": "restricted", "pod-security.kubernetes.io/warn": "restricted"}
    admin.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    yield name
    admin("delete", "namespace", name, "--wait=false")
