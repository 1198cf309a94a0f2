"""`tierwise lint`: each problem with file, line, field and remedy; exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner, Result

from tests.support.api_cases import cases
from tierwise.cli.commands.offline.lint import command

DEPLOYMENT = """\
apiVersion: tierwise.io/v1alpha1
kind: ModelDeployment
metadata: {name: bot-score}
spec:
  model: bot-score
  version:
    name: v8
    image: ghcr.io/acme/bot-score:v8
    parameters: {MODEL_URI: "s3://v8"}
  delivery: {container: server}
  tiers:
    - name: tier-3
      workloads: {selector: {matchLabels: {tier: "3"}}}
    - name: tier-2
      workloads: {selector: {matchLabels: {tier: "2"}}}
      exposure: 10%
  analysis:
    datasets:
      - name: verified-humans
        metrics:
          - {name: false-positive-rate, margin: {relative: 0.25}}
        slices: [browser, "asn_type,browser"]
        expect:
          - {slice: {browser: Lynx}, metric: false-positive-rate}
"""
DATASET = """\
apiVersion: tierwise.io/v1alpha1
kind: MonitoringDataset
metadata: {name: verified-humans}
spec:
  table: requests
  where: "source = 'captcha'"
  dimensions:
    - {name: browser, expression: "if(ua IN ('Chrome'), ua, 'other')"}
    - {name: asn_type, expression: asn}
