"""Checks that both versions are in the log. A version without rows cannot be compared. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from tierwise.api.reasons import Reason
from tierwise.monitoring.checks.concern import Concern


@dataclass(frozen=True, slots=True)
class Place:
    """The place where rows are expected: the versions' names, and the remedies for missing rows.

    `prefix` begins every message. `stopped` is the remedy for a version that no longer has new rows.
    """

    baseline: str
    candidate: str
    prefix: str = ""
    none: str = "check columns"
    one: str = "check how pods name it"
    stopped: str = "check that its pods log"


def detect_missing_arms(
    rows: tuple[int, int], gone: Literal["baseline", "candidate"] | None, place: Place
) -> tuple[Concern, ...]:
    """The concern if an arm has no rows, or no longer has new rows.

    Args:
        rows: Rows so far, baseline and candidate.
        gone: The arm that had rows and has stopped.
        place: Names and remedies.
    """
    baseline, candidate = rows
    of, to = place.baseline, place.candidate
    if not baseline and not candidate:
        return (Concern(Reason.NO_ROWS, f"{place.prefix}no predictions of {of} or {to}; {place.none}"),)
    if not baseline:
        text = f"{place.prefix}no predictions of {of} beside {candidate} of {to}; {place.one}"
        return (Concern(Reason.BASELINE_MISSING, text),)
    if not candidate:
        text = f"{place.prefix}no predictions of {to} beside {baseline} of {of}; {place.one}"
        return (Concern(Reason.CANDIDATE_MISSING, text),)
    if gone is None:
        return ()
    is_candidate = gone == "candidate"
    text = f"{to if is_candidate else of} has stopped: no more predictions of it beside those of the other"
    reason = Reason.CANDIDATE_MISSING if is_candidate else Reason.BASELINE_MISSING
    return (Concern(reason, f"{place.prefix}{text}; {place.stopped}"),)
