"""The local control plane: comes up, simulates pods, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest
import yaml

from tests.support.cluster import Kubectl
from tests.support.polling import eventually
from tierwise.errors import LocalClusterError
from tierwise.local import cluster
from tierwise.local.processes import Process
from tierwise.local.state import load

TIERWISE = [sys.executable, "-m", "tierwise.cli.main"]


@pytest.fixture
def own_home(monkeypatch, tmp_path, control_plane):
    """A Tierwise home of the test's own, with the session's binaries; whatever is up at the end is ended."""
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(control_plane.kubectl.parent))
    monkeypatch.setenv("TIERWISE_HOME", str(tmp_path / "home"))
    yield tmp_path / "home"
    for name in cluster.names():
        cluster.down(name)


def processes_naming(folder: Path) -> list[str]:
    """Command lines of this machine's processes that name the folder."""
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,stat=,args="], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if str(folder) in line and " Z" not in line.partition("/")[0]]


def a_deployment(
    name: str = "web", *, replicas: int = 5, image: str = "example.test/model:v1", **annotations: str
) -> dict:
    labels = {"app": name}
    keys = {f"local.tierwise.io/{key.replace('_', '-')}": value for key, value in annotations.items()}
    container = {"name": "server", "image": image, "env": [{"name": "MODEL_VERSION", "value": "v1"}]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels, "annotations": keys}, "spec": {"containers": [container]}},
        },
    }


def pods(kubectl: Kubectl) -> list[dict]:
    return kubectl.get("pods")["items"]


def is_pod_ready(pod: dict) -> bool:
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


def test_a_deployments_pods_become_ready_and_its_rollout_completes(kubectl):
    kubectl.apply(a_deployment())
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    assert len(pods(kubectl)) == 5
    kubectl("set", "image", "deployment/web", "server=example.test/model:v2")
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    kubectl("delete", "deployment", "web", "--cascade=foreground", "--timeout=30s")
    eventually(lambda: not pods(kubectl), within=30, what="pods are gone")


@pytest.mark.parametrize("when", ["always", "example.test/model:v1", "MODEL_VERSION=v1"])
def test_a_pod_crash_loops_when_its_annotation_names_its_image_or_parameter(kubectl, when):
    kubectl.apply(a_deployment(crash_loop=when, replicas=1))

    def reason() -> str:
        statuses = [status for pod in pods(kubectl) for status in pod["status"].get("containerStatuses", [])]
        return statuses[0]["state"].get("waiting", {}).get("reason", "") if statuses else ""

    eventually(lambda: reason() == "CrashLoopBackOff", within=30)
    assert not is_pod_ready(pods(kubectl)[0])


def test_a_crash_loop_annotation_that_names_another_image_changes_nothing(kubectl):
    kubectl.apply(a_deployment(crash_loop="example.test/model:v2"))
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")


def test_a_slow_pod_becomes_ready_after_its_time_and_not_before(kubectl):
    kubectl.apply(a_deployment(ready_after="4s", replicas=1))
    eventually(lambda: pods(kubectl) and pods(kubectl)[0]["spec"].get("nodeName"), within=30)
    assert not is_pod_ready(pods(kubectl)[0])
    eventually(lambda: is_pod_ready(pods(kubectl)[0]), within=30)


def test_a_ready_pod_becomes_unready_when_annotated(kubectl):
    kubectl.apply(a_deployment(replicas=1))
    kubectl("rollout", "status", "deployment/web", "--timeout=30s")
    [pod] = pods(kubectl)
    kubectl("annotate", "pod", pod["metadata"]["name"], "local.tierwise.io/unready=true")
    eventually(lambda: not is_pod_ready(pods(kubectl)[0]), within=30)


def test_a_service_account_has_its_own_rights_only(kubectl, namespace, tmp_path):
    kubectl("create", "serviceaccount", "reader")
    kubectl("create", "role", "reader", "--verb=get,list", "--resource=pods")
    kubectl("create", "rolebinding", "reader", "--role=reader", f"--serviceaccount={namespace}:reader")
    reader = kubectl.as_service_account("reader", tmp_path)
    assert reader("auth", "can-i", "list", "pods").strip() == "yes"
    with pytest.raises(AssertionError, match="forbidden"):
        reader("get", "secrets")


