"""One workload's part of both arms of a tier."""

from __future__ import annotations

from dataclasses import dataclass

from tierwise.api.modelrollout import WorkloadStatus
from tierwise.rollout.state.actions import Action


@dataclass(frozen=True, slots=True)
class Share:
    """What one workload adds to the arms now. Messages are None when there is nothing to say."""

    candidate_ready: int
    candidate_wanted: int
    baseline_ready: int
    baseline_wanted: int
    is_settled: bool  # its pods of both arms are there, ready, and run what they should
    actions: tuple[Action, ...] = ()
    is_template_changed: bool = False  # its twin has to follow an edit, and the block is cut
    blocked: str | None = None
    baseline_unready: str | None = None
    is_control_short: bool = False  # an untouched pod is away, for which the candidate's may have to wait
    crash_looping: str | None = None
    foreign_twin: str | None = None
    drifted: str | None = None  # the control no longer runs `from`
    edited: str | None = None  # an edit that only one of the arms would get
    exceeded: str | None = None  # more pods have the candidate than it should, and none can be taken back
    unprobed: str | None = None  # too few pods to give the candidate one of them
    record: WorkloadStatus | None = None  # where it has to change
    foreign: str | None = None  # a first write by others, to be recorded before it is undone
    conflict: str | None = None  # repeated writes by others
