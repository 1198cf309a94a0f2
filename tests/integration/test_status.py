"""`status` and `explain` as programs, against a real API server that holds what an operator would have written."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import yaml

from tests.unit.cli.bot_score import judging, rolled_back, spec

pytestmark = [pytest.mark.needs_cluster, pytest.mark.usefixtures("crds_installed")]


def run(kubectl, *arguments: str, namespace: str | None = None) -> subprocess.CompletedProcess[str]:
    where = ["--kubeconfig", str(kubectl.kubeconfig), "-n", namespace or kubectl.namespace]
    command = [sys.executable, "-m", "tierwise.cli.main", *arguments, *where]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def a_workload(name: str, tier: str) -> dict:
    labels = {"app": name, "tier": tier}
    template = {
        "metadata": {"labels": labels},
        "spec": {"containers": [{"name": "server", "image": "ghcr.io/acme/bot-score:v7"}]},
    }
    content = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": labels},
        "spec": content,
    }


def write(kubectl, scene) -> None:
    """The scene's objects with their statuses, and a workload in each tier."""
    deployment, (rollout,), _ = scene
    head = {"apiVersion": "tierwise.io/v1alpha1", "kind": "ModelDeployment", "metadata": {"name": "bot-score"}}
    kubectl.apply({**head, "spec": spec()}, *(a_workload(f"bot-{n}", str(n)) for n in (3, 2, 1)))
    live = kubectl.get("modeldeployment", "bot-score")["metadata"]
    owner = {"apiVersion": "tierwise.io/v1alpha1", "kind": "ModelDeployment", "name": "bot-score", "uid": live["uid"]}
    metadata = {
        "name": "bot-score-4",
        "labels": {"tierwise.io/model-deployment": "bot-score"},
        "ownerReferences": [{**owner, "controller": True}],
    }
    kubectl.apply({**head, "kind": "ModelRollout", "metadata": metadata, "spec": rollout.spec.to_wire()})
    status = {**deployment.status.to_wire(), "observedGeneration": live["generation"]}
    for kind, name, value in (("mro", "bot-score-4", rollout.status.to_wire()), ("mdep", "bot-score", status)):
        patch = json.dumps({"status": value})
        kubectl("patch", kind, name, "--subresource=status", "--type=merge", "-p", patch)
    kubectl("wait", "--for=condition=Available", "deployment", "--all", "--timeout=90s", timeout=120)


def test_a_rolled_back_rollout_is_shown_explained_and_exits_4(kubectl):
    write(kubectl, rolled_back())
    shown = run(kubectl, "status", "bot-score")
    assert shown.returncode == 4, shown.stderr
    assert "✖ RolledBack  v8 → v7" in shown.stdout
    assert "Deployment/bot-3" in shown.stdout
    assert "2/2 v7" in shown.stdout
    assert "\x1b" not in shown.stdout
    facts = json.loads(run(kubectl, "status", "bot-score", "-o", "json").stdout)
    assert facts["result"] == "RolledBack"
    assert facts["tiers"][0]["workloads"][0] == {
        "kind": "Deployment", "name": "bot-3", "role": "Workload", "status": "Ready", "ready": 2, "total": 2,
        "version": "v7", "message": None,
    }  # fmt: skip
    watched = run(kubectl, "status", "bot-score", "--watch")
    assert watched.returncode == 4, "a rollout that is over ends --watch at once"
    explained = run(kubectl, "explain", "bot-score")
    assert explained.returncode == 0, explained.stderr
    assert "asn_type=residential" in explained.stdout
    assert "tierwise.io/retry=" in explained.stdout
    explanation = yaml.safe_load(run(kubectl, "explain", "bot-score", "-o", "yaml").stdout)
    assert explanation["schema"] == "tierwise.io/explain/v1"


def test_watch_of_a_rollout_that_goes_on_ends_at_its_timeout_with_3(kubectl):
    write(kubectl, judging())
    watched = run(kubectl, "status", "bot-score", "--watch", "--timeout", "2s")
    assert watched.returncode == 3, watched.stderr
    assert "waits: Inconclusive" in watched.stdout
    assert "bot-score Progressing" in watched.stderr, "where nobody sees a live tree, changes are lines on stderr"
    assert "Promotion waits for 42000 labels more of false-positive-rate" in run(kubectl, "explain", "bot-score").stdout


def test_a_name_that_does_not_exist_names_those_that_do(kubectl):
    kubectl.apply(
        {
            "apiVersion": "tierwise.io/v1alpha1",
            "kind": "ModelDeployment",
            "metadata": {"name": "bot-score"},
            "spec": spec(),
        }
    )
    done = run(kubectl, "status", "bot-scores")
    assert done.returncode == 1
    assert (
        f"ModelDeployment 'bot-scores' does not exist in namespace '{kubectl.namespace}' (there: bot-score)"
        in done.stderr
    )
    assert run(kubectl, "status", "bot-score").returncode == 3, "nobody has looked at it yet"


def test_an_api_server_that_does_not_answer_is_an_error_in_two_lines(kubectl, tmp_path):
    config = yaml.safe_load(kubectl.kubeconfig.read_text())
    config["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:1"
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "tierwise.cli.main", "status", "x", "--kubeconfig", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "does not respond" in done.stderr
    assert "Traceback" not in done.stderr