def test_the_kubeconfig_holds_a_certificate_and_is_private(control_plane):
    config = yaml.safe_load(control_plane.kubeconfig.read_text())
    assert "certificate-authority-data" in config["clusters"][0]["cluster"]
    assert "insecure-skip-tls-verify" not in config["clusters"][0]["cluster"]
    assert control_plane.kubeconfig.stat().st_mode & 0o077 == 0


def test_up_status_and_down_can_be_repeated_and_down_leaves_no_process(own_home):
    def tierwise(*arguments: str, code: int = 0) -> str:
        done = subprocess.run([*TIERWISE, "local", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return done.stdout

    assert json.loads(tierwise("status", "-o", "json", code=3))["state"] == "Absent"
    path = tierwise("up").splitlines()[-1]
    assert Path(path).is_file()
    assert tierwise("up").splitlines()[-1] == path
    assert tierwise("kubeconfig").strip() == path
    facts = json.loads(tierwise("status", "-o", "json"))
    assert facts["state"] == "Running"
    assert processes_naming(own_home)
    assert "is down" in tierwise("down")
    assert "no local cluster" in tierwise("down")
    assert processes_naming(own_home) == []
    assert not (own_home / "local" / "default").exists()


def test_two_clusters_live_side_by_side_and_know_nothing_of_each_other(own_home, control_plane, admin):
    other = cluster.up("other", provider="components")
    kubectl = Kubectl(other.kubectl, other.kubeconfig)
    name = f"only-here-{uuid.uuid4().hex[:6]}"
    kubectl("create", "namespace", name)
    assert f"namespace/{name}" not in admin("get", "namespaces", "-o", "name").split()
    cluster.down("other")
    assert admin("get", "--raw", "/readyz") == "ok"


def test_a_cluster_with_a_dead_part_comes_up_again_with_its_data(own_home):
    made = cluster.up("phoenix", provider="components")
    Kubectl(made.kubectl, made.kubeconfig)("create", "namespace", "kept")
    state = load("phoenix")
    assert state is not None
    victim = next(each for each in state.processes if each.name == "kube-apiserver")
    os.kill(victim.pid, signal.SIGKILL)
    eventually(lambda: cluster.status("phoenix").state == "Degraded", within=30)
    again = cluster.up("phoenix", provider="components")
    assert "namespace/kept" in Kubectl(again.kubectl, again.kubeconfig)("get", "namespaces", "-o", "name").split()


def test_an_owned_cluster_ends_with_its_owner_even_when_that_is_killed(own_home):
    code = (
        "import os, time; from tierwise.local.cluster import up; "
        "up('owned', provider='components', owner_pid=os.getpid()); print('up', flush=True); time.sleep(600)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"up\n"
    state = load("owned")
    assert state is not None
    owner.kill()
    owner.wait()
    eventually(lambda: not any(each.is_alive() for each in state.processes), within=60, what="the cluster's end")
    assert processes_naming(own_home) == []
    assert cluster.status("owned").state == "Absent"


def test_up_that_is_interrupted_leaves_nothing(own_home):
    running = subprocess.Popen(
        [*TIERWISE, "local", "up", "--name", "cut"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    eventually(lambda: (state := load("cut")) is not None and state.processes, within=30, every=0.02)
    running.send_signal(signal.SIGINT)
    running.communicate(timeout=60)
    assert running.returncode != 0
    assert processes_naming(own_home) == []
    assert cluster.status("cut").state == "Absent"


def test_down_does_not_touch_a_process_that_only_has_a_recorded_id():
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        recorded = Process("etcd", bystander.pid, "another-boot/1")
        assert not recorded.is_alive()
        from tierwise.local.processes import stop

        stop([recorded])
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_a_cluster_name_that_is_not_a_folder_name_is_refused():
    with pytest.raises(LocalClusterError, match="is not valid"):
        cluster.status("../x")
