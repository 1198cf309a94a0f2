"""The gate's table of precedence, which decides Promote, Hold or RollBack. The first row that matches decides.

Only `TABLE` and the order of api/reasons.py define an order between causes. The operator, `analyze`, the pre-release
gate, simulations and the status of a MonitoringDataset all use them. Two steps of a rollout look at what is no cause
of the gate: a tier that must not be probed is held unless the gate rolls back (rollout/tier.py), and a status says
that another writer fights over a delivered workload, beside what the gate says of the tier (rollout/advance.py).
docs/concepts/rollout.md shows the table as `tierwise.tools.generate` writes it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

from tierwise.api.names import GateDecision
from tierwise.api.reasons import PRECEDENCE, Reason
from tierwise.monitoring.checks.concern import Concern
from tierwise.monitoring.verdicts.judgement import ControlTrouble, Judgement
from tierwise.rollout.state import wording

# "Everywhere" means most of an arm's scores. The metrics judge a few invalid scores.
OUT_OF_DOMAIN_SHARE = 0.5
OUT_OF_DOMAIN_ROWS = 20
# Two equal arms differ by more than this bound at a look only with probability ≤ 1e-6 (Hoeffding).
OUT_OF_DOMAIN_LOG_ERROR = math.log(1e6)


@dataclass(frozen=True, slots=True)
class Situation:
    """All input of the gate.

    `concerns` are those about pods, people and the store. The judgement has those about the evidence.
    """

    judgement: Judgement | None = None
    concerns: tuple[Concern, ...] = ()
    is_compared: bool = True
    automatic_rollback: bool = True
    paused: bool = False
    max_duration_passed: bool = False
    on_inconclusive: Literal["Hold", "Promote", "RollBack"] = "Hold"

    @property
    def all_concerns(self) -> tuple[Concern, ...]:
        """The concerns of the situation, then those of the evidence."""
        return self.concerns + (self.judgement.concerns if self.judgement is not None else ())

    def concern(self, reason: Reason) -> Concern | None:
        """The first concern with this reason."""
        return next((concern for concern in self.concerns if concern.reason is reason), None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """The gate's decision. `stalled`: a person has to change an object before the tier can continue."""

    decision: GateDecision
    reason: Reason
    message: str
    stalled: bool = False


Decide = Callable[[Situation], Outcome | None]


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table. The docs show `decision` and `reason`.

    `concern`: the reason of the concern for which the row is, if it is for one.
    """

    cause: str
    decision: str
    reason: str
    decide: Decide
    concern: Reason | None = None


def first_concern(concerns: Iterable[Concern]) -> Concern | None:
    """The concern that is shown: the first in the order of api/reasons.py."""
    return min(concerns, key=lambda concern: PRECEDENCE[concern.reason], default=None)


def _row(cause: str, decision: GateDecision, reason: Reason) -> Row:
    """A row for the concern with one reason."""

    def decide(now: Situation) -> Outcome | None:
        concern = now.concern(reason)
        return None if concern is None else Outcome(decision, reason, concern.message, concern.stalled)

    return Row(cause, decision, f"`{reason}`", decide, reason)


def _hold(reason: Reason, message: str, *, stalled: bool = False) -> Outcome:
    return Outcome(GateDecision.HOLD, reason, message, stalled)


def _held_by(concern: Concern | None) -> Outcome | None:
    return None if concern is None else _hold(concern.reason, concern.message, stalled=concern.stalled)


def _promote_annotation(now: Situation) -> Outcome | None:
    concern = now.concern(Reason.PROMOTE_REQUESTED)
    if concern is None or now.paused or now.concern(Reason.FIELD_CONFLICT) is not None:
        return None
    return Outcome(GateDecision.PROMOTE, concern.reason, concern.message)


def _untrusted(now: Situation) -> Outcome | None:
    first = first_concern(c for c in now.all_concerns if not c.regression_stands and c.reason not in _OWN_ROW)
    if first is not None:
        return _held_by(first)
    if now.judgement is None or _domain(now.judgement) != "both":
        return None
    return _hold(Reason.DOMAIN_SUSPECT, wording.domain(now.judgement))


def _domain(judgement: Judgement) -> Literal["fine", "both", "candidate"]:
    """Whose scores are outside the domain. "candidate" only if the arms differ by more than chance."""
    (baseline, candidate), (nb, na) = judgement.out_of_domain, judgement.rows
    if candidate is None or candidate < OUT_OF_DOMAIN_SHARE or na < OUT_OF_DOMAIN_ROWS:
        return "fine"
    if baseline is None or nb == 0:
        return "both"
    by_chance = math.sqrt(OUT_OF_DOMAIN_LOG_ERROR / 2 * (1 / na + 1 / nb))
    return "candidate" if candidate - baseline >= by_chance else "both"


def _external_cause(now: Situation) -> Outcome | None:
    """Both arms are worse than the control's past, and the candidate is not worse than the control."""
    trouble = _trouble(now)
    return _hold(Reason.EXTERNAL_CAUSE, wording.external_cause(trouble)) if trouble and trouble.is_sure else None


