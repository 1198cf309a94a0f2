"""One rollout by its name, in flight, over or gone: from its object, or from what the store keeps of it. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tierwise.api.modelrollout import SliceVerdict
from tierwise.report.analysis.json_form import time_text
from tierwise.report.rollout.advice import Advice, advice_of
from tierwise.report.rollout.view import RESULT_TONE, View, tier_line
from tierwise.rollout.record.past import PastRollout
from tierwise.rollout.record.verdicts import StoredVerdict, VerdictRecord
from tierwise.rollout.state.flight import FINISHED
from tierwise.rollout.state.observation import RolloutView


def view_of_rollout(namespace: str, rollout: RolloutView, now: datetime) -> View:
    """What the object says; of its workloads nothing, as they may serve another version by now."""
    spec, status = rollout.spec, rollout.status
    ended = status.finished_at or now
    return View(
        namespace=namespace,
        name=rollout.name,
        model=spec.model,
        version=spec.to.name,
        stable=spec.to.name if status.result == "Completed" else spec.from_.name,
        result=status.result,
        tone=RESULT_TONE[status.result],
        deployment_status=status.result,
        deployment_tone=RESULT_TONE[status.result],
        rollout=rollout,
        from_version=spec.from_.name,
        to_version=spec.to.name,
        seconds=(ended - (status.started_at or rollout.created_at)).total_seconds(),
        reason=status.reason,
        message=status.message,
        tiers=tuple(tier_line(tier.name, [], tier, now) for tier in status.tiers),
        conditions=tuple(status.conditions),
    )


def advice_of_rollout(view: View, past: PastRollout | None) -> Advice:
    """Why it ended as it did; what is left to do is a matter of its ModelDeployment."""
    assert view.rollout is not None
    why = list(advice_of(view).why)
    if view.rollout.status.result not in FINISHED:
        why.append("It is in flight, or was when this was stored.")
    name = view.rollout.spec.model_deployment
    sql = () if past is None else (f"tierwise query --rollout {view.rollout.name}    # every slice, as SQL",)
    commands = (f"tierwise explain {name} -n {view.namespace}    # what is going on now", *sql)
    return Advice(tuple(why), (), commands)


def worst_first(record: VerdictRecord) -> list[SliceVerdict]:
    """The decision's slices and metrics: those named first, then by evidence against the candidate."""

    def rank(each: StoredVerdict) -> tuple[bool, bool, float]:
        evidence = each.found.log10_e
        return not each.culprit, not each.found.flagged, float("inf") if evidence is None else -evidence

    return [each.found for each in sorted(record.verdicts, key=rank)]


def title_of(record: VerdictRecord) -> str:
    """``tier-3: RollBack (Regressed) at 2026-03-01 12:00:00 UTC, 42 slices x metrics``; how many are lost, if any."""
    decided = record.decided
    where = f"{decided.tier}: " if decided.tier else ""
    count = f", {len(record.verdicts)} slices x metrics" if record.verdicts else ""
    lost = {0: "", -1: "; others were lost"}.get(record.missing, f"; {record.missing} more were lost")
    reason = f" ({decided.reason})" if decided.reason and decided.reason != decided.decision else ""
    return f"{where}{decided.decision}{reason} at {decided.at:%Y-%m-%d %H:%M:%S} UTC{count}{lost}"


def command_text(record: VerdictRecord) -> str:
    """``promote bot-score-4/tier-3 by kubectl-annotate at 2026-03-01 12:00:00 UTC``."""
    decided = record.decided
    by = f" by {decided.by}" if decided.by else ""
    return f"{decided.verb} {decided.message}{by} at {decided.at:%Y-%m-%d %H:%M:%S} UTC"


def past_json(past: PastRollout | None, *, gone: bool, store: str | None) -> dict[str, Any]:
    """What `explain NAME-N -o json` adds: where it is from, decisions with every verdict, and commands."""
    stored = None if past is None else store
    facts: dict[str, Any] = {"source": {"object": not gone, "store": stored}}
    if past is None:
        return facts
    return facts | {
        "decisions": [_decision(record) for record in past.decisions],
        "commands": [
            {
                "verb": record.decided.verb,
                "value": record.decided.message,
                "by": record.decided.by or None,
                "at": time_text(record.decided.at),
            }
            for record in past.commands
        ],
        "earlier_rollouts_of_this_name": list(past.others),
    }


def _decision(record: VerdictRecord) -> dict[str, Any]:
    decided = record.decided
    verdicts = {id(each.found): each for each in record.verdicts}
    return {
        "tier": decided.tier or None,
        "decision": decided.decision,
        "reason": decided.reason,
        "message": decided.message,
        "at": time_text(decided.at),
        "missing": record.missing if record.missing >= 0 else None,
        "complete": not record.missing,
        "verdicts": [_verdict(verdicts[id(found)]) for found in worst_first(record)],
    }


def _verdict(each: StoredVerdict) -> dict[str, Any]:
    return each.found.to_wire() | {
        "margin": each.margin.to_wire(),
        "culprit": each.culprit,
        "powered": each.powered,
        "alpha": each.alpha,
        "traffic": each.traffic,
        "log10ENonInferior": each.log10_e_non_inferior,
        "log10EImproved": each.log10_e_improved,
    }
