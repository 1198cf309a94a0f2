"""Anything in any order, over decide() and the loop: what must hold, holds after every tick."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.unit.rollout.test_verification import WORSE, a_look
from tests.unit.rollout.world import INCONCLUSIVE, NAME, NON_INFERIOR, REGRESSED, World, a_spec
from tierwise.api.modelrollout import TierStatus
from tierwise.api.reasons import Reason
from tierwise.errors import ConflictError
from tierwise.monitoring.checks.concern import Concern
from tierwise.rollout.state.observation import Running
from tierwise.simulation.cluster.faults import CrashError, FaultAtWrite, NoFaults

UNREADABLE = Concern(Reason.STORE_UNREACHABLE, "no answer")
BROKEN = Concern(Reason.UNKNOWN_COLUMN, "no such column", stalled=True)
ANSWERS = {
    "non-inferior": NON_INFERIOR,
    "inconclusive": INCONCLUSIVE,
    "regressed": REGRESSED,
    "unreadable": UNREADABLE,
    "stalled": BROKEN,
    "immature": None,
}
VERIFIED = {"good": a_look(), "worse": WORSE, "unreadable": lambda _request: UNREADABLE}
ALLOWED_PROMOTIONS = {"NonInferior", "PromoteRequested", "MaxDuration"}
SECONDS = st.sampled_from([0, 5, 30, 100])
WORKLOADS = ("bot-3", "bot-2", "bot-1")


class Machine(RuleBasedStateMachine):
    """People, clusters, logs and crashes on one side; the loop on the other."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.version = "v1"
        self.changes: dict[str, object] = {}
        self.values = 0
        self.promotions: list[str] = []
        self.foreign = 0

    @initialize(
        choice=st.sampled_from(["Hold", "Promote", "RollBack"]),
        automatic=st.booleans(),
        verification=st.sampled_from(["0s", "5m"]),
        drift=st.sampled_from(["Report", "Restore"]),
    )
    def adopt(self, choice: str, automatic: bool, verification: str, drift: str) -> None:
        analysis = {**a_spec().analysis.to_wire(), "onInconclusive": choice, "verification": verification}
        self.changes = {"analysis": analysis, "rollback": {"automatic": automatic}, "drift": drift}
        self.on_inconclusive = choice
        self.world.adopted(**self.changes)
        self.world.judge.answer = lambda request: self._answer(request)
        self.world.judge.verified = lambda request: VERIFIED[self.verified](request)
        self.answer, self.verified = "non-inferior", "good"
        self.has_regressed = False
        self.said: dict[tuple[str, str], set[str]] = {}
        self.a_person_sets_the_version("v2", 5)

    def tiers(self) -> list[TierStatus]:
        stored = self.world.fleet.rollouts.get(self.world.status.rollout or "")
        return list(stored.status.tiers) if stored is not None else []

    def _answer(self, request):
        self.said.setdefault((request.rollout.name, request.tier.name), set()).add(self.answer)
        return ANSWERS[self.answer]

    @rule(seconds=st.sampled_from([1, 5, 30, 120, 700]))
    def time_passes(self, seconds: int) -> None:
        self.world.run(seconds)

    @rule(answer=st.sampled_from(sorted(ANSWERS)), seconds=SECONDS)
    def the_log_says(self, answer: str, seconds: int) -> None:
        self.answer = answer
        self.world.run(seconds)

    @rule(seconds=SECONDS)
    def the_log_says_it_is_good(self, seconds: int) -> None:
        self.the_log_says("non-inferior", seconds)

    @rule(verified=st.sampled_from(["good", "worse", "unreadable"]), seconds=SECONDS)
    def the_log_says_of_what_was_delivered(self, verified: str, seconds: int) -> None:
        self.verified = verified
        self.has_regressed = self.has_regressed or verified == "worse"
        self.world.run(seconds)

    @rule(version=st.sampled_from(["v1", "v2", "v3", "v4"]), seconds=SECONDS)
    def a_person_sets_the_version(self, version: str, seconds: int) -> None:
        self.version = version
        self.world.apply(version, **self.changes)
        self.world.run(seconds)

    @rule()
    def a_person_pauses_or_resumes(self) -> None:
        self.changes["paused"] = not self.changes.get("paused", False)
        self.world.apply(self.version, **self.changes)

    @rule(verb=st.sampled_from(["rollback", "retry", "promote"]), what=st.sampled_from(["all", "tier-3", "tier-2"]))
    def a_person_commands(self, verb: str, what: str) -> None:
        self.values += 1
        rollout = self.world.status.rollout or "none"
        value = f"{rollout}/{what} {self.values}" if verb == "promote" else f"because {self.values}"
        if verb == "promote":
            self.promotions.append(value)
        self.world.fleet.annotate(NAME, **{verb: value})

    @rule(name=st.sampled_from(WORKLOADS), replicas=st.integers(0, 20))
    def an_autoscaler_scales(self, name: str, replicas: int) -> None:
        self.world.fleet.workloads[name].replicas = replicas

    @precondition(lambda self: self.world.status.rollout is None or any(t.phase == "Delivered" for t in self.tiers()))
    @rule(name=st.sampled_from(WORKLOADS), version=st.sampled_from(["v1", "v2", "v0"]))
    def somebody_overwrites(self, name: str, version: str) -> None:
        self.foreign += 1
        workload = self.world.fleet.workloads[name]
        environment = {**workload.running.environment, "MODEL_VERSION": version}
        workload.set_running(Running(workload.running.image, environment), self.world.clock.now(), "argocd")

    @rule(version=st.sampled_from(["v2", "v3"]), kind=st.sampled_from(["broken", "unready"]), is_so=st.booleans())
    def pods_of_a_version_fail_or_recover(self, version: str, kind: str, is_so: bool) -> None:
        values = getattr(self.world.fleet, kind)
        (values.add if is_so else values.discard)(version)

    @rule(name=st.sampled_from(WORKLOADS), is_blocked=st.booleans())
    def quota_comes_and_goes(self, name: str, is_blocked: bool) -> None:
        twin = self.world.fleet.workloads.get(f"{name}-candidate")
        if twin is not None:
            twin.blocked = "exceeded quota" if is_blocked else None

    @rule(index=st.integers(0, 6), is_before=st.booleans(), error=st.sampled_from([CrashError, ConflictError]))
    def a_fault_is_ahead(self, index: int, is_before: bool, error: type[BaseException]) -> None:
        if error is ConflictError:
            is_before = True  # a conflict is told instead of a write
        self.world.fleet.faults = FaultAtWrite(index, error, is_before=is_before)

    @invariant()
    def exactly_one_of_ready_reconciling_and_stalled(self) -> None:
        if self.world.fleet.deployments:
            assert self.world.health

    @invariant()
    def at_most_one_tier_is_in_flight_and_tiers_go_in_order(self) -> None:
        for stored in self.world.fleet.rollouts.values():
            phases = [tier.phase for tier in stored.status.tiers]
            active = [phase for phase in phases if phase in ("Probing", "Judging", "Delivering")]
            assert len(active) <= 1
            if active:
                index = phases.index(active[0])
                assert set(phases[:index]) <= {"Delivered"}
                assert set(phases[index + 1 :]) <= {"Pending"}

    @invariant()
    def at_most_one_rollout_is_in_flight(self) -> None:
        ended = ("Completed", "RolledBack", "Superseded")
        assert sum(stored.status.result not in ended for stored in self.world.fleet.rollouts.values()) <= 1

    @invariant()
    def promotion_needs_evidence_or_a_person(self) -> None:
        for stored in self.world.fleet.rollouts.values():
            for tier in stored.status.tiers:
                if tier.gate is None or tier.gate.decision != "Promote":
                    continue
                assert tier.gate.reason in ALLOWED_PROMOTIONS
                if tier.gate.reason == "PromoteRequested":
                    assert any(value.startswith(f"{stored.name}/") for value in self.promotions)
                if tier.gate.reason == "NonInferior":
                    assert "non-inferior" in self.said[stored.name, tier.name]
                if tier.gate.reason == "MaxDuration":
                    assert self.on_inconclusive == "Promote"
                    assert "inconclusive" in self.said[stored.name, tier.name]

    @invariant()
    def only_a_regression_seen_on_the_log_rolls_a_delivered_version_back(self) -> None:
        for stored in self.world.fleet.rollouts.values():
            if stored.status.reason == "RegressedAfterPromotion":
                assert self.has_regressed
                assert self.changes["rollback"] == {"automatic": True}

    @invariant()
    def what_is_watched_delays_nothing(self) -> None:
        for stored in self.world.fleet.rollouts.values():
            record = stored.status.verification
            if record is not None and record.stage == "AfterRollout":
                assert stored.status.result == "Completed"
                assert record.since == stored.status.finished_at

    @invariant()
    def no_tier_is_delivered_to_before_its_soak(self) -> None:
        for stored in self.world.fleet.rollouts.values():
            for tier in stored.status.tiers:
                if tier.delivering_since is not None and tier.gate is not None and tier.gate.reason == "NonInferior":
                    assert (tier.delivering_since - tier.judging_since).total_seconds() >= 30

    @invariant()
    def what_was_rolled_back_left_no_twin_and_runs_from_again(self) -> None:
        rollouts = sorted(self.world.fleet.rollouts.values(), key=lambda stored: stored.spec.revision)
        if not rollouts or self.foreign:
            return
        last = rollouts[-1]
        if last.status.result in ("RolledBack", "Superseded") and self.world.status.rollout is None:
            assert self.world.twins == set()
            assert set(self.world.versions) == {last.spec.from_.parameters["MODEL_VERSION"]}

    @invariant()
    def stable_is_what_runs_where_nothing_is_in_flight(self) -> None:
        status = self.world.status
        if status.stable is None or status.rollout is not None or self.foreign:
            return
        assert set(self.world.versions) == {status.stable.parameters["MODEL_VERSION"]}

    @invariant()
    def twins_exist_only_in_the_tier_in_flight(self) -> None:
        name = self.world.status.rollout
        if name is None:
            assert self.world.twins == set()
            return
        if name in self.world.fleet.rollouts and self.world.fleet.rollouts[name].status.rolling_back_since is None:
            allowed = {
                f"bot-{tier.name[-1]}-candidate"
                for tier in self.world.fleet.rollouts[name].status.tiers
                if tier.phase in ("Probing", "Judging", "Delivering")
            }
            assert self.world.twins <= allowed

    @invariant()
    def statuses_are_small(self) -> None:
        for stored in (*self.world.fleet.rollouts.values(), *self.world.fleet.deployments.values()):
            assert len(stored.status.model_dump_json(by_alias=True, exclude_none=True)) < 64 * 1024

    def teardown(self) -> None:
        """Once nothing is in its way any more, the rollout goes on by itself and ends at the last spec."""
        world = self.world
        if self.foreign or not world.fleet.deployments:
            return
        world.fleet.faults = NoFaults()
        world.fleet.broken.clear()
        world.fleet.unready.clear()
        for workload in world.fleet.workloads.values():
            workload.blocked, workload.replicas = None, max(1, workload.replicas)
        self.answer, self.verified = "non-inferior", "good"
        self.changes["paused"] = False
        world.apply(self.version, **self.changes)
        world.run(2000)
        assert world.status.rollout is None
        assert world.twins == set()
        if world.health != ("Stalled", "VersionRejected"):
            assert world.status.stable.name == self.version
            assert world.health == ("Ready", "AtRest")


# `make chaos` explores new stories, many more and longer; the run in `make test` is always the same one.
CHAOS = int(os.environ.get("TIERWISE_CHAOS_EXAMPLES", "0"))
Machine.TestCase.settings = settings(
    max_examples=CHAOS or 40,
    stateful_step_count=40 if CHAOS else 25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=not CHAOS,
)
TestMachine = Machine.TestCase
