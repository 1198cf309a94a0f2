"""`explain` of a tier that holds: what to do where waiting does not help."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.cli.bot_score import NOW, judging
from tierwise.api.modelrollout import Gate
from tierwise.api.names import GateDecision
from tierwise.api.reasons import UNTRUSTED, Reason
from tierwise.report.rollout.advice import advice_of
from tierwise.report.rollout.view import view_of

WAITING_HELPS = "Nothing has to be done; it goes on by itself."


def next_steps(reason: Reason, **waiting: object) -> tuple[str, ...]:
    """`waiting` changes the slice that is waited for."""
    deployment, [rollout], seen = judging()
    first, *others = rollout.status.tiers
    first = first.model_copy(update={"waiting": [first.waiting[0].model_copy(update=waiting)]})
    gate = Gate(decision=GateDecision.HOLD, reason=reason, message="as it is", since=NOW)
    held = rollout.status.model_copy(update={"tiers": [first.model_copy(update={"gate": gate}), *others]})
    return advice_of(view_of(deployment, (replace(rollout, status=held),), seen, NOW)).next


# Reasons for which a person changes an object are Stalled at once; the message has the remedy.
STALLED = {"DatasetInvalid", "UnknownColumn", "UnknownMetric", "UnknownDimension", "QueryRefused"}


@pytest.mark.parametrize("reason", sorted({*UNTRUSTED, Reason.REGRESSION_OBSERVED} - STALLED))
def test_a_hold_that_does_not_end_by_waiting_has_a_remedy(reason):
    assert WAITING_HELPS not in next_steps(reason)


@pytest.mark.parametrize("reason", [Reason.SOAKING, Reason.INCONCLUSIVE, Reason.WARMING_UP])
def test_a_hold_that_ends_by_itself_says_so(reason):
    assert WAITING_HELPS in next_steps(reason)


def test_the_cause_comes_before_the_labels_that_its_end_would_bring():
    first, *later = next_steps(Reason.CANDIDATE_MISSING)
    assert first.startswith("Check that the twin's pods run and get traffic")
    told = [step for step in later if "42000 labels more of false-positive-rate on all traffic" in step]
    assert told[0].endswith(", about 2m21s of traffic as so far.")  # beside 197,000 in eleven minutes


def test_labels_that_are_due_are_not_expected_in_no_time():
    *_, step = next_steps(Reason.CANDIDATE_MISSING, labels_needed=1)
    assert step.endswith("expected with the next labels.")