def _trouble(now: Situation) -> ControlTrouble | None:
    return None if now.judgement is None or now.judgement.regressed else now.judgement.control_trouble


def _noted(now: Situation, outcome: Outcome) -> Outcome:
    """With what is known of the control and too little to hold for."""
    trouble = _trouble(now)
    if trouble is None or trouble.is_sure:
        return outcome
    return replace(outcome, message=wording.with_note(outcome.message, wording.unsure_cause(trouble)))


def _candidate_out_of_domain(now: Situation) -> Outcome | None:
    if now.judgement is None or _domain(now.judgement) != "candidate":
        return None
    return Outcome(GateDecision.ROLL_BACK, Reason.OUT_OF_DOMAIN, wording.domain(now.judgement))


def _regressed(now: Situation) -> Outcome | None:
    if now.judgement is None or not now.judgement.regressed:
        return None
    message = wording.regression(now.judgement)
    if now.automatic_rollback:
        return Outcome(GateDecision.ROLL_BACK, Reason.REGRESSED, message)
    told = f"{message}; rollback.automatic is false: promote or roll back by annotation"
    return _hold(Reason.REGRESSION_OBSERVED, told)


def _untrusted_for_promotion(now: Situation) -> Outcome | None:
    return _held_by(first_concern(c for c in now.all_concerns if c.regression_stands))


def _paused(now: Situation) -> Outcome | None:
    return _hold(Reason.PAUSED, "paused by spec.paused; judging goes on") if now.paused else None


def _uncompared(now: Situation) -> Outcome | None:
    if now.is_compared:
        return None
    message = (
        "the baseline was captured at first sight and is not in the log: promoted on readiness and minDuration alone"
    )
    return Outcome(GateDecision.PROMOTE, Reason.UNCOMPARED, message)


def _suspect_slice(now: Situation) -> Outcome | None:
    """What would be promoted in spite of a slice that looks worse; after `maxDuration` it is inconclusive."""
    judged = now.judgement
    if judged is None or not judged.non_inferior or not judged.suspects:
        return None
    if now.max_duration_passed:
        return _max_duration(now)
    return _hold(Reason.SUSPECT_SLICE, wording.suspect(judged))


def _non_inferior(now: Situation) -> Outcome | None:
    if now.judgement is None or not now.judgement.non_inferior or now.judgement.regressed:
        return None
    return Outcome(GateDecision.PROMOTE, Reason.NON_INFERIOR, wording.non_inferiority(now.judgement))


def _before_max_duration(now: Situation) -> Outcome | None:
    return None if now.max_duration_passed else _hold(Reason.INCONCLUSIVE, wording.inconclusive(now.judgement))


