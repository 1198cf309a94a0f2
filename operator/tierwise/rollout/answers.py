"""Annotations of a ModelDeployment that have no effect: each value is answered once, and has no effect later, either.

Each command is executed, or it waits for its tier, or it is refused here.
"""

from __future__ import annotations

import difflib
import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from tierwise.api.modeldeployment import ModelDeploymentStatus, RefusedAnnotation
from tierwise.api.modelrollout import ModelRolloutStatus
from tierwise.api.names import ANNOTATION_PROMOTE, ANNOTATION_RETRY, ANNOTATION_ROLLBACK, ANNOTATIONS, GROUP
from tierwise.api.reasons import Reason
from tierwise.rollout import start
from tierwise.rollout.state import commands, drift
from tierwise.rollout.state.conditions import current_tier
from tierwise.rollout.state.flight import FINISHED
from tierwise.rollout.state.observation import DeploymentView, Observation, RolloutView
from tierwise.rollout.state.versions import is_same
from tierwise.rollout.state.wording import clip

MOST_UNKNOWN = 10
_SHOWN = 80
_STAMP = "$(date +%s)"
# Whatever the gate says, a tier with one of these is not promoted (tier.advance, gate.TABLE).
_IN_THE_WAY = (Reason.FIELD_CONFLICT, Reason.TWIN_CONFLICT, Reason.MIXED_BASELINE)
_USUAL = {
    ANNOTATION_ROLLBACK: '"<reason>"',
    ANNOTATION_PROMOTE: "<rollout>/<tier>",
    ANNOTATION_RETRY: f'"{_STAMP}"',
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an annotation has no effect, and what has one."""

    why: str
    right: str


def answered(observation: Observation, rollout: RolloutView | None, now: datetime) -> ModelDeploymentStatus:
    """The status with an answer to each annotation that has no effect; `rollout` is the one in flight.

    A refused command counts as handled, in the status of the ModelDeployment alone: it is never executed.
    """
    view = observation.deployment
    status = view.status
    unknown = _unknown(view)
    known = {*commands.ANNOTATIONS.values(), *unknown}
    handled = dict(status.handled)
    kept = [
        entry
        for entry in status.refused
        if entry.annotation in known and commands.short(view.annotations.get(entry.annotation, "\0")) == entry.value
    ]
    told = {entry.annotation for entry in kept}
    refused = {key: refusal for key, refusal in unknown.items() if key not in told}
    for verb, refusal in _refused(observation, rollout):
        key = commands.ANNOTATIONS[verb]
        handled[verb] = view.annotations[key]
        refused[key] = refusal
    kept = [entry for entry in kept if entry.annotation not in refused]
    new = [_entry(view, key, refusal, now) for key, refusal in refused.items()]
    drifted = status.drift
    retry = commands.pending("retry", view.annotations, handled, rollout.status.handled if rollout is not None else {})
    if retry is not None and drift.given_up(drifted):
        drifted = drift.forgiven(drifted)
        if not _retries(observation, rollout):
            handled["retry"] = retry
    return status.model_copy(update={"handled": handled, "refused": [*kept, *new], "drift": drifted})


def _entry(view: DeploymentView, key: str, refusal: Refusal, now: datetime) -> RefusedAnnotation:
    value = view.annotations[key]
    shown = json.dumps(clip(value, _SHOWN), ensure_ascii=False)
    message = clip(f"annotation {key}={shown} has no effect: {refusal.why}. {refusal.right}")
    return RefusedAnnotation(annotation=key, value=commands.short(value), message=message, at=now)


def _unknown(view: DeploymentView) -> dict[str, Refusal]:
    """Keys of ours that nothing reads: a mistyped command would otherwise be waited for in vain."""
    keys = sorted(key for key in view.annotations if key.startswith(f"{GROUP}/") and key not in ANNOTATIONS)
    return {key: _of_unknown(view, key) for key in keys[:MOST_UNKNOWN]}


def _of_unknown(view: DeploymentView, key: str) -> Refusal:
    verbs = {name.partition("/")[2]: name for name in commands.ANNOTATIONS.values()}
    near = [verbs[verb] for verb in difflib.get_close_matches(key.partition("/")[2].lower(), verbs, n=1)]
    if not near:
        every = ", ".join(commands.ANNOTATIONS.values())
        return Refusal(
            "Tierwise has no such annotation", f"Its commands are {every}. Remove it: {_annotate(view)} {key}-"
        )
    value = view.annotations[key]
    given = shlex.quote(value) if value.strip() and value.isprintable() and len(value) <= _SHOWN else _USUAL[near[0]]
    return Refusal(
        f"Tierwise has no such annotation; {near[0]} is meant, perhaps",
        f"Use: {_annotate(view)} {near[0]}={given} {key}-",
    )


def _refused(observation: Observation, rollout: RolloutView | None) -> Iterator[tuple[commands.Verb, Refusal]]:
    view = observation.deployment
    records = (view.status.handled, {} if rollout is None else rollout.status.handled)
    for verb, key in commands.ANNOTATIONS.items():
        value = view.annotations.get(key)
        if value is None or commands.is_handled(verb, value, *records):
            continue
        refusal = _of_command(observation, rollout, verb, value)
        if refusal is not None:
            yield verb, refusal


def _of_command(
    observation: Observation, rollout: RolloutView | None, verb: commands.Verb, value: str
) -> Refusal | None:
    view = observation.deployment
    if not value.strip():
        return Refusal("the value is empty", f"Use: {_right(view, rollout, verb)}")
    if rollout is not None and not rollout.status.tiers:
        return None  # it has just been made: the next tick knows more
    match verb:
        case "promote":
            return _of_promote(observation, rollout, value)
        case "rollback":
            return _of_rollback(view, rollout)
        case "retry":
            return _of_retry(observation, rollout)


def _of_rollback(view: DeploymentView, rollout: RolloutView | None) -> Refusal | None:
    if rollout is not None:
        if rollout.status.rolling_back_since is None:
            return None
        why = f"{rollout.name} is already going back to {rollout.spec.from_.name}"
        return Refusal(why, "Nothing has to be done")
    if view.status.previous_stable is not None:
        return None
    why = "no rollout is in flight, and no version before the stable one is known to return to"
    return Refusal(why, "Set spec.version to the version that should run")


def _of_retry(observation: Observation, rollout: RolloutView | None) -> Refusal | None:
    view = observation.deployment
    if _retries(observation, rollout) or drift.given_up(view.status.drift):
        return None
    if rollout is not None:
        if rollout.status.result in FINISHED:
            return None  # at rest it may be about the version
        why = f"{rollout.name} has neither writes by others to forgive nor a tier whose dataset was edited"
        return Refusal(why, "A hold goes on by itself when its cause is gone; `tierwise explain` says which")
    stable = view.status.stable
    if stable is not None and not is_same(start.candidate_of(observation, stable), stable) and not view.spec.paused:
        return None  # a rollout is about to begin, or says why it cannot
    why = "no rollout is in flight, and the version that spec.version names was not rejected"
    return Refusal(why, f"`tierwise explain {view.name} -n {view.namespace}` says what is waited for")


def _retries(observation: Observation, rollout: RolloutView | None) -> bool:
    """Whether `retry` changes the course of a rollout, or starts one."""
    if rollout is not None:
        return _waits_for_retry(rollout.status)
    status = observation.deployment.status
    return status.stable is not None and start.rejected(observation, status.stable) is not None


def _waits_for_retry(status: ModelRolloutStatus) -> bool:
    """As advance.py treats it."""
    return any(
        any(record.foreign_writes for record in tier.workloads)
        or (tier.gate is not None and tier.gate.reason is Reason.DATASET_INVALID)
        for tier in status.tiers
    )


def _of_promote(observation: Observation, rollout: RolloutView | None, value: str) -> Refusal | None:
    view, wanted = observation.deployment, commands.parse_promotion(value)
    if rollout is None:
        over = {each.name: each.status.result for each in observation.rollouts}
        named = wanted.rollout if wanted is not None else None
        ended = f" ({named} is over: {over[named]})" if named in over else ""
        return Refusal(f"no rollout is in flight{ended}", f"While one is: {_right(view, None, 'promote')}")
    status, right = rollout.status, f"Use: {_right(view, rollout, 'promote')}"
    if status.result in FINISHED:
        return None  # the next tick is at rest, and says so
    if wanted is None:
        return Refusal("it names no rollout and tier", right)
    if wanted.rollout not in (None, rollout.name):
        return Refusal(f"{wanted.rollout} is not in flight, {rollout.name} is", right)
    if status.rolling_back_since is not None:
        return Refusal(f"{rollout.name} is going back to {rollout.spec.from_.name}", "Set a new version to start again")
    phases = {tier.name: tier.phase for tier in status.tiers}
    if wanted.tier not in (*phases, commands.ALL):
        return Refusal(f"{rollout.name} has no tier {wanted.tier!r}, only {', '.join(phases)}", right)
    asked = phases.values() if wanted.tier == commands.ALL else (phases[wanted.tier],)
    if all(phase in ("Delivering", "Delivered") for phase in asked):
        return Refusal(f"{wanted.tier} of {rollout.name} is promoted already", "Nothing has to be done")
    again = f'{_annotate(view)} {ANNOTATION_PROMOTE}="{rollout.name}/{wanted.tier} {_STAMP}"'
    if view.spec.paused:
        resume = (
            f"""kubectl -n {view.namespace} patch mdep {view.name} --type merge -p '{{"spec":{{"paused":false}}}}'"""
        )
        return Refusal(
            "spec.paused forbids promotions, and this one is not kept for later", f"Use: {resume} && {again}"
        )
    if status.result == "Stalled" and status.reason in _IN_THE_WAY:
        return Refusal(f"{status.reason} forbids it, and it is not kept for later", f"Correct the cause, then: {again}")
    return None


def _right(view: DeploymentView, rollout: RolloutView | None, verb: commands.Verb) -> str:
    """The command in its right form, with the tier in flight where there is one."""
    key = commands.ANNOTATIONS[verb]
    tier = current_tier(rollout.status) if rollout is not None else None
    value = _USUAL[key]
    if verb == "promote" and rollout is not None and tier is not None:
        value = f"{rollout.name}/{tier.name}"
    return f"{_annotate(view)} {key}={value}"


def _annotate(view: DeploymentView) -> str:
    return f"kubectl -n {view.namespace} annotate mdep {view.name} --overwrite"
