"""What `status` and `explain` say of a rollout, without a cluster."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
import yaml
from rich.console import Console

from tests.unit.cli.bot_score import (
    NOW,
    T0,
    WHOLE,
    WORST,
    a_deployment,
    a_rollout,
    condition,
    judging,
    rolled_back,
    tiers,
    version,
)
from tierwise.api.common import Version
from tierwise.api.modelrollout import Recovery, Verification
from tierwise.api.workload_kinds import WorkloadKind
from tierwise.cli.commands.look.explain import print_explanation
from tierwise.cli.commands.look.status import exit_code
from tierwise.cli.output.formats import print_facts
from tierwise.report.rollout.advice import advice_of
from tierwise.report.rollout.json_form import explain_json, status_json
from tierwise.report.rollout.tree import render_view
from tierwise.report.rollout.view import view_of


def explained(scene) -> str:
    view = view_of(*scene, NOW)
    console = Console(width=150, no_color=True)
    with console.capture() as captured:
        print_explanation(console, view, advice_of(view))
    return captured.get()


def test_a_rollback_is_explained_by_its_slice_and_how_to_try_again():
    text = explained(rolled_back())
    assert "false-positive-rate on asn_type=residential 0.5 % → 3.1 %" in text
    assert "Of 46 slices x metrics 1 regressed, 12 are shown not to be worse" in text
    assert "asn_type=residential  false-positive-rate" in text
    assert "3.1 %  61/1968" in text
    assert "v8 is remembered as rejected" in text
    assert "tier-2 and tier-1 never ran it; tier-3 is back on v7" in text
    assert "kubectl -n inference annotate mdep bot-score --overwrite tierwise.io/retry=" in text


def test_what_a_reader_may_stumble_over_is_said_below_the_slices():
    text = explained(rolled_back())
    assert "Counts beside a value are what it is made of: 61 of 1968 rows are 3.1 %" in text
    assert text.count("Worse than the tolerance is a regression and rolls back") == 1
    told = "4.1e5 (10^5.6) means: within tolerance, evidence this strong ever appears with probability below 10^−5.6"
    assert text.count(told) == 1
    assert "the interval is for the estimate" not in text


def test_the_recovery_after_a_rollback_is_told_everywhere():
    deployment, [rollout], seen = rolled_back()
    recovery = Recovery(since=T0, verified_at=NOW, message="recovery verified: 1 workload stayed at v7")
    rollout = replace(rollout, status=rollout.status.model_copy(update={"recovery": recovery}))
    scene = (deployment, (rollout,), seen)
    assert "Recovery verified: 1 workload stayed at v7." in explained(scene)
    view = view_of(*scene, NOW)
    console = Console(width=150, no_color=True)
    with console.capture() as captured:
        console.print(render_view(view))
    assert "Recovery: verified: 1 workload stayed at v7" in captured.get()
    assert status_json(view)["rollout"]["recovery"]["verifiedAt"]


def test_what_is_known_of_a_version_after_its_promotion_is_told_everywhere():
    deployment, [rollout], seen = rolled_back()
    record = Verification(stage="AfterRollout", since=T0, alpha=0.0025, verdict="Regressed", message="v8 got worse")
    status = rollout.status.model_copy(update={"result": "Completed", "verification": record, "recovery": None})
    scene = (deployment, (replace(rollout, status=status),), seen)
    assert "After promotion: v8 got worse." in explained(scene)
    assert "Verification after promotion: Regressed, compared with nothing yet, α = 0.0025" in explained(scene)
    assert "rollback.automatic is false" in explained(scene)
    view = view_of(*scene, NOW)
    console = Console(width=150, no_color=True)
    with console.capture() as captured:
        console.print(render_view(view))
    assert "Verified: v8 got worse" in captured.get()
    assert status_json(view)["rollout"]["verification"]["verdict"] == "Regressed"


def test_a_wait_is_explained_by_what_the_gate_waits_for():
    text = explained(judging())
    assert "The gate holds (Inconclusive)" in text
    waited_for = "Promotion waits for 42000 labels more of false-positive-rate on all traffic, the slowest of 4 slices"
    assert waited_for in text
    assert "of traffic as so far" not in text  # the gate has said how long, and two numbers would differ
    assert "tierwise.io/promote=bot-score-4/tier-3" in text


def with_tier(scene, **changes):
    """The scene with its first tier's status changed."""
    deployment, [rollout], views = scene
    first, *others = rollout.status.tiers
    tiers = [type(first).model_validate(first.model_dump() | changes), *others]
    status = rollout.status.model_copy(update={"tiers": tiers})
    return deployment, (replace(rollout, status=status),), views


def test_what_nobody_can_wait_for_is_said_in_words():
    never = {**WHOLE, "candidateN": 6, "candidateBad": 1, "baselineN": 3, "baselineBad": 0, "labelsNeeded": 10**9}
    text = explained(with_tier(judging(), waiting=[never], worst=[never]))
    assert "not with this traffic: it would take longer than a year" in " ".join(text.split())
    assert re.search(r"16\.7 %\s+1/6 .* not with this traffic\s+Inconclusive", text)


def test_evidence_falls_from_row_to_row_and_each_row_has_both_bounds():
    text = explained(with_tier(rolled_back(), worst=[WHOLE, WORST]))
    named, whole = (line for line in text.splitlines() if re.match(r"(asn_type=residential|all traffic) ", line))
    assert named.startswith("asn_type=residential")
    assert re.search(r"\+12\.5 %\s+\+25 %\s+4\.1e5\s+Regressed", named)
    assert re.search(r"\+12\.5 %\s+\+25 %\s+1\.6\s+Inconclusive", whole)


