"""What is written of the kinds of workload in the chart and in the docs, made from their list. Pure: text out."""

from __future__ import annotations

from tierwise.api.workload_kinds import WorkloadKind

_VERBS = "get, list, watch, patch"


def chart_rules() -> str:
    """The rules of a Role, one for each API group."""
    groups: dict[str, list[str]] = {}
    for kind in WorkloadKind:
        groups.setdefault(kind.facts.api_group or '""', []).append(kind.facts.resource)
    return "".join(
        f"- apiGroups: [{group}]\n  resources: [{', '.join(resources)}]\n  verbs: [{_VERBS}]\n"
        for group, resources in groups.items()
    )


def rights_table() -> str:
    """The same as a table, with what is patched."""
    rows = (
        f"| {kind.facts.api_group or 'core'} | {kind.facts.resource} | {_VERBS} | image and parameters"
        f"{', `spec.updateStrategy`' if kind.facts.is_strategy_written else ''} |\n"
        for kind in WorkloadKind
    )
    return "| API group | resources | verbs | what is patched |\n|---|---|---|---|\n" + "".join(rows)


def kinds_table() -> str:
    """Which kinds there are, what ties their pods to a place, and which pods get a candidate in place."""
    head = "| `kind` | its pods are tied to their place by | InPlace gives the candidate to |\n|---|---|---|\n"
    return head + "".join(
        f"| {kind} | {', '.join(f'`{field}`' for field in kind.facts.tied_by) or 'nothing'} "
        f"| {kind.facts.in_place or 'no pod: it is refused, because only all pods can be updated'} |\n"
        for kind in WorkloadKind
    )
