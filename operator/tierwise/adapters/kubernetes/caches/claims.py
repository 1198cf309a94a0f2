"""Which ModelDeployments select which workloads, from cached records. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tierwise.adapters.kubernetes.objects import created_at
from tierwise.adapters.kubernetes.workloads.base import Workload
from tierwise.adapters.kubernetes.workloads.views import is_twin
from tierwise.api.names import LABEL_DEPLOYMENT
from tierwise.rollout.state.observation import Claim


@dataclass(frozen=True, slots=True)
class ClaimRecord:
    """A ModelDeployment: which labels its tiers select, which datasets it reads, whether a rollout is in flight."""

    namespace: str
    name: str
    uid: str
    created_at: datetime
    selectors: tuple[tuple[str, Mapping[str, str]], ...]  # kind and labels, per tier
    datasets: frozenset[str]
    in_flight: bool
    model: str = ""
    tiers: frozenset[str] = frozenset()
    judged_on: tuple[tuple[str, tuple[str, ...]], ...] = ()  # every dataset it names, with the metrics judged on it


@dataclass(frozen=True, slots=True)
class WorkloadRecord:
    """A workload: what wakes a ModelDeployment when it changes."""

    kind: str
    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str]
    generation: int
    settled: bool
    available: int
    twin_for: str | None  # a twin's ModelDeployment, as in its label
    deleting: bool


def claim_record(item: Mapping[str, Any]) -> ClaimRecord:
    """A ModelDeployment from its JSON; a tier without a readable selector claims nothing."""
    spec = item.get("spec") or {}
    tiers, datasets = spec.get("tiers") or [], (spec.get("analysis") or {}).get("datasets") or []
    workloads = [tier.get("workloads") or {} for tier in tiers]
    gate = (spec.get("analysis") or {}).get("preRelease")
    return ClaimRecord(
        namespace=item["metadata"]["namespace"],
        name=item["metadata"]["name"],
        uid=item["metadata"]["uid"],
        created_at=created_at(item),
        selectors=tuple(
            (str(each.get("kind") or "Deployment"), labels) for each in workloads if (labels := _labels(each))
        ),
        datasets=frozenset(str(dataset.get("name")) for dataset in datasets),
        in_flight=bool((item.get("status") or {}).get("rollout")),
        model=str(spec.get("model") or ""),
        tiers=frozenset(str(tier.get("name")) for tier in tiers),
        judged_on=(
            *((str(dataset.get("name")), _metrics(dataset)) for dataset in datasets),
            *([(str(gate.get("dataset")), _metrics(gate))] if gate else []),
        ),
    )


def _labels(workloads: Mapping[str, Any]) -> Mapping[str, str]:
    return (workloads.get("selector") or {}).get("matchLabels") or {}


def _metrics(analysis: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(metric.get("name")) for metric in analysis.get("metrics") or [])


def workload_record(workload: Workload, item: Mapping[str, Any]) -> WorkloadRecord:
    """A workload of a kind from its JSON."""
    metadata = item["metadata"]
    labels = metadata.get("labels") or {}
    return WorkloadRecord(
        kind=workload.kind,
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        labels=labels,
        generation=metadata["generation"],
        settled=workload.is_ready(item),
        available=workload.available(item),
        twin_for=labels.get(LABEL_DEPLOYMENT) if is_twin(item) else None,
        deleting="deletionTimestamp" in metadata,
    )


def selects(claim: ClaimRecord, workload: WorkloadRecord) -> bool:
    """Whether a tier is of its kind and all its labels are on it; twins belong to nobody's tier."""
    if workload.twin_for is not None:
        return False
    return any(kind == workload.kind and labels.items() <= workload.labels.items() for kind, labels in claim.selectors)


def claims_of_others(uid: str, claims: Iterable[ClaimRecord], workloads: Sequence[WorkloadRecord]) -> tuple[Claim, ...]:
    """What other ModelDeployments than `uid` claim of the workloads that `uid` selects too."""
    known = list(claims)
    own = [workload for claim in known if claim.uid == uid for workload in workloads if selects(claim, workload)]
    return tuple(
        Claim(deployment=claim.name, workload_uid=workload.uid, created_at=claim.created_at)
        for claim in known
        if claim.uid != uid
        for workload in own
        if selects(claim, workload)
    )


def namesakes(uid: str, model: str, claims: Iterable[ClaimRecord]) -> tuple[str, ...]:
    """Names of other ModelDeployments than `uid` that say they are of the same model."""
    return tuple(sorted(claim.name for claim in claims if claim.uid != uid and claim.model == model))
