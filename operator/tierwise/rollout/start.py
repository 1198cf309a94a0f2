"""Starts a rollout: after a change of version, after `retry`, or back to the previous stable version."""

from __future__ import annotations

from dataclasses import dataclass

from tierwise.api.common import Version
from tierwise.api.modeldeployment import ModelDeploymentStatus, RejectedVersion
from tierwise.api.modelrollout import ModelRolloutSpec, Recovery
from tierwise.api.reasons import Reason
from tierwise.rollout.delivery import validate
from tierwise.rollout.delivery.adoption import is_captured
from tierwise.rollout.delivery.validate import Problem
from tierwise.rollout.state import commands
from tierwise.rollout.state.actions import CreateRollout
from tierwise.rollout.state.observation import Observation
from tierwise.rollout.state.versions import identity_of, is_same
from tierwise.rollout.state.wording import LONGEST, clip
from tierwise.rollout.supersede import strategy_of


@dataclass(frozen=True, slots=True)
class Start:
    """A rollout to create, and the ModelDeployment's status that names it."""

    create: CreateRollout
    status: ModelDeploymentStatus


def candidate_of(observation: Observation, stable: Version) -> Version:
    """The full `spec.version`. Without its own image it gets the stable image, which a rollback then restores."""
    version = observation.deployment.spec.version
    return version if version.image is not None else version.model_copy(update={"image": stable.image})


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a version is not tried, and the state of the recovery from it."""

    message: str
    recovery: Recovery | None


def rejected(observation: Observation, stable: Version) -> RejectedVersion | None:
    """The record that the spec's version was rolled back."""
    identity = identity_of(candidate_of(observation, stable))
    found = reversed(observation.deployment.status.rejected)
    return next((entry for entry in found if entry.identity == identity), None)


def rejection(observation: Observation, stable: Version) -> Rejection | None:
    """The rejection of the spec's version, if it was rolled back and there is no `retry`; else None."""
    status = observation.deployment.status
    entry = rejected(observation, stable)
    if entry is None or commands.pending("retry", observation.deployment.annotations, status.handled) is not None:
        return None
    version = observation.deployment.spec.version.name
    if entry.name != version:  # the same build under another name
        version = f"{version} is {entry.name}, which"
    remedy = "set another version or digest, or tierwise.io/retry"
    rollout = next((rollout for rollout in observation.rollouts if rollout.name == entry.rollout), None)
    recovery = rollout.status.recovery if rollout is not None else None
    said = "" if recovery is None else f" {recovery.message};"
    # If the text is too long, the reason is cut, because a person needs the text after it.
    reason = clip(entry.reason, LONGEST - 200 - len(said))
    return Rejection(f"{version} was rolled back by {entry.rollout}: {reason};{said} {remedy}", recovery)


def version_problem(observation: Observation, stable: Version) -> Problem | None:
    """Why the log or the pods could not distinguish the two versions; None if they can."""
    candidate = candidate_of(observation, stable)
    if candidate.name == stable.name:
        text = (
            f"spec.version.name {candidate.name!r} is the stable version's, but image, parameters or digest differ; "
            "the log tells versions apart by their name: choose a new one"
        )
        return Problem(Reason.VERSION_NAME_TAKEN, text)
    if (candidate.image, candidate.parameters) == (stable.image, stable.parameters):
        text = (
            f"{candidate.name} has the image and parameters of {stable.name}: there is nothing to deliver; change one"
        )
        return Problem(Reason.INVALID_SPEC, text)
    return None


def forward(observation: Observation, stable: Version) -> Start | Problem:
    """The rollout from stable to the spec's version."""
    problem = validate.preflight_problem(observation) or version_problem(observation, stable)
    if problem is not None:
        return problem
    missing = validate.empty_tier(observation.deployment.spec, observation)
    if missing is not None:
        return Problem(Reason.NO_WORKLOADS, missing)
    candidate = candidate_of(observation, stable)
    origin = _with_image(observation, stable, candidate)
    if origin is None:
        text = (
            f"the workloads run different images, and {stable.name} states none to come back to; state it there first"
        )
        return Problem(Reason.MIXED_BASELINE, text)
    started = _start(observation, origin, candidate, is_compared=not is_captured(stable))
    identity = identity_of(candidate)
    kept = [entry for entry in started.status.rejected if entry.identity != identity]
    handled = dict(started.status.handled)
    retry = commands.present(observation.deployment.annotations).get("retry")
    if retry is not None:
        handled["retry"] = retry
    return Start(started.create, started.status.model_copy(update={"rejected": kept, "handled": handled}))


def _with_image(observation: Observation, stable: Version, candidate: Version) -> Version | None:
    if candidate.image is None or stable.image is not None:
        return stable
    images = {view.running.image for tier in observation.tiers for view in tier.workloads if view.running is not None}
    return stable.model_copy(update={"image": images.pop()}) if len(images) == 1 else None


def backward(observation: Observation, stable: Version, previous: Version, value: str | None = None) -> Start:
    """The immediate return to the previous stable version: a rollout that begins as a rollback.

    `value` is the annotation that requested it; None if verification caused it.
    """
    started = _start(observation, previous, stable, is_compared=False)
    if value is None:
        return started
    handled = {**started.status.handled, "rollback": value}
    return Start(started.create, started.status.model_copy(update={"handled": handled}))


def is_backward(status: ModelDeploymentStatus, spec: ModelRolloutSpec) -> bool:
    """Whether the rollout takes back the stable version, which is its `to`. Only `backward` makes such a rollout."""
    return status.stable is not None and is_same(status.stable, spec.to)


def _start(observation: Observation, from_: Version, to: Version, *, is_compared: bool) -> Start:
    view = observation.deployment
    revision = view.status.last_revision + 1
    name = f"{view.name}-{revision}"
    spec = ModelRolloutSpec(
        model_deployment=view.name,
        model=view.spec.model,
        revision=revision,
        from_=from_,
        to=to,
        compared=is_compared,
        strategy=strategy_of(view.spec),
    )
    status = view.status.model_copy(update={"rollout": name, "last_revision": revision})
    return Start(CreateRollout(name, spec), status)
