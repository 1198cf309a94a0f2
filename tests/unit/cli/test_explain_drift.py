"""What `status` and `explain` say of workloads that others changed, and of annotations without effect."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from rich.console import Console

from tests.unit.cli.bot_score import NOW, T0, a_deployment, a_rollout, condition, judging, tiers
from tierwise.api.modeldeployment import RefusedAnnotation, WorkloadDrift
from tierwise.cli.commands.look.explain import print_explanation
from tierwise.cli.commands.look.status import exit_code
from tierwise.report.rollout.advice import advice_of
from tierwise.report.rollout.json_form import status_json
from tierwise.report.rollout.tree import render_view
from tierwise.report.rollout.view import View, view_of

DRIFT = WorkloadDrift(
    kind="Deployment",
    name="bot-ams",
    uid="uid-bot-ams",
    version="v7",
    writer="kubectl-set",
    difference="image hotfix instead of v7",
    since=T0,
)
MESSAGE = "Deployment bot-ams does not run v7: image hotfix instead of v7, written by kubectl-set"
REFUSED = RefusedAnnotation(
    annotation="tierwise.io/promote", value="true", message='annotation tierwise.io/promote="true" has no effect', at=T0
)


def with_status(view: Any, **changes: Any) -> Any:
    return replace(view, status=view.status.model_copy(update=changes))


def drifted(*others: dict[str, object], rollouts: tuple[Any, ...] = (), reason: str = "Drifted") -> View:
    conditions = others or (condition("Ready", "True", "AtRest", "v7 is stable"),)
    deployment = a_deployment(*conditions, condition("InSync", "False", reason, MESSAGE))
    return view_of(with_status(deployment, drift=[DRIFT]), rollouts, tiers(), NOW)


def shown(view: View) -> str:
    console = Console(width=150, no_color=True)
    with console.capture() as captured:
        console.print(render_view(view))
    return captured.get()


def explained(view: View) -> str:
    console = Console(width=150, no_color=True)
    with console.capture() as captured:
        print_explanation(console, view, advice_of(view))
    return captured.get()


def test_status_marks_the_workload_and_its_tier():
    view = drifted()
    text = shown(view)
    assert f"Drift:    {MESSAGE}" in text
    [line] = [line for line in text.splitlines() if "Deployment/bot-ams" in line]
    assert "✖ Drifted" in line
    [tier] = [line for line in text.splitlines() if "─ tier-3" in line]
    assert "✖ Drifted" in tier
    assert "✔ Ready" in next(line for line in text.splitlines() if "Deployment/bot-sin" in line)
    assert status_json(view)["drift"] == MESSAGE
    assert status_json(view)["tiers"][0]["workloads"][0]["status"] == "Drifted"
    assert exit_code(view) == 0


def test_explain_says_who_wrote_and_what_to_do():
    text = explained(drifted())
    assert f"Not in sync: {MESSAGE}." in text
    assert "Undo it, roll it out as a new version, or set" in text
    assert """kubectl -n inference patch mdep bot-score --type merge -p '{"spec":{"drift":"Restore"}}'""" in text


def test_a_workload_that_is_fought_over_after_a_completed_rollout_is_the_story():
    completed = a_rollout({"result": "Completed", "finishedAt": T0.isoformat(), "message": "v8 runs in all 3 tiers"})
    view = drifted(
        condition("Stalled", "True", "FieldConflict", MESSAGE), rollouts=(completed,), reason="FieldConflict"
    )
    assert (view.result, view.message, exit_code(view)) == ("Stalled", MESSAGE, 4)
    text = explained(view)
    assert text.count(MESSAGE) == 1
    assert "tierwise.io/retry=" in text


def test_an_annotation_without_effect_is_a_line_of_explain():
    deployment, rollouts, views = judging()
    view = view_of(with_status(deployment, refused=[REFUSED]), rollouts, views, NOW)
    text = explained(view)
    assert '2026-03-01 12:00:00 UTC: annotation tierwise.io/promote="true" has no effect' in text
    assert status_json(view)["refused"][0]["value"] == "true"