def test_what_promotion_waits_for_is_shown_though_other_slices_have_more_evidence():
    text = explained(with_tier(judging(), worst=[{**WORST, "verdict": "Inconclusive"}]))
    first, second = text.split("what promotion waits for, the slowest first")
    assert "all traffic" not in first.split("most evidence")[1]
    assert "42000 labels" in second


def test_one_is_not_many():
    coverage = {"slices": 1, "insufficient": 1, "nonInferior": 0}
    text = explained(with_tier(judging(), look=1, labels=1, coverage=coverage))
    assert "tier-3 was looked at once, until 12:12:00 UTC, 1 label." in text
    assert "Of 1 slice x metric 0 regressed, 0 are shown not to be worse, 0 are open, 1 has too few labels." in text


def test_documents_are_json_with_stable_keys():
    view = view_of(*rolled_back(), NOW)
    status = json.loads(json.dumps(status_json(view), allow_nan=False))
    assert status["schema"] == "tierwise.io/status/v1"
    assert (status["result"], status["rollout"]["from"], status["rollout"]["to"]) == ("RolledBack", "v7", "v8")
    assert [tier["phase"] for tier in status["tiers"]] == ["RolledBack", "Untouched", "Untouched"]
    worst = status["tiers"][0]["worst"][0]
    assert worst["slice"] == {"asn_type": "residential"}
    assert (worst["tolerance"], worst["margin"]) == ({"relative": 0.125}, {"relative": 0.25})
    assert explain_json(view, advice_of(view))["explanation"]["commands"]


def test_documents_are_yaml_too_with_kinds_as_the_cluster_has_them():
    deployment, rollouts, (first, *others) = rolled_back()
    workloads = tuple(replace(workload, kind=WorkloadKind.DEPLOYMENT) for workload in first.workloads)
    view = view_of(deployment, rollouts, (replace(first, workloads=workloads), *others), NOW)
    found = yaml.safe_load(yaml.safe_dump(explain_json(view, advice_of(view))))
    assert found["tiers"][0]["workloads"][0]["kind"] == "Deployment"


def test_documents_are_the_same_in_yaml(capsys: pytest.CaptureFixture[str]):
    deployment, rollouts, views = rolled_back()
    workloads = tuple(replace(each, kind=WorkloadKind.DEPLOYMENT) for each in views[0].workloads)  # as a cluster's are
    status = status_json(view_of(deployment, rollouts, (replace(views[0], workloads=workloads), *views[1:]), NOW))
    print_facts(status, "yaml")
    assert yaml.safe_load(capsys.readouterr().out) == json.loads(json.dumps(status))


@pytest.mark.parametrize(
    ("deployment", "rollouts", "expected"),
    [
        (*rolled_back()[:2], 4),
        (*judging()[:2], 3),
        (a_deployment(condition("Ready", "True", "AtRest", "")), (), 0),
        (a_deployment(condition("Ready", "True", "Completed", "")), (a_rollout({"result": "Completed"}),), 0),
        (a_deployment(condition("Stalled", "True", "NoWorkloads", "")), (), 4),
        (a_deployment(), (), 3),
    ],
)
def test_exit_status(deployment, rollouts, expected):
    assert exit_code(view_of(deployment, rollouts, tiers(), NOW)) == expected


def test_a_spec_that_the_operator_has_not_seen_is_still_going():
    deployment, rollouts, views = rolled_back()
    view = view_of(replace(deployment, generation=3), rollouts, views, NOW)
    assert view.in_flight
    assert "has not yet seen generation 3" in view.message


def test_a_finished_rollout_is_not_shown_as_the_result_of_the_next_one():
    finished = a_rollout({"result": "Completed", "startedAt": T0.isoformat(), "finishedAt": T0.isoformat()})
    deployment = a_deployment(condition("Reconciling", "True", "Probing", "starting"))
    assert view_of(deployment, (finished,), tiers(), NOW).in_flight


def test_after_the_spec_went_back_to_stable_the_rollback_is_history():
    deployment, rollouts, views = rolled_back()
    back = deployment.spec.model_copy(update={"version": Version.model_validate(version("v7"))})
    ready = a_deployment(condition("Ready", "True", "AtRest", "v7 is stable"))
    view = view_of(replace(ready, spec=back), rollouts, views, NOW)
    assert (view.result, view.rollout, exit_code(view)) == ("Ready", None, 0)


def test_a_version_that_waits_for_the_end_of_a_pause_is_the_story_and_not_the_rollback_before_it():
    deployment, rollouts, views = rolled_back()
    wanted = deployment.spec.model_copy(update={"version": Version.model_validate(version("v9"))})
    paused = a_deployment(
        condition("Paused", "True", "Paused", "spec.paused: the rollout of v9 starts when it is false")
    )
    scene = (replace(paused, spec=wanted), rollouts, views)
    view = view_of(*scene, NOW)
    assert (view.result, view.rollout) == ("Paused", None)
    text = explained(scene)
    assert "the rollout of v9 starts when it is false" in text
    assert """patch mdep bot-score --type merge -p '{"spec":{"paused":false}}'""" in text
    assert "rejected" not in text


def test_a_pause_that_outlasted_its_tier_is_ended_by_resuming():
    _, [rollout], views = judging()
    tier = rollout.status.tiers[0]
    gate = tier.gate.model_copy(update={"reason": "Paused", "message": "paused by spec.paused"})
    held = tier.model_copy(update={"gate": gate})
    status = rollout.status.model_copy(update={"tiers": [held, *rollout.status.tiers[1:]]})
    stalled = a_deployment(condition("Stalled", "True", "Paused", "held longer"), rollout=rollout.name)
    text = explained((stalled, (replace(rollout, status=status),), views))
    assert '{"spec":{"paused":false}}' in text
    assert "tierwise.io/retry" not in text
