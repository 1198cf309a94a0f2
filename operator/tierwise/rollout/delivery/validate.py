"""What keeps a rollout from starting or going on until a person changes an object: which, and the remedy."""

from __future__ import annotations

from dataclasses import dataclass

from tierwise.api.modeldeployment import ModelDeploymentSpec, Tier
from tierwise.api.reasons import Reason
from tierwise.api.supported import unsupported_features
from tierwise.monitoring.checks.concern import Concern
from tierwise.rollout.delivery.converge import missing_container
from tierwise.rollout.delivery.probe import Arms
from tierwise.rollout.state.exposure import exposure_fraction
from tierwise.rollout.state.flight import Flight
from tierwise.rollout.state.observation import Observation, TierView, WorkloadView
from tierwise.rollout.state.versions import difference, is_running


@dataclass(frozen=True, slots=True)
class Problem:
    """Stalled, with this reason, until the cause is gone. `promotable`: or until a person promotes the tier."""

    reason: Reason
    message: str
    promotable: bool = False


def spec_problem(spec: ModelDeploymentSpec) -> Problem | None:
    """Fields whose feature does not exist yet, and values that the schema lets through."""
    lines = unsupported_features(spec)
    if lines:
        return Problem(Reason.NOT_SUPPORTED, "; ".join(lines))
    for tier in spec.tiers:
        try:
            exposure_fraction(tier.exposure)
        except ValueError as error:
            return Problem(Reason.INVALID_SPEC, f"tier {tier.name!r}: {error}")
    names = [tier.name for tier in spec.tiers]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        return Problem(Reason.INVALID_SPEC, f"two tiers are named {twice!r}; rename one")
    if spec.version.image is None and not spec.version.parameters:
        return Problem(
            Reason.INVALID_SPEC, "spec.version has neither image nor parameters; set what selects the version"
        )
    return None


def preflight_problem(observation: Observation) -> Problem | None:
    """What is known before a rollout: unsupported fields, overlaps, containers, datasets, metrics."""
    found = spec_problem(observation.deployment.spec) or overlap_problem(observation)
    if found is not None:
        return found
    container = observation.deployment.spec.delivery.container
    for tier in observation.tiers:
        for view in tier.workloads:
            if view.running is None:
                return Problem(Reason.CONTAINER_MISSING, missing_container(view, container))
    judged = observation.judgement
    if isinstance(judged, Concern) and judged.stalled:
        return Problem(judged.reason, judged.message)
    return None


def overlap_problem(observation: Observation) -> Problem | None:
    """One workload in two tiers, or claimed by an older ModelDeployment."""
    owner: dict[str, str] = {}
    for tier in observation.tiers:
        for view in tier.workloads:
            other = owner.setdefault(view.uid, tier.name)
            if other != tier.name:
                text = f"{view.kind} {view.name} is in tiers {other!r} and {tier.name!r}; make their selectors disjoint"
                return Problem(Reason.TIER_OVERLAP, text)
    ours = (observation.created_at, observation.deployment.name)
    for claim in observation.claims:
        theirs = (claim.created_at, claim.deployment)
        is_older = ours[0] is None or theirs < (ours[0], ours[1])
        if claim.workload_uid in owner and is_older:
            name = next(
                view.name for tier in observation.tiers for view in tier.workloads if view.uid == claim.workload_uid
            )
            text = (
                f"workload {name} (tier {owner[claim.workload_uid]!r}) already belongs to ModelDeployment "
                f"{claim.deployment!r}, which is older; give each its own workloads"
            )
            return Problem(Reason.WORKLOAD_CONFLICT, text)
    return None


def selector_text(tier: Tier, namespace: str) -> str:
    """``tier 'tier-2': selector app=x,tier=2 matches no Deployment in namespace 'inference'; …``."""
    labels = ",".join(f"{key}={value}" for key, value in sorted(tier.workloads.selector.match_labels.items()))
    return (
        f"tier {tier.name!r}: selector {labels} matches no {tier.workloads.kind} in namespace {namespace!r}; "
        "label the workloads or fix the selector"
    )


def empty_tier(spec: ModelDeploymentSpec, observation: Observation) -> str | None:
    """The message for the first tier without a workload."""
    views = {view.name: view for view in observation.tiers}
    for tier in spec.tiers:
        if not views.get(tier.name, TierView(tier.name)).workloads:
            return selector_text(tier, observation.deployment.namespace)
    return None


def tier_problem(flight: Flight, tier: str) -> Problem | None:
    """What forbids to start a tier, checked before any write."""
    spec, view = flight.spec, flight.tier_view(tier)
    if not view.workloads:
        return Problem(
            Reason.NO_WORKLOADS, selector_text(flight.tier_spec(tier), flight.observation.deployment.namespace)
        )
    found = overlap_problem(flight.observation)
    if found is not None:
        return found
    foreign = next((twin.name for twin in view.twins if not twin.owned), None)
    if foreign is not None:
        return twin_conflict(foreign)
    for workload in view.workloads:
        problem = _workload_problem(flight, workload, spec.strategy.delivery.container)
        if problem is not None:
            return problem
    return None


def _workload_problem(flight: Flight, workload: WorkloadView, container: str) -> Problem | None:
    if workload.running is None:
        return Problem(Reason.CONTAINER_MISSING, missing_container(workload, container))
    clash = sorted(
        key
        for key in flight.spec.to.parameters.keys() - flight.spec.from_.parameters.keys()
        if key in workload.running.environment
    )
    if clash:
        text = (
            f"{workload.kind} {workload.name} sets {', '.join(clash)} itself, and {flight.spec.from_.name} has no such "
            "parameter to come back to; remove it from the workload or name it in the stable version's parameters"
        )
        return Problem(Reason.PARAMETER_CONFLICT, text)
    if not is_running(workload.running, flight.spec.from_):
        differs = difference(workload.running, flight.spec.from_)
        text = f"{workload.kind} {workload.name} does not run {flight.spec.from_.name}: {differs}; restore it"
        return Problem(Reason.MIXED_BASELINE, text)
    return None


def twin_conflict(name: str) -> Problem:
    """An object of the twin's name that is not ours."""
    return Problem(Reason.TWIN_CONFLICT, f"Deployment {name} exists and is not Tierwise's; rename or delete it")


def probe_problem(flight: Flight, arms: Arms) -> Problem | None:
    """What appeared while the tier is probed or judged."""
    if arms.foreign_twin is not None:
        return twin_conflict(arms.foreign_twin)
    if arms.conflict is not None:
        return Problem(Reason.FIELD_CONFLICT, arms.conflict)
    if arms.edited is not None:
        return Problem(Reason.MIXED_BASELINE, arms.edited)
    if arms.drifted is not None:
        text = f"{arms.drifted}; restore {flight.spec.from_.name} there, or set a new version"
        return Problem(Reason.MIXED_BASELINE, text)
    if arms.exceeded is not None:
        return Problem(Reason.EXPOSURE_EXCEEDED, arms.exceeded, promotable=True)
    return None
