"""Fields of the API that this release does not implement. They are never ignored: a message says to remove them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tierwise.api.modeldeployment import ModelDeploymentSpec
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.strategy import Tier


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A field whose feature comes later: its path below the object, the feature, and what to do instead."""

    path: tuple[str | int, ...]
    fact: str
    remedy: str

    def __str__(self) -> str:
        return f"{path_text(self.path)}: {self.fact}; {self.remedy}"


def path_text(path: tuple[str | int, ...]) -> str:
    """``("spec", "tiers", 1, "name")`` as a person reads it: ``spec.tiers[1].name``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def unsupported_features(spec: ModelDeploymentSpec | MonitoringDatasetSpec) -> list[str]:
    """One line per field that needs a feature of a later release, with its path and what to do."""
    return [str(item) for item in unsupported(spec)]


def unsupported(spec: ModelDeploymentSpec | MonitoringDatasetSpec) -> list[Unsupported]:
    """All such fields, in the order of the object."""
    return [] if isinstance(spec, MonitoringDatasetSpec) else list(_of_deployment(spec))


def _of_deployment(spec: ModelDeploymentSpec) -> Iterator[Unsupported]:
    for index, tier in enumerate(spec.tiers):
        yield from _of_tier(tier, ("spec", "tiers", index))


def _of_tier(tier: Tier, path: tuple[str | int, ...]) -> Iterator[Unsupported]:
    if tier.workloads.candidate_pods == "InPlace" and not tier.workloads.kind.facts.in_place:
        fact = f"a {tier.workloads.kind} cannot update only some of its pods"
        yield Unsupported((*path, "workloads", "candidatePods"), fact, "use Beside")
