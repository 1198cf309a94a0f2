"""What `tierwise lint` finds: everything the API server would refuse, and what would stall the operator."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from tierwise.api.modeldeployment import ModelDeploymentSpec
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.names import GROUP
from tierwise.api.schema.check import check_object
from tierwise.api.strategy import DatasetAnalysis
from tierwise.api.supported import unsupported
from tierwise.cli.manifests.yaml_lines import Document, KeyPath, ManifestError, Problem, load_documents
from tierwise.errors import PlanError, RefusedError, UnknownMetricError
from tierwise.metrics import registry
from tierwise.monitoring.planning.expectations import impossible
from tierwise.monitoring.planning.required_reads import require_margin, require_supported
from tierwise.monitoring.sqlguard.guard import guard_expression, guard_select
from tierwise.monitoring.sqlguard.row_multiplication import require_single_rows

KINDS = ("ModelDeployment", "MonitoringDataset", "ModelRollout")
# kubectl reads YAML with Go's rules: 60833e12 and 0o17 are numbers there, but text in Python's YAML.
_TEXT = "tag:yaml.org,2002:str"
_GO_NUMBER = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+|0o[0-7]+")


def check_files(paths: Sequence[Path]) -> tuple[list[Problem], list[Document]]:
    """All problems in order of files and lines, and the documents that could be read."""
    problems: list[Problem] = []
    documents: list[Document] = []
    for path in paths:
        try:
            found = load_documents(path)
        except ManifestError as error:
            problems += error.problems
            continue
        documents += found
        problems += _ambiguous_numbers(path)
    problems += check_documents(documents)
    order = {str(path): index for index, path in enumerate(paths)}
    unique = dict.fromkeys(problems)
    return sorted(unique, key=lambda problem: (order.get(problem.file, 0), problem.line, problem.key)), documents


def check_documents(documents: Sequence[Document]) -> Iterator[Problem]:
    """Problems of each document, and of the references between them."""
    datasets: dict[tuple[str, str], MonitoringDatasetSpec] = {}
    deployments: list[tuple[Document, ModelDeploymentSpec]] = []
    seen: dict[tuple[str, str, str, str], Document] = {}
    for document in documents:
        yield from document.problems
        group = str(document.data.get("apiVersion", "")).partition("/")[0] if isinstance(document.data, dict) else ""
        if document.kind not in KINDS:
            if group == GROUP:
                fact = f"{document.kind!r} is not a kind of {GROUP}; give {' or '.join(KINDS[:2])}"
                yield document.problem(("kind",), fact)
            continue
        # Within one file only: v1 and v2 of a ModelDeployment, which are applied one after the other, are two files.
        identity = (document.file, document.kind, namespace_of(document), document.name)
        if identity in seen and document.name:
            line = seen[identity].line_of(("metadata", "name"))
            fact = f"{document.name!r} is also at line {line}; rename or remove one"
            yield document.problem(("metadata", "name"), fact)
        seen.setdefault(identity, document)
        violations = check_object(document.data)
        yield from (document.problem(violation.path, violation.message) for violation in violations)
        if document.kind == "MonitoringDataset":
            dataset = _read(document, MonitoringDatasetSpec)
            if dataset is not None:
                datasets[namespace_of(document), document.name] = dataset
                yield from _check_dataset(document, dataset)
        elif document.kind == "ModelDeployment":
            deployment = _read(document, ModelDeploymentSpec)
            if deployment is not None:
                deployments.append((document, deployment))
    models: dict[tuple[str, str], Document] = {}
    for document, deployment in deployments:
        yield from _check_deployment(document, deployment, datasets)
        other = models.setdefault((namespace_of(document), deployment.model), document)
        if other.name != document.name:
            fact = (
                f"{deployment.model!r} is the model of ModelDeployment {other.name!r} too, and the log tells models "
                "apart by that name alone; give each its own"
            )
            yield document.problem(("spec", "model"), fact)


def _read(document: Document, model: type[Any]) -> Any | None:  # noqa: ANN401  # the model's instance
    """The spec, or None if it cannot be read; then its problems have been reported."""
    assert issubclass(model, BaseModel)
    try:
        return model.model_validate(document.data.get("spec") or {})
    except ValidationError:
        return None


def namespace_of(document: Document) -> str:
    """metadata.namespace; empty when it has none."""
    metadata = document.data.get("metadata")
    return str(metadata.get("namespace", "")) if isinstance(metadata, dict) else ""


def _check_dataset(document: Document, spec: MonitoringDatasetSpec) -> Iterator[Problem]:
    for feature in unsupported(spec):
        yield document.problem(feature.path, f"{feature.fact}; {feature.remedy}")
    if spec.query is not None:
        yield from _refusal(document, ("spec", "query"), partial(_guard_query, spec), spec.query)
    if spec.where is not None:
        yield from _refusal(document, ("spec", "where"), guard_expression, spec.where)
    for index, dimension in enumerate(spec.dimensions):
        path = ("spec", "dimensions", index, "expression")
        yield from _refusal(document, path, guard_expression, dimension.expression)
    for index, value in enumerate(spec.values):
        yield from _refusal(document, ("spec", "values", index, "expression"), guard_expression, value.expression)
    for index, source in enumerate(spec.labels.sources if spec.labels is not None else ()):
        if source.where is not None:
            place: KeyPath = ("spec", "labels", "sources", index, "where")
            yield from _refusal(document, place, guard_expression, source.where)


def _guard_query(spec: MonitoringDatasetSpec, sql: str, *, what: str) -> None:
    guard_select(sql, what=what)
    require_single_rows(spec, what=what)


def _refusal(document: Document, path: KeyPath, guard: Any, sql: str) -> Iterator[Problem]:  # noqa: ANN401  # a guard
    try:
        guard(sql, what="the SQL")
    except RefusedError as refused:
        yield document.problem(path, str(refused).removeprefix("the SQL: "))


def _check_deployment(
    document: Document, spec: ModelDeploymentSpec, datasets: dict[tuple[str, str], MonitoringDatasetSpec]
) -> Iterator[Problem]:
    for feature in unsupported(spec):
        yield document.problem(feature.path, f"{feature.fact}; {feature.remedy}")
    selectors: dict[tuple[str, tuple[tuple[str, str], ...]], str] = {}
    for index, tier in enumerate(spec.tiers):
        chosen = (tier.workloads.kind, tuple(sorted(tier.workloads.selector.match_labels.items())))
        path = ("spec", "tiers", index, "workloads", "selector", "matchLabels")
        if chosen in selectors:
            fact = f"selects the same workloads as tier {selectors[chosen]!r}; give each tier its own labels"
            yield document.problem(path, fact)
        selectors.setdefault(chosen, tier.name)
    here = {name: spec for (namespace, name), spec in datasets.items() if namespace == namespace_of(document)}
    for index, analysis in enumerate(spec.analysis.datasets):
        place: KeyPath = ("spec", "analysis", "datasets", index)
        yield from _check_analysis(document, place, "name", analysis, here)
    for index, confounder in enumerate(spec.analysis.confounders):
        lacking = [a.name for a in spec.analysis.datasets if a.name in here and not _has(here[a.name], confounder)]
        if lacking:
            fact = f"{confounder!r} is not a dimension of dataset {' and '.join(map(repr, lacking))}; add it there"
            yield document.problem(("spec", "analysis", "confounders", index), fact)
    if spec.analysis.pre_release is not None:
        place = ("spec", "analysis", "preRelease")
        yield from _check_analysis(document, place, "dataset", spec.analysis.pre_release.analysis, here)


def _has(dataset: MonitoringDatasetSpec, dimension: str) -> bool:
    return any(item.name == dimension for item in dataset.dimensions)


def _check_analysis(
    document: Document, place: KeyPath, key: str, analysis: DatasetAnalysis, here: dict[str, MonitoringDatasetSpec]
) -> Iterator[Problem]:
    yield from _check_metrics(document, place, analysis)
    dataset = here.get(analysis.name)
    if dataset is not None:
        yield from _check_support(document, place, analysis, dataset)
        yield from _check_dimensions(document, place, analysis, dataset)
    elif here:
        # The files have other datasets but not this one, so this is most likely a typing error.
        fact = f"no MonitoringDataset {analysis.name!r} in these files; use {' or '.join(here)}, or add its file"
        yield document.problem((*place, key), fact)


def _check_metrics(document: Document, path: KeyPath, analysis: DatasetAnalysis) -> Iterator[Problem]:
    for index, metric in enumerate(analysis.metrics):
        try:
            require_margin(analysis.name, registry.get(metric.name), metric.margin)
        except UnknownMetricError as error:
            yield document.problem((*path, "metrics", index, "name"), str(error))
            continue
        except PlanError as error:
            yield document.problem((*path, "metrics", index, "margin"), str(error))
        if not (metric.margin.absolute or metric.margin.relative):
            fact = "a margin of 0 can never be shown to be kept, so no tier would be promoted; give one above 0"
            yield document.problem((*path, "metrics", index, "margin"), fact)
    judged = [metric.name for metric in analysis.metrics]
    for index, expectation in enumerate(analysis.expect):
        if expectation.metric not in judged:
            fact = f"{expectation.metric!r} is not judged on this dataset; use {' or '.join(judged)}, or add it"
            yield document.problem((*path, "expect", index, "metric"), fact)
        if (problem := impossible(analysis.expect, index, registry.find(expectation.metric))) is not None:
            yield document.problem((*path, "expect", index), "; ".join(problem))


def _check_support(
    document: Document, path: KeyPath, analysis: DatasetAnalysis, dataset: MonitoringDatasetSpec
) -> Iterator[Problem]:
    for index, item in enumerate(analysis.metrics):
        metric = registry.find(item.name)
        if metric is None:
            continue
        try:
            require_supported(analysis.name, metric, dataset)
        except PlanError as error:
            yield document.problem((*path, "metrics", index, "name"), str(error))


def _check_dimensions(
    document: Document, path: KeyPath, analysis: DatasetAnalysis, dataset: MonitoringDatasetSpec
) -> Iterator[Problem]:
    known = [dimension.name for dimension in dataset.dimensions]
    named = f"{' or '.join(known)}" if known else "no slices (the dataset has no dimensions)"
    for index, item in enumerate(analysis.slices or ()):
        for part in item.split(","):
            if part not in known:
                fact = f"{part!r} is not a dimension of dataset {analysis.name!r}; use {named}, or add it there"
                yield document.problem((*path, "slices", index), fact)
    judged = {frozenset(item.split(",")) for item in (known if analysis.slices is None else analysis.slices)}
    for index, expectation in enumerate(analysis.expect):
        if unknown := [name for name in expectation.slice if name not in known]:
            fact = f"{unknown[0]!r} is not a dimension of dataset {analysis.name!r}; use {named}, or add it there"
            yield document.problem((*path, "expect", index, "slice"), fact)
        elif expectation.change != "Ignore" and frozenset(expectation.slice) not in judged:
            wanted = ",".join(sorted(expectation.slice))
            fact = f"{wanted} is not among the slices that are judged; add it to slices"
            yield document.problem((*path, "expect", index, "slice"), fact)


def _ambiguous_numbers(path: Path) -> Iterator[Problem]:
    """Problems of plain scalars that kubectl reads as numbers and Python as text, such as a commit 60833e12."""
    for document in yaml.compose_all(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader):
        if document is not None:
            yield from _ambiguous(document, (), str(path))


def _ambiguous(node: yaml.Node, path: KeyPath, file: str) -> Iterator[Problem]:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _ambiguous(value, (*path, str(key.value)), file)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _ambiguous(value, (*path, index), file)
    elif isinstance(node, yaml.ScalarNode) and node.style is None and node.tag == _TEXT and _is_in_spec(path):
        if _GO_NUMBER.fullmatch(node.value) is None:
            return
        place = Document(file, None, {path: node.start_mark.line + 1})
        yield place.problem(path, f"kubectl reads {node.value} as a number; quote it")


def _is_in_spec(path: KeyPath) -> bool:
    """Whether the key is in a spec, also in that of an item of a List."""
    while path[:1] == ("items",):
        path = path[2:]
    return path[:1] == ("spec",)
