"""What a rollout's state means, and what to do next: the words of `explain`. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from tierwise.api.modelrollout import SliceVerdict, TierStatus
from tierwise.api.names import ANNOTATION_PROMOTE, ANNOTATION_RETRY, ANNOTATION_ROLLBACK, GateDecision
from tierwise.api.reasons import Reason
from tierwise.plurals import plural
from tierwise.report.rollout.view import TierLine, View
from tierwise.report.text import NEVER, YEAR_SECONDS, count_text, printable, rate_text, slice_text, wait_text
from tierwise.report.verdict_rows import seconds_to_wait

# Only for these does the operator wait for tierwise.io/retry; it refuses one for anything else.
_NEED_RETRY = (Reason.VERSION_REJECTED, Reason.FIELD_CONFLICT, Reason.DATASET_INVALID)


@dataclass(frozen=True, slots=True)
class Advice:
    """Sentences that explain the state and say what to do next, and commands to paste."""

    why: tuple[str, ...]
    next: tuple[str, ...]
    commands: tuple[str, ...]


def advice_of(view: View) -> Advice:
    """Explain the state of the ModelDeployment, and say what a person can do."""
    tier = tier_in_question(view)
    judged = view.slices_judged
    why = [f"{printable(judged.message)}."] if judged is not None and judged.status == "False" else []
    why += [view.message] if view.message else []
    if tier is not None and tier.record is not None:
        why += _evidence(tier.record, view.message)
    stored = view.rollout.status.evidence if view.rollout is not None else None
    if stored is not None and stored.failing_since is not None:
        since = f"{stored.failing_since:%Y-%m-%d %H:%M:%S} UTC"
        why.append(f"Its verdicts are not stored since {since}, which is tried again: {stored.message}.")
    if view.drift and view.drift not in view.message:
        why.append(f"Not in sync: {view.drift}.")
    why += [f"At {entry.at:%Y-%m-%d %H:%M:%S} UTC: {entry.message}" for entry in view.refused]
    namespace = f"kubectl -n {view.namespace}"
    match view.result:
        case "RolledBack" | "RollingBack":
            return _rolled_back(view, tuple(why), namespace)
        case "Completed" | "Ready":
            return _delivered(view, tuple(why), namespace)
        case "Paused":
            return _paused(view, tuple(why), namespace)
        case "Superseded":
            return Advice(tuple(why), ("A newer version took its place; look at its rollout.",), ())
        case "Stalled":
            if tier is not None and tier.record is not None and _held_by_pause(tier.record):
                return _paused(view, tuple(why), namespace)
            return _stalled(view, tier, tuple(why), namespace)
        case _:
            return _waiting(view, tier, tuple(why), namespace)


def remedy_of(reason: str) -> str:
    """What a person should do about a reason; "" if nothing, or if the reason is of another release."""
    return Reason(reason).facts.remedy if reason in set(Reason) else ""


def tier_in_question(view: View) -> TierLine | None:
    """The tier in flight, else the last tier with evidence."""
    named = view.rollout.status.tier if view.rollout is not None else None
    judged = [tier for tier in view.tiers if tier.record is not None and (tier.record.gate or tier.record.look)]
    return next((tier for tier in view.tiers if tier.name == named), judged[-1] if judged else None)


def _evidence(record: TierStatus, told: str) -> list[str]:
    sentences = []
    gate = record.gate
    if gate is not None and gate.message and gate.decision is GateDecision.HOLD:
        why = "" if gate.message in told else f": {gate.message}"
        sentences.append(f"The gate holds ({gate.reason}){why or '.'}")
    if record.look:
        until = f", until {record.evidence_until:%H:%M:%S} UTC" if record.evidence_until else ""
        seen = f"{count_text(record.labels)} {'label' if record.labels == 1 else 'labels'}"
        sentences.append(f"{record.name} was looked at {_times(record.look)}{until}, {seen}.")
    coverage = record.coverage
    if coverage is not None and coverage.slices:
        text = (
            f"Of {plural(coverage.slices, 'slice x metric', 'slices x metrics')} {coverage.regressed} regressed, "
            f"{_are(coverage.non_inferior)} shown not to be worse, {_are(coverage.inconclusive)} open, "
            f"{coverage.insufficient} {'has' if coverage.insufficient == 1 else 'have'} too few labels."
        )
        if coverage.traffic is not None:
            text += (
                f" {rate_text(coverage.traffic)} of the traffic is in slices large enough to be judged on their own, "
                "in the dimension where that share is smallest. Smaller slices are promoted with the whole."
            )
        sentences.append(text)
    return sentences


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _are(count: int) -> str:
    return f"{count} is" if count == 1 else f"{count} are"


def _delivered(view: View, why: tuple[str, ...], namespace: str) -> Advice:
    why = why or (f"{view.stable or view.version} serves in every tier.",)
    record = view.rollout.status.verification if view.rollout is not None else None
    if record is not None:
        why = (*why, f"After promotion: {record.message}.")
    if record is not None and record.verdict == "Regressed":
        command = f'{namespace} annotate mdep {view.name} --overwrite {ANNOTATION_ROLLBACK}="<reason>"'
        return Advice(why, ("Roll back, or keep it: rollback.automatic is false.",), (command,))
    if view.drift:
        patch = """'{"spec":{"drift":"Restore"}}'"""
        then = (remedy_of(Reason.DRIFTED), "To let Tierwise undo such changes:")
        return Advice(why, then, (f"{namespace} patch mdep {view.name} --type merge -p {patch}",))
    return Advice(why, ("Nothing.",), ())


def _rolled_back(view: View, why: tuple[str, ...], namespace: str) -> Advice:
    touched = [tier.name for tier in view.tiers if tier.status not in ("Untouched", "Pending")]
    untouched = [tier.name for tier in view.tiers if tier.status in ("Untouched", "Pending")]
    if view.recovery:
        why = (*why, f"{view.recovery[0].upper()}{view.recovery[1:]}.")
    then = [f"{view.to_version} is remembered as rejected and is not tried again by itself."]
    if untouched:
        back = "is" if len(touched) == 1 else "are"
        then.append(
            f"{' and '.join(untouched)} never ran it; {' and '.join(touched)} {back} back on {view.from_version}."
        )
    then.append("Apply a new version (another name and digest), or, if the cause lay elsewhere, retry this one:")
    retry = f'{namespace} annotate mdep {view.name} --overwrite {ANNOTATION_RETRY}="$(date +%s)"'
    return Advice(why, tuple(then), (retry, f"tierwise status {view.name} -n {view.namespace} --watch"))


def _held_by_pause(record: TierStatus) -> bool:
    return record.gate is not None and record.gate.reason == Reason.PAUSED


def _paused(view: View, why: tuple[str, ...], namespace: str) -> Advice:
    patch = """'{"spec":{"paused":false}}'"""
    then = "Judging goes on; resume to let it be promoted." if view.rollout else "Resume to let the rollout begin."
    return Advice(why, (then,), (f"{namespace} patch mdep {view.name} --type merge -p {patch}",))


def _stalled(view: View, tier: TierLine | None, why: tuple[str, ...], namespace: str) -> Advice:
    retry = f'{namespace} annotate mdep {view.name} --overwrite {ANNOTATION_RETRY}="$(date +%s)"'
    then = [remedy_of(view.reason) or "A person has to change something; the reason above says what."]
    if view.reason == "MaxDuration":
        then = ["There was not enough evidence in time. Decide: promote this tier, or roll back."]
        return Advice(why, tuple(then), (*_decide(view, tier, namespace),))
    if view.reason in _NEED_RETRY:
        then.append("When that is done, a retry lets it go on:")
        return Advice(why, tuple(then), (retry,))
    then.append("When the cause is gone it goes on by itself.")
    return Advice(why, tuple(then), (f"tierwise status {view.name} -n {view.namespace} --watch",))


def _waiting(view: View, tier: TierLine | None, why: tuple[str, ...], namespace: str) -> Advice:
    record = tier.record if tier is not None else None
    gate = record.gate if record is not None else None
    if view.rollout is None:
        steps = ("Wait for the operator to see it; if this lasts, check that the operator runs:",)
        return Advice(why, steps, ("kubectl get deploy,pods -A -l app.kubernetes.io/name=tierwise",))
    then = []
    if gate is not None and gate.decision is GateDecision.HOLD:
        remedy = gate.reason.facts.remedy
        if remedy:  # the remedy first, because without it no labels come
            then.append(remedy)
        if record is not None and record.waiting:
            then.append(_waits_for(record))
        if not remedy:
            then.append("Nothing has to be done; it goes on by itself.")
    else:
        then.append("Nothing has to be done; it goes on by itself.")
    watch = f"tierwise status {view.name} -n {view.namespace} --watch"
    return Advice(why, tuple(then), (watch, *_decide(view, tier, namespace)))


def _waits_for(record: TierStatus) -> str:
    """The slowest of what promotion waits for: the same that the gate's message names."""
    slowest, many = record.waiting[0], record.coverage.waiting if record.coverage is not None else 1
    of = f", the slowest of {many} slices x metrics" if many > 1 else ""
    needed = slowest.labels_needed
    if not needed:
        return f"Promotion waits for {_name(slowest)}{of}; there are too few labels to say how many it takes."
    return f"Promotion waits for {plural(needed, 'label')} more of {_name(slowest)}{of}{_wait(record, slowest)}."


