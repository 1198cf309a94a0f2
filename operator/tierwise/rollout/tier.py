"""One tier at a time: start, probe, judge, gate. (Delivery: delivery/deliver.py.)"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, timedelta

from tierwise.api.common import duration_seconds
from tierwise.api.modelrollout import Gate, ModelRolloutStatus, TierStatus
from tierwise.api.names import GateDecision
from tierwise.api.reasons import Reason
from tierwise.monitoring.checks.concern import Concern
from tierwise.monitoring.verdicts.judgement import Judgement
from tierwise.plurals import plural
from tierwise.rollout.delivery import rollback, validate
from tierwise.rollout.delivery.probe import Arms, arms_of, changed_pods
from tierwise.rollout.delivery.records import promoted, records_of_tier
from tierwise.rollout.gate import Outcome, Situation, gate
from tierwise.rollout.record.evidence import with_judgement
from tierwise.rollout.state import commands, wording
from tierwise.rollout.state.flight import Flight, Step, is_by_place, progressing, stalled, with_tier, with_workloads

# A message about the evidence also names the control, if it is not beside the candidate.
_OF_EVIDENCE = (
    Reason.REGRESSED,
    Reason.REGRESSION_OBSERVED,
    Reason.NON_INFERIOR,
    Reason.INCONCLUSIVE,
    Reason.MAX_DURATION,
)


def start(flight: Flight, tier: TierStatus) -> Step:
    """Fix the tier's workloads and its start time, in a tick of its own before the first twin."""
    problem = validate.tier_problem(flight, tier.name)
    if problem is not None:
        return Step(stalled(flight.status, problem.reason, problem.message, flight.now), (), flight.poll_seconds)
    records = records_of_tier(flight.tier_spec(tier.name), flight.tier_view(tier.name).workloads)
    status = with_tier(flight.status, tier.name, phase="Probing", started_at=flight.now, workloads=records)
    status = status.model_copy(update={"tier": tier.name})
    return Step(
        progressing(status, Reason.PROBING, f"{tier.name}: probing {plural(len(records), 'workload')}"), (), 0.0
    )


def advance(flight: Flight, tier: TierStatus, *, conflict: str | None) -> Step:
    """Probe and judge: update the twins, record the pods, and call the gate.

    `conflict`: another writer fights over a delivered workload of an earlier tier. Judging continues without promotion.
    """
    arms = arms_of(flight, tier)
    problem = validate.probe_problem(flight, arms)
    status = flight.status
    if flight.spec.compared and tier.frozen is None and flight.observation.frozen is not None:
        # The plan is recorded before any candidate pod exists and before any block is folded with it.
        return Step(with_tier(status, tier.name, frozen=flight.observation.frozen), (), 0.0)
    if arms.foreign:
        status = with_workloads(status, tier.name, arms.records)
        text = "; ".join(arms.foreign) + "; delivered once more"
        return Step(progressing(status, Reason.PROBING, f"{tier.name}: {text}"), (), 0.0)
    changes = changed_pods(tier, arms, flight)
    if changes is not None and (tier.judging_since is not None or arms.is_settled):
        status = with_tier(status, tier.name, pods_changes=changes)
        if tier.judging_since is not None:
            return Step(status, (), 0.0)  # the cut is recorded before a twin follows an edit
    if tier.judging_since is None and arms.is_settled and _is_planned(flight, tier):
        warm_up = timedelta(seconds=duration_seconds(flight.spec.strategy.analysis.warm_up))
        status = with_tier(status, tier.name, phase="Judging", judging_since=flight.now + warm_up)
        return Step(status, (), 0.0)
    if isinstance(flight.observation.judgement, Judgement):
        status = with_judgement(status, tier.name, flight.observation.judgement)
    outcome = gate(_situation(flight, tier, arms, conflict))
    if arms.unprobed and arms.candidate_wanted and outcome.decision is not GateDecision.ROLL_BACK:
        outcome = replace(outcome, message=f"{outcome.message}; {'; '.join(arms.unprobed)}")
    if is_by_place(tier) and outcome.reason in _OF_EVIDENCE:
        outcome = replace(outcome, message=f"{outcome.message}; control: by place")
    is_asked_for = outcome.reason is Reason.PROMOTE_REQUESTED and problem is not None and problem.promotable
    if problem is not None and outcome.decision is not GateDecision.ROLL_BACK and not is_asked_for:
        outcome = Outcome(GateDecision.HOLD, problem.reason, problem.message, stalled=True)
    elif outcome.decision is GateDecision.HOLD:
        outcome = replace(outcome, message=outcome.message + _unfollowed(tier))
    step = _obey(flight, status, tier, outcome)
    # Twins are made only after the tier's plan is recorded, so there is no exposure that cannot be judged.
    may_probe = _is_planned(flight, tier) and (problem is None or problem.reason is not Reason.TWIN_CONFLICT)
    if outcome.decision is GateDecision.HOLD and may_probe:
        status = with_workloads(step.status, tier.name, arms.records)
        step = replace(step, status=status, actions=arms.actions)
    return step


