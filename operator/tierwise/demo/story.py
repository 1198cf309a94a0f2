"""What the demo shows, whatever it runs on: v1 is adopted, v2 comes back by itself, v3 becomes stable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from tierwise.demo.models import BROKEN_CARRIER, BROKEN_CARRIER_NAME, ScoredFlights
from tierwise.report.rollout.view import View, current_rollout, view_of
from tierwise.rollout.state.observation import DeploymentView, RolloutView, TierView

DEPLOYMENT = "delay-predictor"
HISTORY_SECONDS = 10.0  # traffic of v1 alone, from which Tierwise learns the slices and their usual rates
ADOPTION_SECONDS = 120.0
ROLLOUT_SECONDS = 420.0
FIRST_UNSEEN_MONTH = 7  # v3 was trained on the months before


@dataclass(frozen=True, slots=True)
class Seen:
    """The objects and workloads at a time."""

    deployment: DeploymentView
    rollouts: tuple[RolloutView, ...]
    tiers: tuple[TierView, ...]
    now: datetime

    @property
    def view(self) -> View:
        """What is shown of it."""
        return view_of(self.deployment, self.rollouts, self.tiers, self.now)

    @property
    def rollout(self) -> RolloutView | None:
        """The one in flight, else the newest."""
        return current_rollout(self.deployment, self.rollouts)


class World(Protocol):
    """A cluster with Tierwise, a prediction log and traffic: real or simulated."""

    def now(self) -> datetime:
        """The world's time."""
        ...

    def apply(self, version: str) -> None:
        """`kubectl apply -f model-<version>.yaml`."""
        ...

    def step(self) -> Seen | None:
        """Let a moment pass and look; None before the ModelDeployment exists. Raises when the world broke."""
        ...


class Stage(Protocol):
    """Where it is shown."""

    def chapter(self, title: str, *lines: str) -> None:
        """Something new begins."""
        ...

    def show(self, seen: Seen) -> None:
        """The tree as it is now."""
        ...

    def end(self, seen: Seen) -> None:
        """The chapter's last tree."""
        ...

    def explain(self, seen: Seen) -> None:
        """Why it ended so."""
        ...


class StoryError(Exception):
    """The story did not happen; the message says what did."""


def play(world: World, stage: Stage, flights: ScoredFlights) -> Seen:
    """All chapters. Raises StoryError when the story goes otherwise, and what the world raises when it breaks."""
    stage.chapter(
        "v1 runs in three tiers, and Tierwise adopts it",
        "A model predicts, when a flight pushes back, whether it will arrive more than 15 minutes late.",
        f"v1 is right about {flights.accuracy('v1'):.1%} of the flights.",
    )
    world.apply("v1")
    _watch(world, stage, lambda s: _stable(s) == "v1", "v1 is adopted", ADOPTION_SECONDS)
    until = world.now() + timedelta(seconds=HISTORY_SECONDS)
    seen = _watch(world, stage, lambda s: s.now >= until, "traffic of v1", ADOPTION_SECONDS)
    stage.end(seen)

    broken = flights.carrier == BROKEN_CARRIER
    stage.chapter(
        "v2: retrained, and nearly as good in total",
        f"Accuracy in total {flights.accuracy('v1'):.1%} → {flights.accuracy('v2'):.1%}: who would notice?",
        f"But for {BROKEN_CARRIER_NAME} ({BROKEN_CARRIER}, {broken.mean():.1%} of the flights) "
        f"{flights.accuracy('v1', broken):.0%} → {flights.accuracy('v2', broken):.0%}.",
    )
    world.apply("v2")
    seen = _watch(world, stage, lambda s: _is_over(s, "v2"), "v2", ROLLOUT_SECONDS)
    stage.end(seen)
    _expect_rolled_back(seen)
    stage.explain(seen)

    unseen = flights.month >= FIRST_UNSEEN_MONTH
    stage.chapter(
        "v3: trained on more months",
        f"Accuracy on months that no version was trained on {flights.accuracy('v1', unseen):.1%} → "
        f"{flights.accuracy('v3', unseen):.1%}. It has to prove itself in every tier, 3 → 2 → 1.",
    )
    world.apply("v3")
    seen = _watch(world, stage, lambda s: _is_over(s, "v3"), "v3", ROLLOUT_SECONDS)
    stage.end(seen)
    if _result(seen, "v3") != "Completed" or _stable(seen) != "v3":
        raise StoryError(f"v3 was expected to become stable; it is {_told(seen)}")
    return seen


def _watch(world: World, stage: Stage, reached: Callable[[Seen], bool], what: str, seconds: float) -> Seen:
    deadline = world.now() + timedelta(seconds=seconds)
    seen: Seen | None = None
    while world.now() < deadline:
        seen = world.step()
        if seen is not None:
            stage.show(seen)
            if reached(seen):
                return seen
    raise StoryError(f"{what}: not reached in {seconds:.0f} s; it is {_told(seen)}")


def _expect_rolled_back(seen: Seen) -> None:
    rollout = seen.rollout
    if rollout is None or _result(seen, "v2") != "RolledBack":
        raise StoryError(f"v2 was expected to be rolled back; it is {_told(seen)}")
    first, *others = rollout.status.tiers
    named = [dict(culprit.slice) for culprit in first.culprits]
    if {"carrier": BROKEN_CARRIER} not in named:
        raise StoryError(f"v2 was rolled back in {first.name}, but the slices named are {named}")
    touched = [tier.name for tier in others if tier.phase not in ("Untouched", "Pending")]
    if touched:
        raise StoryError(f"v2 reached {', '.join(touched)} before it was rolled back")


def _is_over(seen: Seen, version: str) -> bool:
    """Rolled back, or stable in all tiers. (A rollout that stalls may go on by itself.)"""
    result = _result(seen, version)
    return result in ("RolledBack", "Superseded") or (result == "Completed" and _stable(seen) == version)


def _result(seen: Seen, version: str) -> str | None:
    """Result of the rollout to `version`; None while there is none."""
    rollout = seen.rollout
    return rollout.status.result if rollout is not None and rollout.spec.to.name == version else None


def _stable(seen: Seen) -> str | None:
    stable = seen.deployment.status.stable
    return stable.name if stable is not None else None


def _told(seen: Seen | None) -> str:
    if seen is None:
        return "without a ModelDeployment"
    if seen.rollout is not None:
        status = seen.rollout.status
        return f"{status.result} in {status.tier}: {status.reason}: {status.message}"
    told = [f"{c.type}={c.status} {c.reason}: {c.message}" for c in seen.deployment.status.conditions]
    return "; ".join(told) or "without a status: does the operator run?"