def _max_duration(now: Situation) -> Outcome | None:
    message = f"no verdict within maxDuration: {wording.inconclusive(now.judgement)}"
    match now.on_inconclusive:
        case "Promote":
            return Outcome(GateDecision.PROMOTE, Reason.MAX_DURATION, f"{message}; onInconclusive: Promote")
        case "RollBack":
            return Outcome(GateDecision.ROLL_BACK, Reason.MAX_DURATION, f"{message}; onInconclusive: RollBack")
        case "Hold":
            return _hold(Reason.MAX_DURATION, f"{message}; promote or roll back by annotation", stalled=True)


_PROMOTE, _HOLD, _ROLL_BACK = GateDecision.PROMOTE, GateDecision.HOLD, GateDecision.ROLL_BACK

TABLE: tuple[Row, ...] = (
    _row("a person asked for a rollback by annotation", _ROLL_BACK, Reason.ROLLBACK_REQUESTED),
    Row(
        "a person promoted the tier by annotation, and neither a fight over workloads nor `spec.paused` forbids it",
        _PROMOTE,
        "`PromoteRequested`",
        _promote_annotation,
        Reason.PROMOTE_REQUESTED,
    ),
    _row("quota, admission or scheduling keeps the candidate's pods from existing", _HOLD, Reason.PROBE_UNAVAILABLE),
    _row("the untouched pods, which are the control, are not ready", _HOLD, Reason.BASELINE_UNREADY),
    _row("the candidate's pods crash, or are not ready by `progressDeadline`", _ROLL_BACK, Reason.CANDIDATE_UNREADY),
    Row(
        "nothing can be read, or what was read cannot be trusted, not even a regression",
        _HOLD,
        "[its own reason](../reference/reasons.md)",
        _untrusted,
    ),
    _row("judging has not begun", _HOLD, Reason.WARMING_UP),
    Row(
        "the untouched pods are worse than their own past, and the candidate is not worse than they are",
        _HOLD,
        "`ExternalCause`",
        _external_cause,
    ),
    Row("most of the candidate's scores are outside the domain", _ROLL_BACK, "`OutOfDomain`", _candidate_out_of_domain),
    Row(
        "the candidate is worse than its tolerance in a slice",
        "RollBack; with `rollback.automatic: false` Hold",
        "`Regressed`, `RegressionObserved`",
        _regressed,
    ),
    Row(
        "what was read cannot be trusted for a promotion: rows, labels or numbers are missing",
        _HOLD,
        "[its own reason](../reference/reasons.md)",
        _untrusted_for_promotion,
    ),
    _row("another writer fights over a delivered workload", _HOLD, Reason.FIELD_CONFLICT),
    Row("`spec.paused`", _HOLD, "`Paused`", _paused),
    _row("`minDuration` is not over", _HOLD, Reason.SOAKING),
    Row("the rollout is uncompared", _PROMOTE, "`Uncompared`", _uncompared),
    Row(
        "a slice that is too small to be waited for looks worse than its margin",
        "Hold; after `maxDuration` `analysis.onInconclusive`",
        "`SuspectSlice`, `MaxDuration`",
        _suspect_slice,
    ),
    Row(
        "the candidate is not worse than the margins: overall, and in every powered slice and metric",
        _PROMOTE,
        "`NonInferior`",
        _non_inferior,
    ),
    Row("`maxDuration` is not over", _HOLD, "`Inconclusive`", _before_max_duration),
    Row("`maxDuration` is over", "`analysis.onInconclusive`", "`MaxDuration`", _max_duration),
)

# Concerns that have a row of their own. Every other concern means that something cannot be read or trusted.
_OWN_ROW = frozenset(row.concern for row in TABLE if row.concern is not None)


def gate(now: Situation) -> Outcome:
    """Decide by the first row of `TABLE` that matches.

    A Promote needs a non-inferior judgement, a person's annotation, `onInconclusive: Promote`, or a rollout that is
    marked as uncompared. Missing data never leads to a Promote.
    """
    for row in TABLE:
        outcome = row.decide(now)
        if outcome is not None:
            return _noted(now, outcome)
    raise AssertionError("the last row matches always")
