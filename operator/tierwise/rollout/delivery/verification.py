"""After promotion: delivered tiers are watched on the log, beside the tiers to come and then for `verification` long.

It delays nothing: a rollout is Completed when it is delivered, and the ModelDeployment Ready. A regression rolls
everything back: in flight by the rollout itself, afterwards by a rollout back to the previous version.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from tierwise.api.common import duration_seconds
from tierwise.api.modelrollout import ModelRolloutSpec, ModelRolloutStatus, Verification, VerificationVerdict
from tierwise.monitoring.checks.concern import Concern
from tierwise.monitoring.planning.tier_plan import VERIFICATION_SHARE
from tierwise.rollout.record.evidence import slice_verdict
from tierwise.rollout.state.actions import CreateRollout, Decision
from tierwise.rollout.state.conditions import render, rollout_report
from tierwise.rollout.state.flight import Flight
from tierwise.rollout.state.observation import Observation, RolloutView, VerificationLook
from tierwise.rollout.state.versions import is_same
from tierwise.rollout.state.wording import clip, clock_time, result, seconds
from tierwise.stats.days import MIN_DAYS

# Half of what is kept of falseRollbackRate is for the time beside other tiers, half for the time after the rollout.
STAGE_SHARE = VERIFICATION_SHARE / 2
LONGEST_POLL_SECONDS = 60.0
MOST_SHOWN = 5
MOST_NAMED = 50
MOST_MISSING = 3
_DAY_SECONDS = 86_400


def is_on(spec: ModelRolloutSpec) -> bool:
    """Whether delivered tiers are watched at all."""
    return spec.compared and duration_seconds(spec.strategy.analysis.verification) > 0


def beside_other_tiers(spec: ModelRolloutSpec, status: ModelRolloutStatus, now: datetime) -> Verification | None:
    """The record from the first delivered tier on; the one there is, or None, where there is nothing to begin."""
    has_more = any(tier.phase != "Delivered" for tier in status.tiers)
    if status.verification is not None or not has_more or not is_on(spec):
        return status.verification
    return Verification(stage="BesideOtherTiers", since=now, alpha=_alpha(spec), message="watched beside other tiers")


def after_rollout(spec: ModelRolloutSpec, now: datetime) -> Verification | None:
    """The record from the last delivery on."""
    if not is_on(spec):
        return None
    until = now + timedelta(seconds=duration_seconds(spec.strategy.analysis.verification))
    text = f"watched until {clock_time(until)}"
    return Verification(stage="AfterRollout", since=now, until=until, alpha=_alpha(spec), message=text)


def _alpha(spec: ModelRolloutSpec) -> float:
    return round(STAGE_SHARE * spec.strategy.analysis.false_rollback_rate, 12)


def without_an_end(status: ModelRolloutStatus, now: datetime) -> Verification | None:
    """The record of a rollout that goes back: what was still watched is not watched any more."""
    record = status.verification
    if record is None or record.verdict != "Verifying":
        return record
    return _ended(record, "Superseded", "not watched to its end: the rollout goes back", now)


def is_open(status: ModelRolloutStatus) -> bool:
    """Whether a finished rollout's version is still watched."""
    record = status.verification
    return status.result == "Completed" and record is not None and record.verdict == "Verifying"


def newest(rollouts: Sequence[RolloutView]) -> RolloutView | None:
    """The latest attempt."""
    return max(rollouts, key=lambda rollout: rollout.spec.revision, default=None)


def verifying(observation: Observation) -> RolloutView | None:
    """The rollout whose version is watched: the newest, while what it delivered is stable."""
    found = newest(observation.rollouts)
    if found is None or found.deleting or not is_open(found.status) or not _is_stable(observation, found):
        return None
    return found


def regressed(observation: Observation) -> RolloutView | None:
    """The rollout whose delivered version was found worse and is stable still: it is to be rolled back."""
    found = newest(observation.rollouts)
    if found is None or found.status.result != "Completed" or not _is_stable(observation, found):
        return None
    record = found.status.verification
    return found if record is not None and record.verdict == "Regressed" else None


