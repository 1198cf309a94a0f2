"""The gate's table and the page of reasons, made from the code that decides. Pure: text out."""

from __future__ import annotations

from tierwise.api.reasons import Reason
from tierwise.rollout.gate import TABLE

_SCOPES = {
    "gate": "The gate of a tier",
    "rollout": "A rollout's progress",
    "deployment": "The ModelDeployment",
    "dataset": "The MonitoringDataset, and what an analysis asks of it",
    "program": "The operator and the command line",
}
_SEVERITIES = {"info": "progress", "warning": "waits, goes on by itself", "critical": "needs a person, or was undone"}


def gate_table() -> str:
    """The rows of the gate in their order, as Markdown."""
    rows = [f"| {row.cause} | {row.decision} | {row.reason} |\n" for row in TABLE]
    return "| cause | the gate says | reason |\n|---|---|---|\n" + "".join(rows)


def reasons_reference() -> str:
    """docs/reference/reasons.md: every reason, what it means and what a person does."""
    text = (
        "# Reasons\n\n"
        "<!-- generated from tierwise/api/reasons.py: run `make generated` -->\n\n"
        "Conditions, gates, Events and `tierwise explain` carry one of these reasons, with a message that has\n"
        "the numbers. Where several hold a tier at once, the first of this page is shown. *No evidence* says\n"
        "that what was read cannot be judged: the condition `AnalysisHealthy` is then False.\n"
    )
    for scope, title in _SCOPES.items():
        text += f"\n## {title}\n\n| reason | what happened | what it is | what to do |\n|---|---|---|---|\n"
        for reason in Reason:
            facts = reason.facts
            if facts.scope == scope:
                kind = _SEVERITIES[facts.severity] + (", *no evidence*" if facts.untrusted else "")
                text += f"| `{reason}` | {facts.meaning} | {kind} | {facts.remedy or 'Nothing.'} |\n"
    return text
