"""kind: what is asked of it, seen by a program of its name; and the real one where a Docker engine answers."""

from __future__ import annotations

import os
import shutil

import pytest

from tests.support.cluster import Kubectl
from tierwise.errors import LocalClusterError, NoComponentsError
from tierwise.local import cluster, kind


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A PATH with nothing but the programs that the test puts there, and a Tierwise home without built binaries."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("TIERWISE_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)

    def put(name: str, script: str) -> None:
        path = folder / name
        path.write_text(f"#!/bin/bash\n{script}\n")
        path.chmod(0o755)

    return put


# Keeps its clusters in a file, and writes the kubeconfig that it is told to.
KIND = """
known="${0%/*}/clusters"; : >> "$known"
echo "$*" >> "${0%/*}/calls"
case "$1 $2" in
  "get clusters") while read -r line; do echo "$line"; done < "$known" ;;
  "create cluster") echo "$4" >> "$known"; echo "kind: Config" > "$6" ;;
  "delete cluster") : > "$known" ;;
  *) exit 1 ;;
esac
"""


def test_a_docker_client_without_an_engine_is_not_taken_for_docker(programs):
    programs("kind", "exit 0")
    programs("kubectl", "exit 0")
    programs("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    assert not kind.is_usable()


def test_with_an_engine_and_no_binaries_kind_makes_the_cluster_and_ends_it(programs, tmp_path):
    programs("kind", KIND)
    programs("kubectl", "exit 0")
    programs("docker", "echo 28.2.2")
    made = cluster.up("k")
    assert made.provider == "kind"
    assert made.kubeconfig.read_text() == "kind: Config\n"
    assert cluster.status("k").state == "Running"
    assert cluster.up("k") == made
    assert cluster.down("k")
    assert cluster.status("k").state == "Absent"
    calls = (tmp_path / "bin" / "calls").read_text()
    assert calls.count("create cluster --name tierwise-k") == 1
    assert calls.count("delete cluster --name tierwise-k") == 1


def test_kind_asked_for_and_not_there_says_what_to_do(programs):
    with pytest.raises(LocalClusterError, match="start the Docker engine"):
        cluster.up("k", provider="kind")
    assert cluster.status("k").state == "Absent"


def test_a_machine_with_nothing_is_told_the_ways_to_get_a_cluster(programs, monkeypatch):
    monkeypatch.setattr("sys.path", [each for each in __import__("sys").path if "site-packages" not in each])
    with pytest.raises(NoComponentsError) as error:
        cluster.up("k")
    for way in ("tierwise[local]", "kind", "KUBEBUILDER_ASSETS", "--cluster simulated"):
        assert way in str(error.value)


@pytest.mark.needs_docker
def test_a_real_kind_cluster_comes_up_and_goes(tmp_path, monkeypatch):
    if not kind.is_usable():
        pytest.skip("docker with kind is missing (also in CI, where none can exist)")
    monkeypatch.setenv("TIERWISE_HOME", str(tmp_path))
    name = f"test-{os.getpid()}"
    try:
        made = cluster.up(name, provider="kind")
        kubectl = Kubectl(made.kubectl, made.kubeconfig)
        assert kubectl("get", "--raw", "/readyz") == "ok"
    finally:
        cluster.down(name)
    assert not kind.exists(name)
    assert shutil.which("kind")
