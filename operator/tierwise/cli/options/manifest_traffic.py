"""What `tierwise lint --store` adds: what of the manifests could be judged at the traffic that is in the log."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tierwise.api.modeldeployment import ModelDeploymentSpec
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.cli.manifests.checks import namespace_of
from tierwise.cli.manifests.yaml_lines import Document, Problem, parse_spec
from tierwise.cli.options.analysis_request import tiers_of
from tierwise.cli.options.policy_options import STORE_WINDOW, planned_tiers
from tierwise.errors import SpecError
from tierwise.report.text import printable
from tierwise.rollout.state.judged import judged_of_plan, slices_judged, unjudged_dimensions
from tierwise.runtime.offline.planning import Plan, PlanRequest, plan
from tierwise.runtime.recorded_log import RecordedLog


@dataclass(frozen=True, slots=True)
class OfTraffic:
    """`problems`: tiers of which no slice can be judged. `warnings`: dimensions, and what is not known."""

    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def check_traffic(documents: Sequence[Document], log: RecordedLog, now: datetime) -> OfTraffic:
    """Plan every ModelDeployment of the documents, which have no problems, with the last day's traffic.

    Raises:
        StoreError: the log cannot be read.
    """
    problems: list[Problem] = []
    warnings: list[Problem] = []
    for document in documents:
        if document.kind != "ModelDeployment":
            continue
        deployment = parse_spec(document, ModelDeploymentSpec)
        specs = {
            other.name: parse_spec(other, MonitoringDatasetSpec)
            for other in documents
            if other.kind == "MonitoringDataset" and namespace_of(other) == namespace_of(document)
        }
        analysis = tuple(item for item in deployment.analysis.datasets if item.name in specs)
        specs = {item.name: specs[item.name] for item in analysis}
        for item in deployment.analysis.datasets:
            if item.name not in specs:
                fact = f"nothing is known of its traffic: no MonitoringDataset {item.name!r} is in these files; add it"
                warnings.append(document.problem(("spec", "analysis", "datasets"), fact))
        if not analysis:
            continue
        request = PlanRequest(
            model=deployment.model,
            baseline=None,
            analysis=analysis,
            datasets=specs,
            tiers=planned_tiers(tiers_of(deployment, specs), deployment),
            since=None,
            until=None,
            default_window=STORE_WINDOW,
        )
        try:
            found = plan(request, log, now)
        except SpecError as error:
            fact = f"what can be judged is not known: {error}".replace("\n", "; ")
            warnings.append(document.problem(("spec", "analysis"), printable(fact)))
            continue
        for problem, is_silent in _of_plan(document, deployment, found):
            (problems if is_silent else warnings).append(problem)
    return OfTraffic(tuple(problems), tuple(replace(item, message=f"warning: {item.message}") for item in warnings))


def _of_plan(document: Document, deployment: ModelDeploymentSpec, found: Plan) -> Iterator[tuple[Problem, bool]]:
    """Problems with whether the tier can judge no slice at all."""
    places = {tier.name: index for index, tier in enumerate(deployment.tiers)}
    for request, tier in zip(found.request.tiers, found.tiers, strict=True):
        path = ("spec", "tiers") if request.name is None else ("spec", "tiers", places[request.name])
        judged = judged_of_plan(tier.plan)
        told = slices_judged(judged)
        where = f"at the traffic of {found.traffic.baseline}, "
        if told is not None and not told.judged:
            yield document.problem(path, printable(where + told.message)), True
        for _, words in unjudged_dimensions(judged):
            yield document.problem(path, printable(where + words)), False
