"""The precedence table, row by row: each row alone, and each before every row after it."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from tests.unit.rollout.world import INCONCLUSIVE, NON_INFERIOR, REGRESSED, T0, a_judgement, a_result
from tierwise.api.modelrollout import ModelRolloutStatus, TierStatus
from tierwise.api.names import Verdict
from tierwise.api.reasons import Reason
from tierwise.monitoring.checks.concern import Concern
from tierwise.monitoring.verdicts.judgement import ArmCounts, ControlTrouble
from tierwise.monitoring.verdicts.waiting import waited_for
from tierwise.rollout.gate import TABLE, Situation, gate
from tierwise.rollout.record.evidence import with_judgement

UNREADABLE = Concern(Reason.STORE_UNREACHABLE, "no answer from the store")
TROUBLE = ControlTrouble(T0, REGRESSED.results[0], "the day before")
DOMAIN_BOTH = a_judgement(out_of_domain=(0.9, 0.95))
DOMAIN_CANDIDATE = a_judgement(out_of_domain=(0.0, 1.0))
ANSWERS_MISSING = Concern(Reason.DOMAIN_SUSPECT, "20 % against 0 %", regression_stands=True)


SUSPECT = replace(NON_INFERIOR, suspects=REGRESSED.culprits)


def concern(reason: Reason, message: str) -> dict[str, Any]:
    return {"concerns": (Concern(reason, message),)}


# In the order of the design's table: the cause, and what the gate says.
ROWS: list[tuple[str, dict[str, Any], str, Reason]] = [
    ("rollback annotation", concern(Reason.ROLLBACK_REQUESTED, "bad"), "RollBack", Reason.ROLLBACK_REQUESTED),
    ("promote annotation", concern(Reason.PROMOTE_REQUESTED, "go"), "Promote", Reason.PROMOTE_REQUESTED),
    ("probe unavailable", concern(Reason.PROBE_UNAVAILABLE, "quota"), "Hold", Reason.PROBE_UNAVAILABLE),
    ("baseline unready", concern(Reason.BASELINE_UNREADY, "0 of 4"), "Hold", Reason.BASELINE_UNREADY),
    ("candidate unready", concern(Reason.CANDIDATE_UNREADY, "0 of 1"), "RollBack", Reason.CANDIDATE_UNREADY),
    ("nothing can be read or trusted", {"concerns": (UNREADABLE,)}, "Hold", Reason.STORE_UNREACHABLE),
    ("judging has not begun", concern(Reason.WARMING_UP, "no block yet"), "Hold", Reason.WARMING_UP),
    ("external cause", {"judgement": a_judgement(control_trouble=TROUBLE)}, "Hold", Reason.EXTERNAL_CAUSE),
    ("candidate out of domain", {"judgement": DOMAIN_CANDIDATE}, "RollBack", Reason.OUT_OF_DOMAIN),
    ("regressed", {"judgement": REGRESSED}, "RollBack", Reason.REGRESSED),
    ("candidate's answers are missing", {"concerns": (ANSWERS_MISSING,)}, "Hold", Reason.DOMAIN_SUSPECT),
    ("fought over", concern(Reason.FIELD_CONFLICT, "argocd writes"), "Hold", Reason.FIELD_CONFLICT),
    ("paused", {"paused": True}, "Hold", Reason.PAUSED),
    ("soaking", concern(Reason.SOAKING, "until 12:00:30Z"), "Hold", Reason.SOAKING),
    ("uncompared", {"is_compared": False}, "Promote", Reason.UNCOMPARED),
    ("suspect slice", {"judgement": SUSPECT}, "Hold", Reason.SUSPECT_SLICE),
    ("non-inferior", {"judgement": NON_INFERIOR}, "Promote", Reason.NON_INFERIOR),
    ("before maxDuration", {"max_duration_passed": False}, "Hold", Reason.INCONCLUSIVE),
    ("maxDuration", {"max_duration_passed": True}, "Hold", Reason.MAX_DURATION),
]
NAMES = [name for name, *_ in ROWS]
# A judgement can hold one cause at a time; paused or fought over would silence the promote annotation, by design.
EXCLUSIVE = [{"judgement"}, {"max_duration_passed"}]


def situation(**changes: Any) -> Situation:
    return replace(Situation(judgement=INCONCLUSIVE), **changes)


def both(*situations: dict[str, Any]) -> Situation:
    """Several causes at once."""
    concerns = tuple(concern for each in situations for concern in each.get("concerns", ()))
    merged = {key: value for each in situations for key, value in each.items()}
    return situation(**{**merged, "concerns": concerns})


def test_every_row_of_the_table_is_tried():
    assert len(TABLE) == len(ROWS)


@pytest.mark.parametrize(("name", "cause", "decision", "reason"), ROWS, ids=NAMES)
def test_each_row_alone(name: str, cause: dict[str, Any], decision: str, reason: Reason):
    outcome = gate(situation(**cause))
    assert (outcome.decision, outcome.reason) == (decision, reason)
    assert outcome.message


@pytest.mark.parametrize("index", range(len(ROWS)), ids=NAMES)
def test_each_row_wins_over_every_later_one(index: int):
    _, cause, decision, reason = ROWS[index]
    for later in ROWS[index + 1 :]:
        if any(shared <= cause.keys() & later[1].keys() for shared in EXCLUSIVE):
            continue
        if reason is Reason.SUSPECT_SLICE and later[3] is Reason.MAX_DURATION:
            continue
        if reason is Reason.PROMOTE_REQUESTED and later[3] in (Reason.PAUSED, Reason.FIELD_CONFLICT):
            continue
        outcome = gate(both(later[1], cause))
        assert (outcome.decision, outcome.reason) == (decision, reason), later[0]


def test_every_field_of_a_situation_is_some_rows_cause():
    used = {key for _, cause, *_ in ROWS for key in cause}
    others = {"automatic_rollback", "on_inconclusive"}
    assert used | others == {field.name for field in fields(Situation)}


@pytest.mark.parametrize(
    ("judgement", "reason"),
    [
        (a_judgement(**concern(Reason.SAMPLE_RATIO_MISMATCH, "30 % instead of 20 %")), Reason.SAMPLE_RATIO_MISMATCH),
        (a_judgement(**concern(Reason.LABELING_DIFFERS, "80 % against 20 %")), Reason.LABELING_DIFFERS),
        (DOMAIN_BOTH, Reason.DOMAIN_SUSPECT),
    ],
)
def test_evidence_that_cannot_be_trusted_holds_even_when_it_says_regressed_or_non_inferior(judgement, reason):
    for says in ({"regressed": True}, {"non_inferior": True}):
        outcome = gate(situation(judgement=replace(judgement, **says)))
        assert (outcome.decision, outcome.reason) == ("Hold", reason)


def test_without_automatic_rollback_a_regression_holds_and_is_never_promoted_by_itself():
    outcome = gate(situation(judgement=REGRESSED, automatic_rollback=False, max_duration_passed=True))
    assert (outcome.decision, outcome.reason) == ("Hold", Reason.REGRESSION_OBSERVED)
    assert "carrier=HA" in outcome.message
    promoted = gate(situation(judgement=REGRESSED, automatic_rollback=False, **GO))
    assert promoted.decision == "Promote"


GO = concern(Reason.PROMOTE_REQUESTED, "go")


@pytest.mark.parametrize("still", [{"paused": True}, concern(Reason.FIELD_CONFLICT, "fought over")])
def test_fought_over_or_paused_promotes_neither_by_evidence_nor_by_annotation_and_still_rolls_back(still):
    assert gate(both({"judgement": NON_INFERIOR}, GO, still)).decision == "Hold"
    assert gate(situation(judgement=REGRESSED, **still)).decision == "RollBack"
    assert gate(both(concern(Reason.ROLLBACK_REQUESTED, "bad"), still)).decision == "RollBack"


def test_a_few_scores_out_of_the_domain_are_not_everywhere():
    assert gate(situation(judgement=a_judgement(out_of_domain=(0.0, 0.1)))).reason == Reason.INCONCLUSIVE
    early = a_judgement(out_of_domain=(None, 1.0), rows=(0, 3))
    assert gate(situation(judgement=early)).reason == Reason.INCONCLUSIVE


def test_half_of_both_arms_out_of_domain_by_chance_holds_and_does_not_roll_back():
    close = a_judgement(out_of_domain=(0.46, 0.53), rows=(400, 400))
    assert gate(situation(judgement=close)).reason == Reason.DOMAIN_SUSPECT
    apart = a_judgement(out_of_domain=(0.05, 0.53), rows=(400, 400))
    assert gate(situation(judgement=apart)).reason == Reason.OUT_OF_DOMAIN


@pytest.mark.parametrize(
    ("choice", "decision", "is_stalled"),
    [("Hold", "Hold", True), ("Promote", "Promote", False), ("RollBack", "RollBack", False)],
)
def test_at_max_duration_on_inconclusive_decides(choice, decision, is_stalled):
    outcome = gate(situation(max_duration_passed=True, on_inconclusive=choice))
    assert (outcome.decision, outcome.reason, outcome.stalled) == (decision, Reason.MAX_DURATION, is_stalled)


def test_no_judgement_at_all_never_passes():
    for changes in ({}, {"max_duration_passed": True}):
        assert gate(Situation(**changes)).decision == "Hold"


def test_messages_carry_the_numbers():
    assert "(tolerance 1 pp, 3800/4000 → 939/1000, e=4.1e5)" in gate(situation(judgement=REGRESSED)).message
    waits = "about 900 more needed to show accuracy on carrier=HA within the margin of 2 pp"
    assert waits in gate(situation()).message


def test_a_promotion_says_the_margins_that_were_kept():
    whole = a_judgement(non_inferior=True, results=(a_result(slice={}), a_result()))
    assert "not worse than the margins (accuracy 2 pp) overall" in gate(situation(judgement=whole)).message


@pytest.mark.parametrize(
    ("wait", "told"),
    [
        (0.0, "expected with the next labels"),
        (95.0, "expected in 1m35s"),
        (16_905 * 3600.0, "which takes longer than a year with this traffic"),
    ],
)
def test_a_wait_is_said_in_words_where_a_number_is_of_no_use(wait, told):
    message = gate(situation(judgement=a_judgement(seconds_to_decision=wait))).message
    assert message.endswith(told)
    assert "in 0s" not in message


def test_what_is_named_is_the_slowest_of_what_promotion_waits_for():
    slow = a_result(Verdict.INCONCLUSIVE, labels_needed=400, candidate=ArmCounts(10, 1), baseline=ArmCounts(40, 2))
    fast = a_result(Verdict.INCONCLUSIVE, labels_needed=900, slice={})
    ignored = a_result(Verdict.INCONCLUSIVE, labels_needed=99_000, slice={"carrier": "VX"}, powered=False)
    judgement = a_judgement(results=(ignored, fast, slow))
    assert waited_for(judgement.results) == (slow, fast)
    message = gate(situation(judgement=judgement)).message
    assert "about 400 more needed to show accuracy on carrier=HA" in message
    assert "the slowest of 2 slices x metrics that are waited for" in message
    status = with_judgement(ModelRolloutStatus(tiers=[TierStatus(name="tier-3")]), "tier-3", judgement).tiers[0]
    assert [found.labels_needed for found in status.waiting] == [400, 900]
    assert [found.labels_needed for found in status.worst] == [None, 900, 400]
    assert status.coverage.waiting == 2


def test_of_several_concerns_the_first_in_the_order_of_the_reasons_is_shown():
    concerns = tuple(
        Concern(reason, str(reason)) for reason in (Reason.DUPLICATE_ROWS, Reason.NO_ROWS, Reason.STALE_LOG)
    )
    assert gate(situation(concerns=concerns)).reason is Reason.NO_ROWS


def test_a_concern_that_lets_a_regression_stand_holds_promotion_only():
    lenient = Concern(Reason.TOO_FEW_ROWS, "5 rows", regression_stands=True)
    assert gate(situation(judgement=NON_INFERIOR, concerns=(lenient,))).reason is Reason.TOO_FEW_ROWS
    assert gate(situation(judgement=REGRESSED, concerns=(lenient,))).decision == "RollBack"


@pytest.mark.parametrize(("choice", "decision"), [("Hold", "Hold"), ("Promote", "Promote"), ("RollBack", "RollBack")])
def test_a_suspect_slice_is_handed_to_on_inconclusive_at_max_duration(choice, decision):
    outcome = gate(situation(judgement=SUSPECT, max_duration_passed=True, on_inconclusive=choice))
    assert (outcome.decision, outcome.reason) == (decision, Reason.MAX_DURATION)
    assert "carrier=HA" in outcome.message


@pytest.mark.parametrize("judgement", [NON_INFERIOR, a_judgement()])
def test_a_control_worse_than_too_short_a_past_is_noted_and_changes_no_decision(judgement):
    unsure = replace(judgement, control_trouble=replace(TROUBLE, is_sure=False))
    plain, noted = gate(Situation(judgement)), gate(Situation(unsure))
    assert (noted.decision, noted.reason) == (plain.decision, plain.reason)
    assert noted.message.startswith(plain.message)
    assert "the untouched pods are themselves worse than the day before" in noted.message
