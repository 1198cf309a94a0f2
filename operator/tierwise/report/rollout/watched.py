"""The verification of delivered tiers, as the report and `explain` show it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tierwise.api.modelrollout import ModelRolloutSpec, Verification
from tierwise.report.charts import Row, Segment, Timeline, ticks_of
from tierwise.report.rollout.members import Tone
from tierwise.report.text import duration_text
from tierwise.report.verdict_rows import VerdictRow, by_evidence, of_verdict, rows_of
from tierwise.rollout.delivery.verification import against
from tierwise.rollout.state.observation import RolloutView

STAGE = {"BesideOtherTiers": "beside the tiers to come", "AfterRollout": "after promotion"}
TONE: dict[str, Tone] = {
    "Verifying": "going",
    "NoRegression": "good",
    "Regressed": "bad",
    "NotVerified": "waiting",
    "Superseded": "quiet",
}


@dataclass(frozen=True, slots=True)
class Watched:
    """The verification of one rollout. `anchor` is its place in the page; `facts` are names and values."""

    anchor: str
    title: str
    tone: Tone
    result: str
    message: str
    facts: tuple[tuple[str, str], ...]
    not_watched: tuple[str, ...]
    timeline: Timeline
    rows: tuple[VerdictRow, ...]


def watched_of(rollout: RolloutView, now: datetime) -> Watched | None:
    """The verification of a rollout; None if its delivered tiers are, or were, not watched."""
    record = rollout.status.verification
    if record is None:
        return None
    return Watched(
        anchor=f"verification-{rollout.spec.revision}",
        title=f"Verification {STAGE[record.stage]}",
        tone=TONE[record.verdict],
        result=record.verdict,
        message=record.message,
        facts=(
            ("Compared with", compared_with(record)),
            ("α", f"{record.alpha:g} of {rollout.spec.strategy.analysis.false_rollback_rate:g}"),
            ("Watched", ", ".join(record.watched) or "–"),
            ("Looks", str(record.looks)),
            ("Rows until", "–" if record.evidence_until is None else _moment(record.evidence_until)),
        ),
        not_watched=tuple(record.not_watched),
        timeline=_timeline(record, now),
        rows=_rows(record, rollout.spec),
    )


def compared_with(record: Verification) -> str:
    """The control of a verification, by name and in words."""
    return "nothing yet" if record.control is None else f"{against(record)} ({record.control})"


def _rows(record: Verification, spec: ModelRolloutSpec) -> tuple[VerdictRow, ...]:
    return rows_of([of_verdict(found, spec) for found in by_evidence(record.worst)])


def _timeline(record: Verification, now: datetime) -> Timeline:
    """The timeline of a verification. A stage without a fixed end continues until now."""
    over = record.finished_at or now
    end = max(record.until or over, record.since + timedelta(seconds=1))
    span = (end - record.since).total_seconds()
    seen = ((record.evidence_until or record.since) - record.since).total_seconds()
    kind = "rollback" if record.verdict == "Regressed" else "verify"
    segments = [Segment("verify", 0.0, round(min(100.0, seen / span * 100), 3), f"rows of {duration_text(seen)}")]
    if kind == "rollback":
        segments.append(Segment(kind, round(min(100.0, seen / span * 100), 3), 0.4, f"found at {_moment(over)}"))
    row = Row(_moment(record.since), record.stage, tuple(segments))
    return Timeline((row,), ticks_of(span))


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
