"""Verdicts outlive the rollout: written at every decision, retried, and no decision waits for the store."""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.support.polling import eventually
from tests.unit.rollout.test_verification import a_look
from tests.unit.rollout.world import NAME, NON_INFERIOR, REGRESSED, World, a_judgement, a_result, a_spec
from tests.unit.runtime.keeping import NO_TABLE, KeptWorld
from tests.unit.runtime.prediction_log import PredictionLog
from tests.unit.runtime.test_judging import DATASET, JudgedWorld
from tierwise.api.names import Verdict
from tierwise.monitoring.verdicts.judgement import Judgement
from tierwise.runtime.control_loop.keeper import VerdictKeeper
from tierwise.runtime.control_loop.reconcile import Ticking
from tierwise.simulation.cluster.faults import CrashError, FaultAtWrite
from tierwise.simulation.cluster.fleet import NAMESPACE

MANY = a_judgement(
    non_inferior=True,
    results=tuple(a_result(slice={"carrier": f"C{n:03}"}, powered=n % 2 == 0) for n in range(50)),
)
WORSE = a_judgement(
    regressed=True,
    results=(a_result(Verdict.REGRESSED, flagged=True), *MANY.results),
    culprits=(a_result(Verdict.REGRESSED, flagged=True),),
)


@pytest.fixture
def world() -> KeptWorld:
    world = KeptWorld()
    world.judge.answer = MANY
    world.adopted()
    return world


def watched(seconds: str) -> dict[str, Any]:
    """Delivered tiers are watched for so long."""
    return {"analysis": {**a_spec().analysis.to_wire(), "verification": seconds}}


def completed(world: World) -> World:
    return world.run_until(lambda w: w.rollout.result == "Completed")


def judged(world: World) -> World:
    """Tier 3 has evidence, and is in flight."""
    return world.run_until(lambda w: bool(w.fleet.rollouts) and w.tier(3).look > 0)


def rolled_back(world: World) -> World:
    return world.run_until(lambda w: w.rollout.result == "RolledBack")


def test_a_promotion_stores_every_slice_and_metric_of_every_tier(world):
    completed(world.apply("v2")).settle()
    past = world.store.of(f"{NAME}-1")
    assert [(record.decided.tier, record.decided.decision) for record in past.decisions] == [
        ("", "Start"), ("tier-3", "Promote"), ("tier-2", "Promote"), ("tier-1", "Promote"), ("", "Completed"),
    ]  # fmt: skip
    promoted = past.decisions[1]
    assert (promoted.decided.reason, promoted.missing) == ("NonInferior", 0)
    assert [each.found.slice for each in promoted.verdicts] == [result.slice for result in MANY.results]
    assert [each.powered for each in promoted.verdicts] == [result.powered for result in MANY.results]
    assert len(world.tier(3).worst) == 10
    assert set(world.written) == {"/Start", "tier-3/Promote", "tier-2/Promote", "tier-1/Promote", "/Completed"}


def test_on_real_evidence_as_many_verdicts_are_stored_as_were_judged():
    log = PredictionLog(per_second=60, error_rates=(0.1, 0.3))
    world = JudgedWorld(log)
    keeper = VerdictKeeper(lambda _dsn: log, world.fleet, world.clock, lambda *_: None)
    ticking = Ticking(world.fleet, lambda _dsn: log, world.clock, world.judge, keeper)
    world.tick = lambda: ticking.tick(NAMESPACE, NAME)
    world.judged().run_until(lambda w: w.rollout.result == "RolledBack", 900)
    (back,) = [record for record in log.verdicts if record.decided.key == "tier-3/RollBack"]
    assert len(back.verdicts) == world.tier(3).coverage.slices == 3
    assert {frozenset(each.found.slice.items()) for each in back.verdicts if each.culprit} == {
        frozenset(culprit.slice.items()) for culprit in world.tier(3).culprits
    }
    assert back.datasets == {"humans": DATASET}


def test_a_rollback_stores_its_culprits_and_the_object_as_it_ended(world):
    world.judge.answer = WORSE
    rolled_back(world.apply("v2")).settle()
    past = world.store.of(f"{NAME}-1")
    back = next(record for record in past.decisions if record.decided.tier == "tier-3")
    assert (back.decided.decision, back.decided.reason) == ("RollBack", "Regressed")
    assert [each.found.slice for each in back.verdicts if each.culprit] == [{"carrier": "HA"}]
    assert len(back.verdicts) == 51
    assert past.rollout.status.result == "RolledBack"
    assert past.rollout.status.message == world.rollout.message