def _is_planned(flight: Flight, tier: TierStatus) -> bool:
    return tier.frozen is not None or not flight.spec.compared


def _situation(flight: Flight, tier: TierStatus, arms: Arms, conflict: str | None) -> Situation:
    observation, spec = flight.observation, flight.tier_spec(tier.name)
    judged, live = observation.judgement, observation.deployment.spec
    judging_seconds = flight.seconds_since(tier.judging_since)
    return Situation(
        judgement=judged if isinstance(judged, Judgement) else None,
        concerns=tuple(_concerns(flight, tier, arms, conflict)),
        is_compared=flight.spec.compared,
        automatic_rollback=live.rollback.automatic,
        paused=live.paused,
        max_duration_passed=judging_seconds >= duration_seconds(spec.max_duration),
        on_inconclusive=flight.spec.strategy.analysis.on_inconclusive,
    )


def _concerns(flight: Flight, tier: TierStatus, arms: Arms, conflict: str | None) -> Iterator[Concern]:
    """The concerns from people, pods, time and the store about the tier now."""
    observation = flight.observation
    annotations, handled = observation.deployment.annotations, observation.deployment.status.handled
    asked = commands.pending("rollback", annotations, handled, flight.status.handled)
    is_begun = bool(tier.judging_since or arms.candidate_ready or arms.crash_looping)
    soak_seconds = duration_seconds(flight.tier_spec(tier.name).min_duration)
    said = {
        Reason.ROLLBACK_REQUESTED: rollback.requested_message(asked),
        Reason.PROMOTE_REQUESTED: promotion(flight, tier.name),
        Reason.PROBE_UNAVAILABLE: arms.blocked,
        Reason.BASELINE_UNREADY: arms.baseline_unready if is_begun or is_by_place(tier) else None,
        Reason.CANDIDATE_UNREADY: _candidate_unready(flight, tier, arms),
        Reason.WARMING_UP: _warming_up(flight, tier, arms),
        Reason.FIELD_CONFLICT: conflict,
        Reason.SOAKING: _soaking(flight, tier, soak_seconds),
    }
    yield from (Concern(reason, message) for reason, message in said.items() if message is not None)
    if isinstance(observation.judgement, Concern):
        yield observation.judgement


def promotion(flight: Flight, tier: str) -> str | None:
    """The message of a promote annotation for this tier, unhandled or given for all tiers of this rollout."""
    given_for_all = commands.parse_promotion(flight.status.handled.get("promote", ""))
    if given_for_all is not None and given_for_all.tier == commands.ALL:
        return "promoted for all tiers by annotation"
    return None if _promoting(flight, tier) is None else f"{tier} promoted by annotation"


def _promoting(flight: Flight, tier: str) -> str | None:
    """The unhandled value of the promote annotation, where it names this tier."""
    annotations, handled = flight.observation.deployment.annotations, flight.observation.deployment.status.handled
    value = commands.pending("promote", annotations, handled, flight.status.handled)
    wanted = None if value is None else commands.parse_promotion(value)
    return value if wanted is not None and wanted.names(flight.rollout.name, tier) else None


