"""What the demo shows, whatever it runs on: v1 is adopted, v2 comes back by itself, v3 becomes stable."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from tierwise.demo.models import BROKEN_CARRIER, BROKEN_CARRIER_NAME, ScoredFlights
from tierwise.report.view import current_rollout
from tierwise.rollout.observation import DeploymentView, RolloutView, TierView

DEPLOYMENT = "delay-predictor"
HISTORY_SECONDS = 10.0  # traffic of v1 alone, from which Tierwise learns the slices and their usual rates
ADOPTION_SECONDS = 120.0
ROLLOUT_SECONDS = 420.0


@dataclass(frozen=True, slots=True)
class Seen:
    """The objects and workloads at a time."""

    deployment: DeploymentView
    rollouts: tuple[RolloutView, ...]
    tiers: tuple[TierView, ...]
    now: datetime

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


class StoryError(Exception):
    """The story did not happen; the message says what did."""


def play(world: World, stage: Stage, flights: ScoredFlights) -> Seen:
    """All chapters. Raises StoreError and the like when the world breaks, StoryError when the story goes otherwise."""
    stage.chapter(
        "v1 runs in three tiers, and Tierwise adopts it",
        f"A model predicts at push-back whether a flight arrives late. v1 answers right {_percent(flights, 'v1')} of the time.",
    )
    world.apply("v1")
    seen = _watch(world, stage, lambda s: _stable(s) == "v1", "v1 is adopted", ADOPTION_SECONDS)
    until = world.now() + timedelta(seconds=HISTORY_SECONDS)
    seen = _watch(world, stage, lambda s: s.now >= until, "traffic of v1", ADOPTION_SECONDS)
    stage.end(seen)

    broken = flights.carrier == BROKEN_CARRIER
    stage.chapter(
        "v2: retrained, and nearly as good in total",
        f"Accuracy in total {_percent(flights, 'v1')} → {_percent(flights, 'v2')}: a dashboard shows nothing.",
        f"But on {BROKEN_CARRIER_NAME}'s flights ({BROKEN_CARRIER}, {broken.mean():.1%} of all): "
        f"{flights.accuracy('v1', broken):.0%} → {flights.accuracy('v2', broken):.0%}.",
    )
    world.apply("v2")
    seen = _watch(
        world,
        stage,
        lambda s: _result(s, "v2") not in (None, "Progressing", "RollingBack", "Stalled"),
        "v2",
        ROLLOUT_SECONDS,
    )
    stage.end(seen)
    _expect_rolled_back(seen)

    stage.chapter(
        "v3: trained on more months",
        f"Accuracy on months that no version was trained on: {flights.accuracy('v1', flights.month >= 7):.1%} → "
        f"{flights.accuracy('v3', flights.month >= 7):.1%}. It has to show it in every tier, 3 → 2 → 1.",
    )
    world.apply("v3")
    seen = _watch(
        world,
        stage,
        lambda s: (
            _result(s, "v3") not in (None, "Progressing", "RollingBack", "Stalled")
            and (_stable(s) == "v3" or _result(s, "v3") == "RolledBack")
        ),
        "v3",
        ROLLOUT_SECONDS,
    )
    stage.end(seen)
    if _result(seen, "v3") not in ("Completed", "Verifying") or _stable(seen) != "v3":
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
    conditions: Sequence[str] = [
        f"{c.type}={c.status} {c.reason}: {c.message}" for c in seen.deployment.status.conditions
    ]
    return "; ".join(conditions) or "without a status: does the operator run?"


def _percent(flights: ScoredFlights, version: str) -> str:
    return f"{flights.accuracy(version):.1%}"
