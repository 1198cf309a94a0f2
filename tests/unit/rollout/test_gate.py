"""The precedence table, row by row: each row alone, and each before every row after it."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import pytest

from tests.unit.rollout.world import INCONCLUSIVE, NON_INFERIOR, REGRESSED, a_judgement
from tierwise.api.reasons import Reason
from tierwise.rollout.gate import TABLE, Situation, gate
from tierwise.rollout.state.observation import JudgementUnavailable

UNREADABLE = JudgementUnavailable(Reason.STORE_UNREACHABLE, "no answer from the store")
DOMAIN_BOTH = a_judgement(out_of_domain=(0.9, 0.95))
DOMAIN_CANDIDATE = a_judgement(out_of_domain=(0.0, 1.0))
ANSWERS_MISSING = a_judgement(answers_missing="20 % against 0 %")

# In the order of the design's table: the cause, and what the gate says.
ROWS: list[tuple[str, dict[str, Any], str, Reason]] = [
    ("rollback annotation", {"rollback_requested": "bad"}, "RollBack", Reason.ROLLBACK_REQUESTED),
    ("promote annotation", {"promote_requested": "go"}, "Promote", Reason.PROMOTE_REQUESTED),
    ("probe unavailable", {"probe_blocked": "quota"}, "Hold", Reason.PROBE_UNAVAILABLE),
    ("baseline unready", {"baseline_unready": "0 of 4"}, "Hold", Reason.BASELINE_UNREADY),
    ("candidate unready", {"candidate_unready": "0 of 1"}, "RollBack", Reason.CANDIDATE_UNREADY),
    ("judging has not begun", {"warming_up": "no block yet"}, "Hold", Reason.WARMING_UP),
    ("nothing can be read or trusted", {"unavailable": UNREADABLE}, "Hold", Reason.STORE_UNREACHABLE),
    ("external cause", {"external_cause": "both arms worse"}, "Hold", Reason.EXTERNAL_CAUSE),
    ("candidate out of domain", {"judgement": DOMAIN_CANDIDATE}, "RollBack", Reason.OUT_OF_DOMAIN),
    ("regressed", {"judgement": REGRESSED}, "RollBack", Reason.REGRESSED),
    ("candidate's answers are missing", {"judgement": ANSWERS_MISSING}, "Hold", Reason.DOMAIN_SUSPECT),
    ("frozen or paused", {"paused": True}, "Hold", Reason.PAUSED),
    ("soaking", {"soaking": "until 12:00:30Z"}, "Hold", Reason.SOAKING),
    ("uncompared", {"is_compared": False}, "Promote", Reason.UNCOMPARED),
    ("non-inferior", {"judgement": NON_INFERIOR}, "Promote", Reason.NON_INFERIOR),
    ("before maxDuration", {"max_duration_passed": False}, "Hold", Reason.INCONCLUSIVE),
    ("maxDuration", {"max_duration_passed": True}, "Hold", Reason.MAX_DURATION),
]
NAMES = [name for name, *_ in ROWS]
# A judgement can hold one cause at a time; paused would silence the promote annotation, by design.
EXCLUSIVE = [{"judgement"}, {"max_duration_passed"}]


def situation(**changes: Any) -> Situation:
    return replace(Situation(judgement=INCONCLUSIVE), **changes)


def test_the_table_is_in_the_order_of_the_design():
    assert [name for name, _ in TABLE] == NAMES


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
        if "promote_requested" in cause and "paused" in later[1]:
            continue
        outcome = gate(situation(**later[1], **cause))
        assert (outcome.decision, outcome.reason) == (decision, reason), later[0]


def test_every_field_of_a_situation_is_some_rows_cause():
    used = {key for _, cause, *_ in ROWS for key in cause}
    others = {"automatic_rollback", "frozen", "on_inconclusive"}
    assert used | others == {field.name for field in fields(Situation)}


@pytest.mark.parametrize(
    ("judgement", "reason"),
    [
        (a_judgement(sample_ratio_mismatch="30 % instead of 20 %"), Reason.SAMPLE_RATIO_MISMATCH),
        (a_judgement(labeling_differs="80 % against 20 %"), Reason.LABELING_DIFFERS),
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
    promoted = gate(situation(judgement=REGRESSED, automatic_rollback=False, promote_requested="go"))
    assert promoted.decision == "Promote"


@pytest.mark.parametrize("still", [{"paused": True}, {"frozen": "fought over"}])
def test_frozen_or_paused_promotes_neither_by_evidence_nor_by_annotation_and_still_rolls_back(still):
    assert gate(situation(judgement=NON_INFERIOR, promote_requested="go", **still)).decision == "Hold"
    assert gate(situation(judgement=REGRESSED, **still)).decision == "RollBack"
    assert gate(situation(rollback_requested="bad", **still)).decision == "RollBack"


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
    assert "61/1000 vs 200/4000" in gate(situation(judgement=REGRESSED)).message
    assert "about 900 more needed for accuracy on carrier=HA" in gate(situation()).message
