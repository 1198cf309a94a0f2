"""The decision of the pre-release gate: start, wait, or do not start at all."""

from __future__ import annotations

from dataclasses import dataclass

from tierwise.api.names import GateDecision
from tierwise.api.reasons import Reason
from tierwise.monitoring.checks.concern import Concern
from tierwise.rollout.delivery.validate import Problem
from tierwise.rollout.gate import Situation
from tierwise.rollout.gate import gate as decide
from tierwise.rollout.state import wording
from tierwise.rollout.state.conditions import Standing
from tierwise.rollout.state.observation import Observation

REMEDY = "no pod was touched: set another version, or change spec.analysis.preRelease"


@dataclass(frozen=True, slots=True)
class Closed:
    """Why no rollout starts: it waits for rows (Reconciling) or for a person (Stalled)."""

    health: Standing
    problem: Problem


def closed(observation: Observation, candidate: str) -> Closed | None:
    """Why the gate is closed to the candidate; None if it is open, or if there is no gate.

    The gate never opens if rows or labels are missing, or if the store cannot be read.
    """
    gate = observation.deployment.spec.analysis.pre_release
    if gate is None:
        return None
    judged = observation.pre_release
    where = f"{candidate} on the validation set {gate.dataset!r}"
    if judged is None:
        return Closed("Reconciling", Problem(Reason.PRE_RELEASE, f"{where} is not judged yet"))
    if isinstance(judged, Concern):
        outcome = decide(Situation(concerns=(judged,)))
        return Closed("Stalled" if outcome.stalled else "Reconciling", Problem(outcome.reason, outcome.message))
    outcome = decide(Situation(judgement=judged))
    if outcome.decision is GateDecision.ROLL_BACK:
        return _failed(f"{where}: {outcome.message}")
    if outcome.decision is GateDecision.PROMOTE:
        return None
    if outcome.reason is not Reason.INCONCLUSIVE:
        return Closed("Reconciling", Problem(outcome.reason, f"{where}: {outcome.message}"))
    if gate.on_inconclusive == "Promote":
        return None
    text = f"{where} cannot be told from the stable version: {outcome.message}"
    if gate.on_inconclusive == "Reject":
        return _failed(f"{text}; onInconclusive: Reject")
    return Closed("Reconciling", Problem(Reason.PRE_RELEASE, f"{text}; add rows to it, or set onInconclusive"))


def _failed(text: str) -> Closed:
    return Closed("Stalled", Problem(Reason.PRE_RELEASE_FAILED, f"{wording.clip(text)}; {REMEDY}"))
