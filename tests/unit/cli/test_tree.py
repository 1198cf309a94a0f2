"""The tree that `status` shows."""

from __future__ import annotations

from rich.console import Console

from tests.unit.cli.bot_score import NOW, REASON, a_deployment, a_twin, judging, rolled_back, tiers
from tierwise.report.rollout.tree import render_view
from tierwise.report.rollout.view import view_of

EXPECTED = f"""\
Name:     bot-score            Namespace: inference       ✖ RolledBack  v8 → v7   12m14s
Reason:   {REASON}
NAME                      KIND        STATUS        PODS      EVIDENCE                        AGE
⟳ bot-score               ModelDepl.  ✖ Stalled     24/24
├─ tier-3                 Tier        ✖ RolledBack  4/4 v7    1 of 46 regressed · 12k labels  12m
│  ├─ Deployment/bot-ams  Workload    ✔ Ready       2/2 v7
│  └─ Deployment/bot-sin  Workload    ✔ Ready       2/2 v7
├─ tier-2                 Tier        · Untouched   8/8 v7
└─ tier-1                 Tier        · Untouched   12/12 v7"""


def text_of(deployment, rollouts, tier_views, width: int = 140) -> str:
    console = Console(width=width, no_color=True)
    with console.capture() as captured:
        console.print(render_view(view_of(deployment, rollouts, tier_views, NOW)))
    return "\n".join(line.rstrip() for line in captured.get().splitlines())


def test_a_rolled_back_rollout_names_the_slice_and_the_untouched_tiers():
    assert text_of(*rolled_back(), width=150) == EXPECTED


def test_twins_stand_below_their_workload_with_the_version_their_pods_run():
    lines = text_of(*judging(), width=240).splitlines()
    assert "├─ tier-3" in lines[4]
    assert "6/6 v7+v8" in lines[4]
    assert "waits: Inconclusive" in lines[4]
    assert "Deployment/bot-ams " in lines[5]
    assert "Deployment/bot-ams-candidate" in lines[6]
    assert "Twin" in lines[6]
    assert lines[6].endswith("1/1 v8")


def test_a_blocked_twin_says_what_keeps_its_pods_from_existing():
    deployment, rollouts, _ = judging()
    assert "exceeded quota: pods=10" in text_of(
        deployment, rollouts, tiers(a_twin("bot-ams", 1, blocked="exceeded quota: pods=10"))
    )


def test_before_the_first_rollout_the_tiers_are_shown_as_they_are():
    text = text_of(a_deployment(), (), tiers())
    assert "‖ Pending  v7" in text
    assert "├─ tier-3                 Tier        ✔ Ready" in text
