"""THE precedence table of a tier: from what is known to Promote, Hold or RollBack. First match wins.

`TABLE` is the only place where an order between causes is written down; docs/concepts/rollout.md shows the same rows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from tierwise.api.names import GateDecision
from tierwise.api.reasons import Reason
from tierwise.monitoring.verdicts.judgement import Judgement
from tierwise.rollout.state import wording
from tierwise.rollout.state.observation import JudgementUnavailable

# "Everywhere": most of an arm's scores. A few strays are the metrics' business.
OUT_OF_DOMAIN_SHARE = 0.5
OUT_OF_DOMAIN_ROWS = 20
# By chance alone two equal arms differ by more than the bound below at a look with probability ≤ 1e-6 (Hoeffding).
OUT_OF_DOMAIN_LOG_ERROR = math.log(1e6)


@dataclass(frozen=True, slots=True)
class Situation:
    """All that the gate of one tier may look at. Strings are messages; None means that it is not so."""

    rollback_requested: str | None = None
    promote_requested: str | None = None
    probe_blocked: str | None = None
    baseline_unready: str | None = None
    candidate_unready: str | None = None
    warming_up: str | None = None
    unavailable: JudgementUnavailable | None = None
    judgement: Judgement | None = None
    external_cause: str | None = None
    is_compared: bool = True
    automatic_rollback: bool = True
    frozen: str | None = None
    paused: bool = False
    soaking: str | None = None
    max_duration_passed: bool = False
    on_inconclusive: Literal["Hold", "Promote", "RollBack"] = "Hold"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The gate's answer. `stalled`: a person has to change an object before it can go on."""

    decision: GateDecision
    reason: Reason
    message: str
    stalled: bool = False


Row = Callable[[Situation], Outcome | None]


def _hold(reason: Reason, message: str | None, *, stalled: bool = False) -> Outcome | None:
    return None if message is None else Outcome(GateDecision.HOLD, reason, message, stalled)


def _roll_back(reason: Reason, message: str | None) -> Outcome | None:
    return None if message is None else Outcome(GateDecision.ROLL_BACK, reason, message)


def _rollback_annotation(now: Situation) -> Outcome | None:
    return _roll_back(Reason.ROLLBACK_REQUESTED, now.rollback_requested)


def _promote_annotation(now: Situation) -> Outcome | None:
    if now.promote_requested is None or now.paused or now.frozen is not None:
        return None
    return Outcome(GateDecision.PROMOTE, Reason.PROMOTE_REQUESTED, now.promote_requested)


def _untrusted(now: Situation) -> Outcome | None:
    if now.unavailable is not None:
        return _hold(now.unavailable.reason, now.unavailable.message, stalled=now.unavailable.stalled)
    if now.judgement is None:
        return None
    if now.judgement.sample_ratio_mismatch is not None:
        return _hold(Reason.SAMPLE_RATIO_MISMATCH, now.judgement.sample_ratio_mismatch)
    if now.judgement.labeling_differs is not None:
        return _hold(Reason.LABELING_DIFFERS, now.judgement.labeling_differs)
    return _hold(Reason.DOMAIN_SUSPECT, wording.domain(now.judgement) if _domain(now.judgement) == "both" else None)


def _domain(judgement: Judgement) -> Literal["fine", "both", "candidate"]:
    """Whose scores are outside the domain: the candidate's only where it is clearly more than by chance."""
    (baseline, candidate), (nb, na) = judgement.out_of_domain, judgement.rows
    if candidate is None or candidate < OUT_OF_DOMAIN_SHARE or na < OUT_OF_DOMAIN_ROWS:
        return "fine"
    if baseline is None or nb == 0:
        return "both"
    by_chance = math.sqrt(OUT_OF_DOMAIN_LOG_ERROR / 2 * (1 / na + 1 / nb))
    return "candidate" if candidate - baseline >= by_chance else "both"


def _candidate_out_of_domain(now: Situation) -> Outcome | None:
    is_out = now.judgement is not None and _domain(now.judgement) == "candidate"
    return _roll_back(Reason.OUT_OF_DOMAIN, wording.domain(now.judgement) if is_out and now.judgement else None)


