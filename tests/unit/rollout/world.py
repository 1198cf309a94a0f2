"""A fleet of three tiers in memory, a judge that says what the test wants, and a loop as the operator has it."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from tierwise.api.common import Condition, Margin
from tierwise.api.frozen import Frozen, FrozenDataset
from tierwise.api.modeldeployment import ModelDeploymentSpec, ModelDeploymentStatus
from tierwise.api.modelrollout import ModelRolloutStatus, TierStatus
from tierwise.api.names import Verdict
from tierwise.monitoring.checks.concern import Concern
from tierwise.monitoring.verdicts.judgement import ArmCounts, Judgement, Result
from tierwise.rollout.delivery.recovery import period
from tierwise.rollout.state.observation import DeploymentView, RecoveryLog, VerificationLook
from tierwise.runtime.control_loop.reconcile import reconcile
from tierwise.runtime.judging.look import Look, LookRequest
from tierwise.runtime.reading.request import RolloutRequest
from tierwise.simulation.cluster.clock import SimulatedClock
from tierwise.simulation.cluster.faults import CrashError
from tierwise.simulation.cluster.fleet import NAMESPACE, SimulatedFleet
from tierwise.simulation.cluster.workloads import SimulatedWorkload

T0 = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
NAME = "bot-score"


def a_version(name: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "image": "ghcr.io/acme/bot-score:1", "parameters": {"MODEL_VERSION": name}, **changes}


def a_spec(version: str | dict[str, Any] = "v1", **changes: Any) -> ModelDeploymentSpec:
    """Three tiers, v1, looks every 10 seconds, 30 seconds of soak, 10 minutes at most."""
    tiers = [
        {
            "name": f"tier-{tier}",
            "workloads": {"kind": "Deployment", "selector": {"matchLabels": {"app": NAME, "tier": str(tier)}}},
            "exposure": "20%",
            "minDuration": "30s",
            "maxDuration": "10m",
        }
        for tier in (3, 2, 1)
    ]
    spec: dict[str, Any] = {
        "model": NAME,
        "version": a_version(version) if isinstance(version, str) else version,
        "delivery": {"type": "PodTemplate", "container": "server"},
        "tiers": tiers,
        "analysis": {
            "interval": "10s",
            "warmUp": "0s",
            "verification": "0s",
            "datasets": [{"name": "humans", "metrics": [{"name": "accuracy", "margin": {"absolute": 0.02}}]}],
        },
        "progressDeadline": "2m",
    }
    return ModelDeploymentSpec.model_validate(spec | changes)


def a_result(verdict: Verdict = Verdict.NON_INFERIOR, **changes: Any) -> Result:
    margin = Margin(absolute=0.02)
    result = Result(
        dataset="humans",
        metric="accuracy",
        slice={"carrier": "HA"},
        verdict=verdict,
        candidate=ArmCounts(1000, 61),
        baseline=ArmCounts(4000, 200),
        candidate_value=0.939,
        baseline_value=0.95,
        difference=-0.011,
        interval=(-0.03, 0.01),
        margin=margin,
        tolerance=Margin(absolute=0.01),
        log10_e=5.61,
        log10_e_non_inferior=0.1,
        log10_e_improved=0.0,
        powered=True,
        alpha=0.015,
        traffic=0.1,
    )
    return replace(result, **changes)


def a_judgement(**changes: Any) -> Judgement:
    """Inconclusive, on enough rows of both arms."""
    judgement = Judgement(
        results=(a_result(Verdict.INCONCLUSIVE, labels_needed=900),),
        culprits=(),
        regressed=False,
        non_inferior=False,
        blocks=3,
        until=T0,
        stopped_at=None,
        hypotheses=4,
        alpha=0.015,
        rows=(4000, 1000),
        labels=(4000, 1000),
        coverage_traffic=0.9,
        out_of_domain=(0.0, 0.0),
    )
    return replace(judgement, **changes)


INCONCLUSIVE = a_judgement()
NON_INFERIOR = a_judgement(non_inferior=True, results=(a_result(),))
REGRESSED = a_judgement(
    regressed=True, results=(a_result(Verdict.REGRESSED),), culprits=(a_result(Verdict.REGRESSED),), stopped_at=T0
)

Answer = Judgement | Concern | None


Verified = VerificationLook | Concern | None


class FakeJudge:
    """Plans at once and answers what it is told, per tier; None while nothing is mature."""

    def __init__(self) -> None:
        self.answer: Answer | Callable[[LookRequest], Answer] = NON_INFERIOR
        self.by_tier: dict[str, Answer] = {}
        self.problem: Concern | None = None
        self.validated: Answer = None
        self.recovered: RecoveryLog | Concern | None = None
        self.verified: Verified | Callable[[RolloutRequest], Verified] = None
        self.logged: dict[str, int] = {}
        self.looks = 0
        self.planned: list[FrozenDataset] = []

    def recovery(self, request: RolloutRequest) -> RecoveryLog | Concern | None:
        """As told; by default a complete log of the baseline alone."""
        if self.recovered is not None:
            return self.recovered
        return RecoveryLog(min(request.now, period(request.rollout)[1]), 0, 100)

    def commits(self, request: LookRequest) -> dict[str, int]:
        return self.logged

    def verification(self, request: RolloutRequest) -> VerificationLook | Concern | None:
        """As told; nothing by default."""
        return self.verified(request) if callable(self.verified) else self.verified

    def preflight(self, *_: object) -> Concern | None:
        return self.problem

    def pre_release(self, view: DeploymentView, *_: object) -> Answer:
        return None if view.spec.analysis.pre_release is None else self.validated

    def look(self, request: LookRequest) -> Look:
        self.looks += 1
        answer = self.by_tier.get(request.tier.name, self.answer)
        if callable(answer):
            answer = answer(request)
        if request.tier.frozen is None:
            if isinstance(answer, Concern):
                return Look(answer)
            return Look(frozen=Frozen(at=request.now, alpha=0.015, hypotheses=4, datasets=self.planned))
        if request.tier.judging_since is None or request.now < request.tier.judging_since:
            return Look(answer if isinstance(answer, Concern) else None)
        return Look(answer)

    def forget(self, namespace: str, name: str) -> None:
        return None


class NoStore:
    """Never asked: the fake judge needs no log."""

    def read_cells(self, *_: object) -> None:
        raise AssertionError("no test of decisions reads the log")


class World:
    """v1 runs in three tiers of 4, 8 and 12 pods; everything else is up to the test."""

    def __init__(self, **fleet: Any) -> None:
        self.clock = SimulatedClock(T0)
        self.fleet = SimulatedFleet(self.clock, **fleet)
        self.judge = FakeJudge()
        for tier, replicas in ((3, 4), (2, 8), (1, 12)):
            self.add_workload(f"bot-{tier}", tier, replicas=replicas)

    def add_workload(self, name: str, tier: int, *, version: str = "v1", replicas: int = 4) -> SimulatedWorkload:
        return self.fleet.add_workload(
            name,
            labels={"app": NAME, "tier": str(tier)},
            image="ghcr.io/acme/bot-score:1",
            environment={"MODEL_VERSION": version, "LOG_LEVEL": "info"},
            replicas=replicas,
        )

    def apply(self, version: str | dict[str, Any] = "v1", **changes: Any) -> World:
        self.fleet.apply_deployment(NAME, a_spec(version, **changes))
        return self

    def adopted(self, **changes: Any) -> World:
        """v1 is stable, nothing is in flight."""
        self.apply("v1", **changes).run(1)
        assert self.status.stable is not None
        assert self.status.stable.name == "v1"
        return self

    def tick(self) -> float | None:
        return reconcile(NAMESPACE, NAME, self.fleet, NoStore(), self.clock, self.judge)  # type: ignore[arg-type]

    def settle(self) -> float | None:
        """Tick until nothing is to be done at once (a write wakes us, as a watch does); when to look again."""
        for _ in range(60):
            writes = self.fleet.writes
            try:
                after = self.tick()
            except (CrashError, ConnectionError):
                continue  # a new process, or the next try, goes on with what is stored
            if after != 0.0 and self.fleet.writes == writes:
                return after
        raise AssertionError("ticks without end at one moment")

    def run(self, seconds: float, *, until: Callable[[World], bool] | None = None) -> World:
        """Let so many seconds pass, with a tick whenever one is due; stop early when `until` holds."""
        end = self.clock.now() + timedelta(seconds=seconds)
        while True:
            after = self.settle()
            left = (end - self.clock.now()).total_seconds()
            if (until is not None and until(self)) or left <= 0:
                return self
            self.clock.advance(min(left, left if after is None else after))

    def copy(self) -> World:
        """The same world, to try something else in it."""
        other = copy(self)
        other.clock = SimulatedClock(self.clock.now())
        other.fleet = self.fleet.copy(other.clock)
        return other

    def run_until(self, until: Callable[[World], bool], seconds: float = 1200) -> World:
        self.run(seconds, until=until)
        assert until(self), f"not reached: {self.status.summary} {self.rollout.result if self.fleet.rollouts else ''}"
        return self

    @property
    def status(self) -> ModelDeploymentStatus:
        return self.fleet.deployments[NAME].status

    @property
    def rollout(self) -> ModelRolloutStatus:
        """Of the newest rollout."""
        return max(self.fleet.rollouts.values(), key=lambda stored: stored.spec.revision).status

    def tier(self, tier: int) -> TierStatus:
        return next(record for record in self.rollout.tiers if record.name == f"tier-{tier}")

    def version_of(self, workload: str) -> str:
        return self.fleet.workloads[workload].running.environment["MODEL_VERSION"]

    @property
    def versions(self) -> tuple[str, str, str]:
        """What the workloads' templates name, tiers 3, 2, 1."""
        return (self.version_of("bot-3"), self.version_of("bot-2"), self.version_of("bot-1"))

    @property
    def twins(self) -> set[str]:
        return {w.name for w in self.fleet.workloads.values() if w.twin_of and w.deleting_until is None}

    def condition(self, kind: str) -> Condition:
        return next(condition for condition in self.status.conditions if condition.type == kind)

    @property
    def health(self) -> tuple[str, str]:
        """Which of Ready, Reconciling, Stalled is True, and the reason."""
        true = [
            c for c in self.status.conditions if c.type in ("Ready", "Reconciling", "Stalled") and c.status == "True"
        ]
        assert len(true) == 1, true
        return true[0].type, true[0].reason

    def event_reasons(self) -> list[str]:
        return [event.reason for event in self.fleet.events]
