"""`tierwise lint --gitops`: what each tool needs so that it leaves alone what Tierwise delivers."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.unit.cli.test_lint import BOTH, STATEFUL, lint


@pytest.mark.parametrize("tool", ["argocd", "flux"])
def test_what_gitops_tools_need_is_yaml_about_image_and_parameters(tool: str, tmp_path: Path):
    result = lint(tmp_path, BOTH, "--gitops", tool)
    assert result.exit_code == 0
    spec = yaml.safe_load(result.stdout)["spec"]
    if tool == "argocd":
        assert spec["ignoreDifferences"] == [
            {"group": "apps", "kind": "Deployment", "managedFieldsManagers": ["tierwise"]}
        ]
        assert spec["syncPolicy"]["syncOptions"] == ["RespectIgnoreDifferences=true"]
    else:
        assert [rule["target"]["labelSelector"] for rule in spec["ignore"]] == ["tier=3", "tier=2"]
        container = "/spec/template/spec/containers/0"
        assert spec["ignore"][0]["paths"] == [f"{container}/image", f"{container}/env"]


def test_what_helm_needs_names_container_and_parameters(tmp_path: Path):
    result = lint(tmp_path, BOTH, "--gitops", "helm")
    assert 'lookup "apps/v1" "Deployment"' in result.stdout
    assert 'eq .name "server"' in result.stdout
    assert "MODEL_URI" in result.stdout


def test_gitops_tools_leave_the_update_strategy_of_a_stateful_set_alone(tmp_path: Path):
    argocd, flux = (
        yaml.safe_load(lint(tmp_path, STATEFUL, "--gitops", tool).stdout)["spec"] for tool in ("argocd", "flux")
    )
    assert [rule["kind"] for rule in argocd["ignoreDifferences"]] == ["Deployment", "StatefulSet"]
    assert [rule["target"]["kind"] for rule in flux["ignore"]] == ["Deployment", "StatefulSet"]
    assert ["/spec/updateStrategy" in rule["paths"] for rule in flux["ignore"]] == [False, True]
    helm = lint(tmp_path, STATEFUL, "--gitops", "helm").stdout
    assert helm.count("lookup") == 2
    assert "spec.updateStrategy" in helm