def _regressed(now: Situation) -> Outcome | None:
    if now.judgement is None or not now.judgement.regressed:
        return None
    message = wording.regression(now.judgement)
    if now.automatic_rollback:
        return _roll_back(Reason.REGRESSED, message)
    return _hold(
        Reason.REGRESSION_OBSERVED, f"{message}; rollback.automatic is false: promote or roll back by annotation"
    )


def _answers_missing(now: Situation) -> Outcome | None:
    return _hold(Reason.DOMAIN_SUSPECT, None if now.judgement is None else now.judgement.answers_missing)


def _frozen_or_paused(now: Situation) -> Outcome | None:
    if now.frozen is not None:
        return _hold(Reason.FIELD_CONFLICT, now.frozen)
    return _hold(Reason.PAUSED, "paused by spec.paused; judging goes on" if now.paused else None)


def _soaking(now: Situation) -> Outcome | None:
    return _hold(Reason.SOAKING, now.soaking)


def _uncompared(now: Situation) -> Outcome | None:
    if now.is_compared:
        return None
    message = (
        "the baseline was captured at first sight and is not in the log: promoted on readiness and minDuration alone"
    )
    return Outcome(GateDecision.PROMOTE, Reason.UNCOMPARED, message)


def _non_inferior(now: Situation) -> Outcome | None:
    if now.judgement is None or not now.judgement.non_inferior or now.judgement.regressed:
        return None
    return Outcome(GateDecision.PROMOTE, Reason.NON_INFERIOR, wording.non_inferiority(now.judgement))


def _before_max_duration(now: Situation) -> Outcome | None:
    return _hold(Reason.INCONCLUSIVE, None if now.max_duration_passed else wording.inconclusive(now.judgement))


def _max_duration(now: Situation) -> Outcome | None:
    message = f"no verdict within maxDuration: {wording.inconclusive(now.judgement)}"
    match now.on_inconclusive:
        case "Promote":
            return Outcome(GateDecision.PROMOTE, Reason.MAX_DURATION, f"{message}; onInconclusive: Promote")
        case "RollBack":
            return _roll_back(Reason.MAX_DURATION, f"{message}; onInconclusive: RollBack")
        case "Hold":
            return _hold(Reason.MAX_DURATION, f"{message}; promote or roll back by annotation", stalled=True)


TABLE: tuple[tuple[str, Row], ...] = (
    ("rollback annotation", _rollback_annotation),
    ("promote annotation", _promote_annotation),
    ("probe unavailable", lambda now: _hold(Reason.PROBE_UNAVAILABLE, now.probe_blocked)),
    ("baseline unready", lambda now: _hold(Reason.BASELINE_UNREADY, now.baseline_unready)),
    ("candidate unready", lambda now: _roll_back(Reason.CANDIDATE_UNREADY, now.candidate_unready)),
    ("judging has not begun", lambda now: _hold(Reason.WARMING_UP, now.warming_up)),
    ("nothing can be read or trusted", _untrusted),
    ("external cause", lambda now: _hold(Reason.EXTERNAL_CAUSE, now.external_cause)),
    ("candidate out of domain", _candidate_out_of_domain),
    ("regressed", _regressed),
    ("candidate's answers are missing", _answers_missing),
    ("frozen or paused", _frozen_or_paused),
    ("soaking", _soaking),
    ("uncompared", _uncompared),
    ("non-inferior", _non_inferior),
    ("before maxDuration", _before_max_duration),
    ("maxDuration", _max_duration),
)


def gate(now: Situation) -> Outcome:
    """The first row of `TABLE` that matches.

    A Promote needs a judgement that says non-inferior, a person's annotation, `onInconclusive: Promote`, or a rollout
    that says of itself that it is uncompared; missing data leads to none of them.
    """
    for _, row in TABLE:
        outcome = row(now)
        if outcome is not None:
            return outcome
    raise AssertionError("the last row matches always")