def test_a_superseded_tier_keeps_what_was_known_of_it(world):
    world.judge.answer = a_judgement()
    judged(world.apply("v2")).apply("v3").run(60)
    past = world.store.of(f"{NAME}-1")
    assert [(r.decided.tier, r.decided.decision, len(r.verdicts)) for r in past.decisions] == [
        ("", "Start", 0), ("tier-3", "Supersede", 1), ("", "Superseded", 0),
    ]  # fmt: skip


def test_without_the_table_decisions_are_the_same_and_it_is_said_what_to_run():
    kept, bare = KeptWorld(patience=0.05), World()
    kept.store.error = NO_TABLE
    ends = []
    for world in (kept, bare):
        completed(world.adopted().apply("v2"))
        ends.append([(tier.gate, tier.finished_at) for tier in world.rollout.tiers])
    assert ends[0] == ends[1]
    kept.settle()
    evidence = kept.rollout.evidence
    assert evidence.written == []
    assert "tierwise store init" in evidence.message
    assert kept.condition("EvidenceStored").status == "False"
    assert "tierwise store init" in kept.condition("EvidenceStored").message
    assert kept.event_reasons().count("EvidenceNotStored") == 1
    assert kept.health == ("Ready", "AtRest")
    kept.mended()
    assert set(kept.written) == {"/Start", "tier-3/Promote", "tier-2/Promote", "tier-1/Promote", "/Completed"}
    assert kept.event_reasons().count("EvidenceStored") == 1
    assert [c.type for c in kept.status.conditions if c.type == "EvidenceStored"] == []


def test_nothing_is_said_to_be_stored_while_a_part_of_it_still_waits():
    world = KeptWorld(patience=0.05)
    world.store.error = NO_TABLE
    completed(world.adopted().apply("v2")).settle()
    world.store.hangs_after, world.store.error = 1, None
    eventually(lambda: (world.settle(), world.written)[1], within=20, every=0.02, what="the first record is told")
    assert len(world.written) == 1
    assert world.condition("EvidenceStored").status == "False"
    assert "EvidenceStored" not in world.event_reasons()
    world.store.goes_on.set()
    eventually(world.is_told, within=20, every=0.02, what="the status says that all is stored")
    assert len(world.written) == 5
    assert world.event_reasons().count("EvidenceStored") == 1


def test_a_store_that_hangs_holds_no_decision_up():
    world = KeptWorld(patience=0.1)
    world.adopted()
    world.store.hangs = True
    started = time.monotonic()
    completed(world.apply("v2"))
    assert time.monotonic() - started < 25, "a write that hangs waits 30 s"
    assert world.store.records == []
    world.store.goes_on.set()
    world.store.hangs = False
    world.mended()


def test_a_process_that_ends_before_the_store_is_back_stores_what_the_status_has_and_says_how_much_is_lost():
    world = KeptWorld(patience=0.05)
    world.judge.answer = WORSE
    world.store.error = NO_TABLE
    rolled_back(world.adopted().apply("v2"))
    world.restart()
    world.store.error = None
    world.settle()
    back = next(r for r in world.store.of(f"{NAME}-1").decisions if r.decided.tier == "tier-3")
    assert (len(back.verdicts), back.missing) == (10, 41)
    assert [each.found.slice for each in back.verdicts if each.culprit] == [{"carrier": "HA"}]
    assert world.store.of(f"{NAME}-1").missing


def test_a_process_that_ends_before_its_status_is_written_loses_nothing(world):
    """Written twice: what is made up from the status does not replace what is whole."""
    completed(world.apply("v2")).settle()
    stored = world.fleet.rollouts[f"{NAME}-1"]
    stored.status = stored.status.model_copy(update={"evidence": None})
    world.restart()
    world.settle()
    past = world.store.of(f"{NAME}-1")
    assert [record.missing for record in past.decisions] == [0, 0, 0, 0, 0]
    assert [len(record.verdicts) for record in past.decisions] == [0, 50, 50, 50, 0]
    assert len(world.store.records) > 5
    assert "/Completed" in world.written


@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize("answer", [MANY, WORSE])
def test_a_crash_at_any_write_loses_no_verdict(answer, is_before):
    whole = stored_after(answer, None)
    index = 0
    while True:
        fault = FaultAtWrite(index, CrashError, is_before=is_before)
        assert stored_after(answer, fault) == whole, f"crash at write {index}"
        if not fault.has_happened:
            break
        index += 1
    assert index > 20


