"""The live tree of `status`: one ModelDeployment, its tiers, workloads and candidate twins. Pure, no terminal needed.

`render_view` returns a rich renderable for `rich.console.Console().print` or `rich.live.Live.update`.
"""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.text import Text

from tierwise.report.columns import NAME, Column, FittedTable
from tierwise.report.rollout.members import Member, Tone
from tierwise.report.rollout.view import TierLine, View
from tierwise.report.text import duration_text, printable

_COLUMNS = (
    Column("NAME", NAME),
    Column("KIND", 4),
    Column("STATUS"),
    Column("PODS"),
    Column("EVIDENCE", 2, wraps=True),
    Column("AGE", 3),
)
_MARK: dict[Tone, str] = {"good": "✔", "bad": "✖", "going": "⟳", "waiting": "‖", "quiet": "·"}
_STYLE: dict[Tone, str] = {"good": "green", "bad": "red", "going": "cyan", "waiting": "yellow", "quiet": "dim"}


def render_view(view: View) -> RenderableType:
    """The tree of a view."""
    parts: list[RenderableType] = [header_line(view)]
    judged = view.slices_judged
    if judged is not None:
        style = "bold yellow" if judged.status == "False" else "dim"
        parts.append(Text.assemble(("Slices:   ", "bold"), (printable(judged.message), style), overflow="fold"))
    if view.message:
        parts.append(Text.assemble(("Reason:   ", "bold"), view.message, overflow="fold"))
    if view.recovery:
        parts.append(Text.assemble(("Recovery: ", "bold"), view.recovery.removeprefix("recovery "), overflow="fold"))
    if view.verification:
        parts.append(Text.assemble(("Verified: ", "bold"), view.verification, overflow="fold"))
    if view.drift and view.drift not in view.message:
        parts.append(Text.assemble(("Drift:    ", "bold"), view.drift, overflow="fold"))
    table = FittedTable(_COLUMNS)
    ready, total = view.pods
    table.add_row(
        f"⟳ {view.name}",
        "ModelDepl.",
        _status(view.deployment_status, view.deployment_tone),
        f"{ready}/{total}",
        "",
        "",
    )
    for index, tier in enumerate(view.tiers):
        _add_tier(table, tier, last=index == len(view.tiers) - 1)
    parts.append(table)
    return Group(*parts)


def header_line(view: View) -> Text:
    """Name, namespace, result, versions and duration in one line."""
    arrow = ""
    if view.from_version and view.to_version:
        ends = (view.from_version, view.to_version)
        if view.result in ("RolledBack", "RollingBack"):
            ends = ends[::-1]  # where the pods go
        arrow = f"  {ends[0]} → {ends[1]}"
    elif view.stable:
        arrow = f"  {view.stable}"
    age = f"   {duration_text(view.seconds)}" if view.seconds is not None else ""
    return Text.assemble(
        ("Name:     ", "bold"),
        f"{view.name:<20} ",
        ("Namespace: ", "bold"),
        f"{view.namespace:<14}  ",
        _status(view.result, view.tone),
        arrow,
        age,
    )


def _status(status: str, tone: Tone) -> Text:
    return Text(f"{_MARK[tone]} {status}", style=_STYLE[tone])


def _add_tier(table: FittedTable, tier: TierLine, *, last: bool) -> None:
    branch, below = ("└─", "   ") if last else ("├─", "│  ")
    age = duration_text(tier.seconds, short=True) if tier.seconds is not None else ""
    pods = f"{tier.ready}/{tier.total} {'+'.join(tier.versions)}".strip()
    table.add_row(f"{branch} {tier.name}", "Tier", _status(tier.status, tier.tone), pods, tier.evidence, age)
    if tier.status in ("Pending", "Untouched") and all(member.status == "Ready" for member in tier.members):
        return  # nothing happens there, so one line is enough
    for index, member in enumerate(tier.members):
        _add_member(table, member, below + ("└─" if index == len(tier.members) - 1 else "├─"))


def _add_member(table: FittedTable, member: Member, branch: str) -> None:
    table.add_row(
        f"{branch} {member.kind}/{member.name}",
        member.role,
        _status(member.status, member.tone),
        f"{member.ready}/{member.total} {member.version or '?'}",
        member.message or "",
        "",
    )