def _wait(record: TierStatus, slowest: SliceVerdict) -> str:
    """How long that takes; a gate that waits for nothing else has said it already, as of its look."""
    wait = seconds_to_wait(slowest, judged_seconds(record))
    if wait is not None and wait > YEAR_SECONDS:
        return f"; {NEVER}: it would take {wait_text(wait)}"
    if wait is None or (record.gate is not None and record.gate.reason is Reason.INCONCLUSIVE):
        return ""
    return f", about {wait_text(wait)} of traffic as so far" if wait >= 1 else ", expected with the next labels"


def judged_seconds(record: TierStatus) -> float | None:
    """Seconds of prediction time judged so far; None before the first block."""
    if record.judging_since is None or record.evidence_until is None:
        return None
    return max(0.0, (record.evidence_until - record.judging_since).total_seconds())


def _decide(view: View, tier: TierLine | None, namespace: str) -> tuple[str, ...]:
    if view.rollout is None or tier is None:
        return ()
    annotate = f"{namespace} annotate mdep {view.name} --overwrite"
    return (
        f"{annotate} {ANNOTATION_PROMOTE}={view.rollout.name}/{tier.name}    # promote without waiting",
        f'{annotate} {ANNOTATION_ROLLBACK}="<reason>"    # roll back now',
    )


def _name(found: SliceVerdict) -> str:
    return f"{found.metric} on {slice_text(found.slice)}"