def stored_after(answer: Judgement, fault: FaultAtWrite | None) -> list[tuple[str, str, str, int, int]]:
    """The decisions of a version's rollout that ended, while the operator died at a write."""
    world = KeptWorld()
    world.judge.answer = answer
    world.adopted()
    if fault is not None:
        world.fleet.faults = fault
    world.apply("v2").run(400)
    past = world.store.of(f"{NAME}-1")
    return [(r.decided.tier, r.decided.decision, r.decided.reason, len(r.verdicts), r.missing) for r in past.decisions]


def test_a_decision_that_was_never_recorded_is_stored_anew_when_it_is_made(world):
    """The write of the status fails, and at the next look there is no reason to promote any more, for a while."""
    world.judge.answer = a_judgement()
    judged(world.apply("v2"))
    world.run(60)
    world.judge.answer = NON_INFERIOR
    world.fleet.faults = FaultAtWrite(0, ConnectionError, is_before=True)
    with pytest.raises(ConnectionError):
        world.tick()
    too_early = next(r for r in world.store.records if r.decided.key == "tier-3/Promote").decided.at
    world.judge.answer = a_judgement()
    world.run(60)
    assert world.tier(3).phase == "Judging"
    world.judge.answer = MANY
    completed(world).settle()
    promoted = world.store.of(f"{NAME}-1").decisions[1]
    assert promoted.decided.at == world.tier(3).delivering_since > too_early
    assert len(promoted.verdicts) == 50


def test_what_is_found_after_the_end_is_stored_too(world):
    world.judge.verified = a_look()
    completed(world.apply("v2", **watched("5m"))).run(100)
    more = tuple(a_result(Verdict.REGRESSED, slice={"carrier": f"C{n}"}) for n in range(7))  # a status keeps 5
    world.judge.verified = a_look(regressed=True, results=more)
    world.run(400)
    forward, backward = world.store.of(f"{NAME}-1"), world.store.of(f"{NAME}-2")
    found = next(r for r in forward.decisions if r.decided.decision == "VerificationAfterRollout")
    assert (found.decided.reason, len(found.verdicts), found.missing) == ("Regressed", 7, 0)
    assert [(r.decided.tier, r.decided.decision, r.decided.reason) for r in backward.decisions if r.decided.tier] == [
        (f"tier-{n}", "RollBack", "RegressedAfterPromotion") for n in (3, 2, 1)
    ]


def test_the_recovery_after_a_rollback_is_stored(world):
    world.judge.answer = WORSE
    brief = {"rollback": {"verifyRecovery": "1m"}}
    rolled_back(world.apply("v2", **brief)).run(120)
    last = world.store.of(f"{NAME}-1").decisions[-1]
    assert (last.decided.decision, last.decided.reason) == ("Recovery", "RecoveryVerified")


def test_who_asked_for_what_is_stored(world):
    world.judge.answer = a_judgement()
    judged(world.apply("v2"))
    world.apply("v2", paused=True).run(10)
    world.apply("v2", paused=False).run(10)
    world.fleet.annotate(NAME, promote=f"{NAME}-1/tier-3")
    world.run(60)
    world.fleet.annotate(NAME, rollback="looks wrong")
    rolled_back(world).settle()
    past = world.store.of(f"{NAME}-1")
    assert [(record.decided.verb, record.decided.message) for record in past.commands] == [
        ("pause", "true"), ("pause", "false"), ("promote", f"{NAME}-1/tier-3"), ("rollback", "looks wrong"),
    ]  # fmt: skip
    assert [(r.decided.tier, r.decided.decision, r.decided.reason) for r in past.decisions if r.decided.tier] == [
        ("tier-3", "Promote", "PromoteRequested"),
        ("tier-2", "RollBack", "RollbackRequested"),
    ]


def test_deleting_the_model_deployment_in_flight_keeps_what_was_known(world):
    world.judge.answer = REGRESSED
    judged(world.apply("v2", rollback={"automatic": False}))
    world.fleet.delete_deployment(NAME)
    world.run(60)
    assert world.fleet.rollouts == {}
    past = world.store.of(f"{NAME}-1")
    assert [(r.decided.tier, r.decided.decision, len(r.verdicts)) for r in past.decisions] == [
        ("", "Start", 0), ("tier-3", "Deleted", 1), ("", "Deleted", 0),
    ]  # fmt: skip


def test_rollouts_of_an_earlier_release_are_stored_as_far_as_their_status_goes(world):
    bare = World()
    bare.judge.answer = NON_INFERIOR
    completed(bare.adopted().apply("v2"))
    world.fleet, world.clock = bare.fleet, bare.clock
    world.restart()
    world.settle()
    assert "/Completed" in world.written
    assert world.store.of(f"{NAME}-1").decisions[1].verdicts[0].found.metric == "accuracy"