def _candidate_unready(flight: Flight, tier: TierStatus, arms: Arms) -> str | None:
    if arms.crash_looping is not None:
        return arms.crash_looping
    if arms.candidate_ready >= arms.candidate_wanted or arms.drifted is not None or arms.is_control_short:
        return None
    if tier.judging_since is not None:
        # In place a pod may have to wait for an untouched one: only the time counts in which those were there.
        least = arms.baseline_wanted if is_by_place(tier) else 0
        since = None
        for change in reversed(tier.pods_changes):
            if change.candidate >= arms.candidate_wanted or change.until is not None or change.baseline < least:
                break
            since = change.at
    else:
        # Only time counts in which nothing else kept the pods from being ready.
        since = tier.gate.since if tier.gate is not None and tier.gate.reason is Reason.WARMING_UP else None
    if flight.seconds_since(since) < flight.progress_deadline_seconds:
        return None
    deadline = flight.spec.strategy.progress_deadline
    ready = f"{arms.candidate_ready} of {plural(arms.candidate_wanted, 'candidate pod')} ready"
    return f"{ready} after progressDeadline {deadline}"


def _warming_up(flight: Flight, tier: TierStatus, arms: Arms) -> str | None:
    if tier.judging_since is None:
        candidate = f"{arms.candidate_ready} of {arms.candidate_wanted} candidate"
        return f"{candidate} and {arms.baseline_ready} of {plural(arms.baseline_wanted, 'baseline pod')} ready"
    if flight.now < tier.judging_since:
        return f"candidate pods are warm at {wording.clock_time(tier.judging_since)}"
    judged = flight.observation.judgement
    if flight.spec.compared and (judged is None or (isinstance(judged, Judgement) and judged.blocks == 0)):
        return "the first block of predictions is not mature yet"
    return None


def _unfollowed(tier: TierStatus) -> str:
    """A message: why no time is judged while the pods change too often."""
    if not tier.pods_changes or tier.pods_changes[-1].until is None:
        return ""
    until = tier.pods_changes[-1].until.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    return f"; the pods changed {plural(len(tier.pods_changes), 'time')}: nothing is judged before {until}"


def _soaking(flight: Flight, tier: TierStatus, soak_seconds: int) -> str | None:
    # A time instead of a countdown, because a message that changes by itself would cause a status write at every tick.
    if tier.judging_since is None or flight.seconds_since(tier.judging_since) >= soak_seconds:
        return None
    return f"minDuration is over at {wording.clock_time(tier.judging_since + timedelta(seconds=soak_seconds))}"


def _obey(flight: Flight, status: ModelRolloutStatus, tier: TierStatus, outcome: Outcome) -> Step:
    is_same = tier.gate is not None and (tier.gate.decision, tier.gate.reason) == (outcome.decision, outcome.reason)
    since = tier.gate.since if tier.gate is not None and is_same else flight.now
    told = Gate(decision=outcome.decision, reason=outcome.reason, message=wording.clip(outcome.message), since=since)
    status = with_tier(status, tier.name, gate=told)
    message = f"{tier.name}: {outcome.message}"
    match outcome.decision:
        case GateDecision.ROLL_BACK:
            return rollback.begin(flight, status, outcome.reason, message)
        case GateDecision.PROMOTE:
            # The delivery is recorded before it begins, so that a rollback knows all workloads.
            records = promoted(tier.workloads, flight.tier_view(tier.name).workloads)
            status = with_tier(status, tier.name, phase="Delivering", delivering_since=flight.now, workloads=records)
            if outcome.reason is Reason.PROMOTE_REQUESTED:
                status = _with_promotion_handled(flight, status, tier.name)
            return Step(progressing(status, outcome.reason, message), (), 0.0)
        case GateDecision.HOLD:
            longest = duration_seconds(flight.tier_spec(tier.name).max_duration)
            if outcome.stalled:
                status = stalled(status, outcome.reason, message, flight.now)
            elif flight.seconds_since(tier.started_at) >= longest:
                text = f"{message}; held longer than maxDuration {flight.tier_spec(tier.name).max_duration}"
                status = stalled(status, outcome.reason, text, flight.now)
            else:
                status = progressing(status, outcome.reason, message)
            return Step(status, (), flight.poll_seconds)


def _with_promotion_handled(flight: Flight, status: ModelRolloutStatus, tier: str) -> ModelRolloutStatus:
    """Record the promote annotation first in the rollout, with the same write that promotes.

    A value that promotes something else, or was refused, did not promote this tier.
    """
    value = _promoting(flight, tier)
    if value is None:
        return status
    return status.model_copy(update={"handled": {**status.handled, "promote": value}})
