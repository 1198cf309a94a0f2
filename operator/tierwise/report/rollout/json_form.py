"""The machine-readable form of `status` and `explain`: stable keys, null for what is not known."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from tierwise.api.modelrollout import ModelRolloutSpec, SliceVerdict, TierStatus
from tierwise.report.analysis.json_form import margin_json, time_text
from tierwise.report.rollout.advice import Advice
from tierwise.report.rollout.view import TierLine, View
from tierwise.report.verdict_rows import bounds_in, by_evidence

STATUS_SCHEMA = "tierwise.io/status/v1"
EXPLAIN_SCHEMA = "tierwise.io/explain/v1"


def status_json(view: View) -> dict[str, Any]:
    """The document of `status -o json|yaml`."""
    rollout = view.rollout
    return {
        "schema": STATUS_SCHEMA,
        "namespace": view.namespace,
        "name": view.name,
        "model": view.model,
        "version": view.version,
        "stable": view.stable,
        "result": view.result,
        "in_flight": view.in_flight,
        "status": view.deployment_status,
        "reason": view.reason,
        "message": view.message,
        "rollout": None
        if rollout is None
        else {
            "name": rollout.name,
            "revision": rollout.spec.revision,
            "from": view.from_version,
            "to": view.to_version,
            "result": rollout.status.result,
            "started_at": _time(rollout.status.started_at),
            "finished_at": _time(rollout.status.finished_at),
            "seconds": view.seconds,
            "recovery": None if rollout.status.recovery is None else rollout.status.recovery.to_wire(),
            "slices_judged": None if view.slices_judged is None else view.slices_judged.to_wire(),
            "verification": None if rollout.status.verification is None else rollout.status.verification.to_wire(),
            "evidence": None if rollout.status.evidence is None else rollout.status.evidence.to_wire(),
        },
        "tiers": [_tier(tier, rollout.spec if rollout is not None else None) for tier in view.tiers],
        "refused": [entry.to_wire() for entry in view.refused],
        "drift": view.drift,
        "conditions": [condition.to_wire() for condition in view.conditions],
    }


def explain_json(view: View, advice: Advice) -> dict[str, Any]:
    """The document of `explain -o json|yaml`: the status, and what it means."""
    return status_json(view) | {
        "schema": EXPLAIN_SCHEMA,
        "explanation": {"why": list(advice.why), "next": list(advice.next), "commands": list(advice.commands)},
    }


def _tier(tier: TierLine, spec: ModelRolloutSpec | None) -> dict[str, Any]:
    return {
        "name": tier.name,
        "phase": tier.status,
        "pods": {"ready": tier.ready, "total": tier.total},
        "versions": list(tier.versions),
        "seconds": tier.seconds,
        "workloads": [
            {
                "kind": str(member.kind),  # YAML knows no enumerations
                "name": member.name,
                "role": member.role,
                "status": member.status,
                "ready": member.ready,
                "total": member.total,
                "version": member.version,
                "message": member.message,
            }
            for member in tier.members
        ],
        **_evidence(tier.record, spec),
    }


def _evidence(record: TierStatus | None, spec: ModelRolloutSpec | None) -> dict[str, Any]:
    if record is None or spec is None:
        return {
            "gate": None,
            "labels": 0,
            "looks": 0,
            "evidence_until": None,
            "coverage": None,
            "worst": [],
            "waiting": [],
            "culprits": [],
        }
    return {
        "gate": record.gate.to_wire() if record.gate is not None else None,
        "labels": record.labels,
        "looks": record.look,
        "evidence_until": _time(record.evidence_until),
        "coverage": record.coverage.to_wire() if record.coverage is not None else None,
        "worst": [_slice(found, spec) for found in by_evidence(record.worst)],
        "waiting": [_slice(found, spec) for found in record.waiting],
        "culprits": [_slice(found, spec) for found in record.culprits],
    }


def _slice(found: SliceVerdict, spec: ModelRolloutSpec) -> dict[str, Any]:
    """As the status has it, with the bounds that are in the rollout's strategy."""
    tolerance, margin = bounds_in(spec, found)
    return found.to_wire() | {"tolerance": margin_json(tolerance), "margin": margin_json(margin)}


def _time(value: datetime | None) -> str | None:
    return time_text(value) if value is not None else None