"""
BOTH = DEPLOYMENT + "---\n" + DATASET


def lint(tmp_path: Path, text: str, *arguments: str) -> Result:
    path = tmp_path / "bot-score.yaml"
    path.write_text(text)
    return CliRunner().invoke(command, [str(path), *arguments], catch_exceptions=False)


def test_a_right_manifest_passes(tmp_path: Path):
    result = lint(tmp_path, BOTH)
    assert (result.exit_code, result.stdout) == (0, "")
    assert "no problems (2 objects in 1 file)" in result.stderr
    assert "--gitops argocd|flux|helm" in result.stderr


def test_two_model_deployments_of_one_model_are_told(tmp_path: Path):
    other = BOTH.split("---")[0].replace("metadata: {name: bot-score}", "metadata: {name: bot-score-eu}")
    other = other.replace("app: bot-score", "app: elsewhere")
    result = lint(tmp_path, f"{BOTH}\n---\n{other}")
    assert "spec.model: 'bot-score' is the model of ModelDeployment 'bot-score' too" in result.stdout


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("exposure: 10%", "exposure: 120%", "16: spec.tiers[1].exposure: '120%' is more than 100 %; give 1–90 %"),
        ("name: v8", "name: v8\n    commit: 60833", "8: spec.version.commit: 60833 is a number, not text; quote it"),
        (
            "name: v8",
            "name: v8\n    commit: 6e8033",
            "8: spec.version.commit: kubectl reads 6e8033 as a number",
        ),
        ("image:", "imagee:", "8: spec.version.imagee: is not a known field; did you mean image?"),
        ("name: tier-2", "name: tier-3", "14: spec.tiers[1].name: 'tier-3' is given twice (also at index 0)"),
        ('{tier: "2"}', '{tier: "3"}', "15: spec.tiers[1].workloads.selector.matchLabels: selects the same workloads"),
        ("name: verified-humans\n        m", "name: humans\n        m", "19: spec.analysis.datasets[0].name: no Monit"),
        ("- {name: false-positive-rate", "- {name: fpr", "21: spec.analysis.datasets[0].metrics[0].name: metric 'fpr'"),
        (
            "margin: {relative: 0.25}",
            "margin: {relative: 0}",
            "21: spec.analysis.datasets[0].metrics[0].margin: a margin of 0",
        ),
        (
            "- {name: false-positive-rate",
            "- {name: server-error-rate, margin: {absolute: 0.1}}\n          - {name: false-positive-rate",
            "21: spec.analysis.datasets[0].metrics[0].name: dataset 'verified-humans': metric 'server-error",
        ),
        (
            "metric: false-positive-rate",
            "metric: recall",
            "24: spec.analysis.datasets[0].expect[0].metric: 'recall' is",
        ),
        ("slices: [browser", "slices: [asn", "22: spec.analysis.datasets[0].slices[0]: 'asn' is not a dimension of"),
        (
            "- {slice: {browser: Lynx}, metric: false-positive-rate}",
            "- {slice: {browser: Lynx}, metric: false-positive-rate, change: Within, within: {min: 0, max: 2}}",
            "24: spec.analysis.datasets[0].expect[0]: the range 0 to 2 of 'false-positive-rate' is more than a share",
        ),
        (
            "- {slice: {browser: Lynx}, metric: false-positive-rate}",
            (
                "- {slice: {browser: Lynx}, metric: false-positive-rate, change: Ignore}\n"
                "          - {slice: {browser: Lynx}, metric: false-positive-rate}"
            ),
            "25: spec.analysis.datasets[0].expect[1]: 'false-positive-rate' on browser=Lynx has two expectations",
        ),
        (
            "slice: {browser: Lynx}",
            "slice: {os: x}",
            "24: spec.analysis.datasets[0].expect[0].slice: 'os' is not a dim",
        ),
        ("slice: {browser: Lynx}", "slice: {asn_type: isp}", "24: spec.analysis.datasets[0].expect[0].slice: asn_type"),
        (
            "  analysis:",
            "  analysis:\n    confounders: [asn]",
            "18: spec.analysis.confounders[0]: 'asn' is not a dimension",
        ),
        (
            "table: requests",
            "table: requests\n  scale: {kind: Classes}",
            "29: spec.classes: classes are the classes of",
        ),
        (
            "table: requests",
            "table: requests\n  values: [{name: clicks, expression: file('x')}]",
            "31: spec.values[0].expression: the function 'file' is not",
        ),
        (
            "table: requests",
            "table: requests\n  labels: {sources: [{name: own, column: y, where: 'x IN y'}]}",
            "31: spec.labels.sources[0].where: IN reads a table",
        ),
        (
            "  analysis:",
            "  analysis:\n    preRelease: {dataset: tests, metrics: [{name: recall, margin: {absolute: 0.1}}]}",
            "18: spec.analysis.preRelease.dataset: no MonitoringDataset 'tests' in these files",
        ),
        ("source = 'captcha'", "1; DROP TABLE x", "31: spec.where: "),
        (
            "expression: asn",
            "expression: url('http://a')",
            "34: spec.dimensions[1].expression: the function 'url' is not",
        ),
        ("table: requests", "query: SELECT * FROM system.users", "30: spec.query: "),
        (
            "table: requests",
            "query: SELECT * FROM requests ARRAY JOIN scores AS score",
            "30: spec.query: ARRAY JOIN can make several rows of one prediction",
        ),
        ("kind: MonitoringDataset", "kind: Monitoring", "27: kind: 'Monitoring' is not a kind of tierwise.io; give"),
    ],
)
def test_each_problem_names_line_field_and_remedy(old: str, new: str, complaint: str, tmp_path: Path):
    assert old in BOTH
    result = lint(tmp_path, BOTH.replace(old, new, 1))
    assert result.exit_code == 1
    assert f"{tmp_path}/bot-score.yaml:{complaint}" in result.stdout


def test_all_problems_are_told_in_order_of_lines(tmp_path: Path):
    wrong = BOTH.replace("10%", "0").replace("model: bot-score", "mode: bot-score")
    lines = lint(tmp_path, wrong).stdout.splitlines()
    assert [int(line.split(":")[1]) for line in lines] == sorted(int(line.split(":")[1]) for line in lines)
    assert len(lines) == 3  # mode is unknown, model is missing, exposure


def test_a_dataset_that_is_elsewhere_is_not_complained_about(tmp_path: Path):
    assert lint(tmp_path, DEPLOYMENT).exit_code == 0


def test_what_is_not_yaml_is_told_with_its_line(tmp_path: Path):
    result = lint(tmp_path, DEPLOYMENT + "  bad: [1\n")
    assert result.exit_code == 1
    assert "bot-score.yaml:" in result.stdout
    assert "not YAML" in result.stdout


def test_other_kinds_are_left_alone(tmp_path: Path):
    result = lint(tmp_path, "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: x}\n")
    assert result.exit_code == 0
    assert "nothing to check" in result.stderr


@pytest.mark.parametrize("text", ["", "\n", "# spec:\n", "---\n---\n", "apiVersion: v1\nkind: List\nitems: []\n"])
@pytest.mark.parametrize("output", ["text", "json"])
def test_a_file_without_any_object_passes_no_check(tmp_path: Path, text: str, output: str):
    result = lint(tmp_path, text, "-o", output)
    assert result.exit_code == 2
    assert "Error: the files hold no object at all\nGive files with manifests" in result.stderr


def test_folders_are_searched_for_manifests(tmp_path: Path):
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "a.yaml").write_text(DEPLOYMENT)
    (tmp_path / "deploy" / "b.yml").write_text(DATASET.replace("requests", "a b"))
    result = CliRunner().invoke(command, [str(tmp_path)])
    assert result.exit_code == 1
    assert "b.yml:5: spec.table" in result.stdout


@pytest.mark.parametrize("arguments", [[], ["missing.yaml"], ["--gitops", "other", "."]])
def test_wrong_usage_has_its_own_exit_code(arguments: list[str]):
    assert CliRunner().invoke(command, arguments).exit_code == 2


def test_an_empty_folder_is_wrong_usage(tmp_path: Path):
    assert CliRunner().invoke(command, [str(tmp_path)]).exit_code == 2


def test_json_for_programs(tmp_path: Path):
    result = lint(tmp_path, BOTH.replace("10%", "95%"), "-o", "json", "--gitops", "argocd")
    facts = json.loads(result.stdout)
    assert result.exit_code == 1
    assert facts["schema"] == "tierwise.io/lint/v1"
    assert [item["name"] for item in facts["objects"]] == ["bot-score", "verified-humans"]
    message = "'95%' is outside the range; give 1–90 %"
    file = str(tmp_path / "bot-score.yaml")
    assert facts["problems"] == [{"file": file, "line": 16, "key": "spec.tiers[1].exposure", "message": message}]
    assert "managedFieldsManagers: [tierwise]" in facts["gitops"]["snippets"][0]


STATEFUL = BOTH.replace(
    '{selector: {matchLabels: {tier: "2"}}}', '{kind: StatefulSet, selector: {matchLabels: {tier: "3"}}}'
)


def test_the_same_labels_of_another_kind_are_other_workloads(tmp_path: Path):
    assert STATEFUL != BOTH
    assert lint(tmp_path, STATEFUL).exit_code == 0


def test_whatever_the_api_server_refuses_lint_refuses_at_the_same_field(tmp_path: Path):
    """A sample; all of them, without YAML, in tests/unit/api/test_check.py."""
    sample = [case for case in cases() if not case.is_accepted][::40]
    for case in sample:
        result = lint(tmp_path, yaml.safe_dump(case.data, sort_keys=False), "-o", "json")
        assert result.exit_code == 1, case.constraint
        assert any(case.field in problem["key"] for problem in json.loads(result.stdout)["problems"]), case.constraint


def test_the_items_of_a_list_are_checked_with_their_own_lines(tmp_path: Path):
    items = [yaml.safe_load(DEPLOYMENT), yaml.safe_load(DATASET.replace("expression: asn", "expression: sleep(1)"))]
    text = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": items}, sort_keys=False)
    result = lint(tmp_path, text)
    line = next(i for i, each in enumerate(text.splitlines(), start=1) if "sleep(1)" in each)
    assert result.exit_code == 1
    assert f"bot-score.yaml:{line}: items[1].spec.dimensions[1].expression: " in result.stdout
    assert "2 objects" in result.stderr

    right = text.replace("sleep(1)", "asn")
    assert lint(tmp_path, right).exit_code == 0


@pytest.mark.parametrize("value", [".inf", "-.inf", ".nan", ".NaN"])
def test_a_number_that_json_has_not_is_refused(value: str, tmp_path: Path):
    result = lint(tmp_path, DATASET.replace("  where:", f"  threshold: {value}\n  where:"))
    assert result.exit_code == 1
    assert f"spec.threshold: {value} is no number that JSON has; give a finite one" in result.stdout