def of_stable(observation: Observation) -> Verification | None:
    """What is known of the stable version since its rollout ended; None where it is not watched."""
    found = newest(observation.rollouts)
    if found is None or found.status.result != "Completed" or not _is_stable(observation, found):
        return None
    return found.status.verification


def cause_of(rollouts: Sequence[RolloutView], backward: RolloutView) -> str | None:
    """Why a rollout goes back to the previous version, where verification asked for it."""
    before = newest([rollout for rollout in rollouts if rollout.spec.revision < backward.spec.revision])
    record = before.status.verification if before is not None else None
    if (
        before is None
        or record is None
        or record.verdict != "Regressed"
        or not is_same(before.spec.to, backward.spec.to)
    ):
        return None
    return record.message


def _is_stable(observation: Observation, rollout: RolloutView) -> bool:
    stable = observation.deployment.status.stable
    return stable is not None and is_same(stable, rollout.spec.to)


def watched(flight: Flight, status: ModelRolloutStatus) -> tuple[ModelRolloutStatus, str | None]:
    """The status with what was found of delivered tiers while others are to come, and why to roll back, if so."""
    record = status.verification
    if record is None or record.stage != "BesideOtherTiers" or record.verdict != "Verifying":
        return status, None
    after = _seen(record, flight.spec, flight.observation.verification, flight.now)
    status = status.model_copy(update={"verification": after})
    is_regressed = after.verdict == "Regressed" and flight.observation.deployment.spec.rollback.automatic
    return status, after.message if is_regressed else None


def verified(observation: Observation, decision: Decision, now: datetime) -> Decision:
    """The decision at rest, with one step of the verification.

    When the decision starts a rollout, the end of the verification is recorded first, in a tick of its own.
    """
    rollout = verifying(observation)
    if rollout is None:
        return decision
    record = rollout.status.verification
    assert record is not None
    created = next((action for action in decision.actions if isinstance(action, CreateRollout)), None)
    if created is not None:
        text = f"not watched to its end: the rollout of {created.spec.to.name} begins"
        if is_same(created.spec.to, rollout.spec.to):
            text = f"not watched to its end: back to {created.spec.from_.name}"
        after = _ended(record, "Superseded", text, now)
        status = _with_verification(rollout, after, now)
        return Decision(observation.deployment.status, status, rollout.name, requeue_after_seconds=0.0)
    status = _with_verification(rollout, _seen(record, rollout.spec, observation.verification, now), now)
    if status != rollout.status:
        return replace(decision, rollout_status=status, rollout_name=rollout.name, requeue_after_seconds=0.0)
    poll = _poll_seconds(rollout.spec)
    requeue = decision.requeue_after_seconds
    return replace(decision, requeue_after_seconds=poll if requeue is None else min(poll, requeue))


def _poll_seconds(spec: ModelRolloutSpec) -> float:
    longest = duration_seconds(spec.strategy.analysis.verification)
    return min(LONGEST_POLL_SECONDS, max(1.0, longest / 30))


