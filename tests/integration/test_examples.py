"""Every example: `tierwise lint` passes, the API server accepts it, and ClickHouse resolves what its datasets read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tests.support.cluster import Kubectl
from tierwise.adapters.clickhouse.connection import Connection
from tierwise.adapters.clickhouse.store import ClickHouseStore, open_store
from tierwise.adapters.kubernetes.workloads.registry import WORKLOADS
from tierwise.adapters.kubernetes.workloads.views import running_in
from tierwise.api.modeldeployment import ModelDeploymentSpec
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.cli.commands.offline.lint import command
from tierwise.cli.manifests.yaml_lines import Document, load_documents
from tierwise.monitoring.counts.model import Dataset
from tierwise.monitoring.planning.tier_plan import groupings_of
from tierwise.rollout.state.versions import is_running

EXAMPLES = sorted(path for path in (Path(__file__).parents[2] / "examples").iterdir() if path.is_dir())
OTHERS_KINDS = {"Application", "Kustomization"}  # their CRDs are not installed


def documents_of(example: Path) -> list[Document]:
    return [document for path in sorted(example.glob("*.yaml")) for document in load_documents(path)]


@pytest.fixture(params=EXAMPLES, ids=lambda path: path.name)
def example(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_the_example_has_a_readme_that_names_its_files(example: Path):
    readme = (example / "README.md").read_text()
    assert re.match(r"\d\d-[a-z-]+$", example.name)
    manifests = {path.name for path in example.glob("*.yaml")}
    named = {name for name in manifests if name in readme}
    assert manifests - named == set()


def test_lint_finds_nothing(example: Path):
    result = CliRunner().invoke(command, [str(example)])
    assert (result.exit_code, result.stdout) == (0, "")


def test_the_snippets_of_gitops_tools_are_those_that_lint_prints():
    folder = EXAMPLES[0].parent / "03-gitops"
    for tool, file in (("argocd", "argocd-application.yaml"), ("flux", "flux-kustomization.yaml")):
        printed = yaml.safe_load(CliRunner().invoke(command, [str(folder), "--gitops", tool]).stdout)["spec"]
        given = yaml.safe_load((folder / file).read_text())["spec"]
        assert given.get("ignoreDifferences") == printed.get("ignoreDifferences")
        assert given.get("ignore") == printed.get("ignore")
        wanted = set(printed.get("syncPolicy", {}).get("syncOptions", ()))
        assert wanted <= set(given.get("syncPolicy", {}).get("syncOptions", ()))


@pytest.mark.needs_cluster
def test_the_api_server_accepts_the_example(example: Path, kubectl: Kubectl, crds_installed: None):
    for document in documents_of(example):
        if document.kind in OTHERS_KINDS or document.kind == "Namespace":
            continue
        data = {**document.data, "metadata": {**document.data["metadata"], "namespace": kubectl.namespace}}
        assert kubectl.accepts(data) is None, f"{document.file}: {document.kind} {document.name}"


def test_the_selectors_of_the_tiers_select_the_workloads(example: Path):
    documents = documents_of(example)
    workloads = [document.data for document in documents if document.kind in WORKLOADS]
    for document in documents:
        if document.kind != "ModelDeployment":
            continue
        spec = ModelDeploymentSpec.model_validate(document.data["spec"])
        selected = []
        for tier in spec.tiers:
            wanted = tier.workloads.selector.match_labels.items()
            kind = tier.workloads.kind
            found = [w for w in workloads if w["kind"] == kind and wanted <= w["metadata"]["labels"].items()]
            assert found, f"{document.file}: tier {tier.name} selects nothing"
            for workload in found:
                containers = [c["name"] for c in workload["spec"]["template"]["spec"]["containers"]]
                assert spec.delivery.container in containers
            selected += [workload["metadata"]["name"] for workload in found]
        assert sorted(selected) == sorted(w["metadata"]["name"] for w in workloads), "each workload is in one tier"


@pytest.mark.parametrize("name", ["02-bot-score", "04-stateful"])
def test_the_workloads_run_the_version_so_that_it_is_adopted_as_the_page_says(name: str):
    documents = documents_of(EXAMPLES[0].parent / name)
    [deployment] = [document.data["spec"] for document in documents if document.kind == "ModelDeployment"]
    spec = ModelDeploymentSpec.model_validate(deployment)
    for document in documents:
        if document.kind in WORKLOADS:
            assert is_running(running_in(document.data["spec"]["template"], spec.delivery.container), spec.version)


def test_the_workloads_of_04_are_tied_to_their_places_so_that_their_pods_get_the_candidate_in_place():
    workloads = [d.data for d in documents_of(EXAMPLES[0].parent / "04-stateful") if d.kind in WORKLOADS]
    found = {item["kind"]: WORKLOADS[item["kind"]].placement(item, "embedder", []).identity for item in workloads}
    assert found == {"DaemonSet": "hostPath", "StatefulSet": "volumeClaimTemplates (index)"}


@pytest.fixture
def store(store_dsn: str, example: Path) -> Iterator[ClickHouseStore]:
    """The store with the example's own table, or Tierwise's."""
    schema = example / "schema.sql"
    store = open_store(store_dsn)
    if not schema.exists():
        store.init(
            [d["name"] for document in documents_of(example) for d in document.data["spec"].get("dimensions", ())]
        )
        yield store
        store.close()
        return
    connection = Connection(store_dsn)
    table = re.search(r"CREATE TABLE (\w+)", schema.read_text())
    assert table is not None
    connection.command(schema.read_text().rstrip().removesuffix(";"))
    yield store
    connection.command(f"DROP TABLE {table[1]}")
    connection.close()
    store.close()


def test_the_store_resolves_what_the_datasets_read(example: Path, store: ClickHouseStore):
    documents = documents_of(example)
    specs = {d.name: d.data["spec"] for d in documents if d.kind == "MonitoringDataset"}
    asked = 0
    for document in documents:
        if document.kind == "ModelDeployment":
            for analysis in ModelDeploymentSpec.model_validate(document.data["spec"]).analysis.datasets:
                spec = MonitoringDatasetSpec.model_validate(specs[analysis.name])
                store.check(Dataset(analysis.name, spec, groupings_of(analysis, spec)))
                asked += 1
    assert asked > 0