def _seen(
    record: Verification,
    spec: ModelRolloutSpec,
    look: VerificationLook | Concern | None,
    now: datetime,
) -> Verification:
    """The record after a look."""
    if look is None:
        return record
    if isinstance(look, Concern):
        text = f"nothing can be compared ({look.reason}): {look.message}"
        is_over = record.until is not None and now >= record.until
        return _ended(record, "NotVerified", text, now) if is_over else _told(record, text)
    update: dict[str, Any] = {
        "control": look.control,
        "shift_seconds": look.shift_seconds,
        "past_days": list(look.past_days),
    }
    record = record.model_copy(update=update)
    if look.looks == 0 and look.complete_until is None:
        return record
    record = record.model_copy(
        update={
            "looks": look.looks,
            "evidence_until": look.until,
            "worst": [slice_verdict(found) for found in look.results[:MOST_SHOWN]],
            "watched": list(look.watched[:MOST_NAMED]),
            "not_watched": [clip(f"{name}: {why}", 250) for name, why in look.skipped[:MOST_NAMED]],
        }
    )
    control = against(record)
    if look.regressed:
        named = result(look.results[0]) if look.results else "the evidence reached its bound"
        undecided = _why_it_only_tells(record)
        if undecided is not None:
            text = f"worse since promotion: {named}, compared with {control}, {undecided}: "
            return _ended(record, "NotVerified", f"{text}nothing is rolled back; check, and roll back by hand", now)
        return _ended(
            record, "Regressed", f"{spec.to.name} got worse after promotion: {named}, compared with {control}", now
        )
    skipped = f"; not watched: {', '.join(name for name, _ in look.skipped)}" if look.skipped else ""
    complete = look.complete_until or record.since
    if record.until is None or complete < record.until:
        until = "" if record.until is None else f" until {clock_time(record.until)}"
        overdue = record.until is not None and (now - record.until).total_seconds() >= _grace_seconds(spec)
        if overdue:
            return _ended(record, "NotVerified", f"the log is not complete{until}; check that pods still log", now)
        lacking = f"; not verified so far: {_first(look.missing)}" if look.missing else ""
        return _told(record, f"watched{until} against {control}{lacking}{skipped}")
    if not look.has_compared:
        text = f"too few rows on one side to compare with {control}{skipped}"
        return _ended(record, "NotVerified", text, now)
    if look.missing:
        text = f"the log could not tell: {_first(look.missing)}; no regression in what it has, compared with {control}"
        return _ended(record, "NotVerified", text, now)
    covered = (look.until - record.since).total_seconds() if look.until is not None else 0.0
    text = f"no regression found in {seconds(covered)} after promotion, compared with {control}{skipped}"
    return _ended(record, "NoRegression", text, now)


def _first(missing: Sequence[str]) -> str:
    more = len(missing) - MOST_MISSING
    return "; ".join(missing[:MOST_MISSING]) + (f"; and {more} more" if more > 0 else "")


def _grace_seconds(spec: ModelRolloutSpec) -> float:
    """So long after its end a verification waits for rows and labels that are late."""
    return max(600.0, float(duration_seconds(spec.strategy.analysis.verification)))


def against(record: Verification) -> str:
    """What the version is compared with, in words."""
    if record.control == "stratified":
        return "the baseline in the tiers to come, within the confounders' values"
    elsewhere = ", less the change in the tiers to come" if record.stage == "BesideOtherTiers" else ""
    if _is_just_before(record):
        return f"the tiers' own time just before the rollout{elsewhere}"
    days = _days(record)
    text = f"{days[0]} day{'s' if days[0] > 1 else ''} before"
    if len(days) > 1:
        text = f"of {len(days)} days, {days[0]} to {days[-1]} days before"
    return f"the same hours {text}{elsewhere}"


def _why_it_only_tells(record: Verification) -> str | None:
    """Why a regression is told and not rolled back; None where it is."""
    if record.control != "history":
        return None
    if _is_just_before(record):
        return "which is not matched by the time of day"
    if len(_days(record)) < MIN_DAYS:
        return f"and how much days differ by themselves is known from {MIN_DAYS} days on"
    return None


def _days(record: Verification) -> list[int]:
    return record.past_days or [int((record.shift_seconds or 0.0) // _DAY_SECONDS)]


def _is_just_before(record: Verification) -> bool:
    """Whether the past is at other hours of the day, so that a change may be the time's as well as the version's."""
    return record.control == "history" and bool((record.shift_seconds or 0.0) % _DAY_SECONDS)


def _told(record: Verification, message: str) -> Verification:
    return record.model_copy(update={"message": clip(message, 500)})


def _ended(record: Verification, verdict: VerificationVerdict, message: str, now: datetime) -> Verification:
    return record.model_copy(update={"verdict": verdict, "finished_at": now, "message": clip(message, 500)})


def _with_verification(rollout: RolloutView, record: Verification, now: datetime) -> ModelRolloutStatus:
    if record == rollout.status.verification:
        return rollout.status
    status = rollout.status.model_copy(update={"verification": record})
    conditions = render(rollout_report(status), status.conditions, generation=rollout.generation, now=now)
    return status.model_copy(update={"conditions": conditions})
