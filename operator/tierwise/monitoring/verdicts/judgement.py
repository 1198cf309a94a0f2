"""The outcome of all looks so far, as the gate and people read it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from tierwise.api.common import Margin
from tierwise.api.names import Verdict
from tierwise.monitoring.checks.concern import Concern


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """The counts of one arm: a proportion has `bad` errors of `n` rows, an estimate `n` observations and no `bad`."""

    n: int
    bad: int | None = None

    @property
    def value(self) -> float | None:
        """The rate of `bad`; None without observations and for an estimate."""
        return self.bad / self.n if self.n and self.bad is not None else None


@dataclass(frozen=True, slots=True)
class Result:
    """The result of one slice and metric. A value that cannot be computed is None, never NaN."""

    dataset: str
    metric: str
    slice: Mapping[str, str]
    verdict: Verdict
    candidate: ArmCounts
    baseline: ArmCounts
    candidate_value: float | None  # in the metric's own direction (recall, not its misses)
    baseline_value: float | None
    difference: float | None  # candidate − baseline, in the metric's own direction
    interval: tuple[float, float] | None  # time-uniform, in the metric's own direction
    margin: Margin
    tolerance: Margin
    log10_e: float | None  # evidence for a regression
    log10_e_non_inferior: float | None
    log10_e_improved: float | None
    powered: bool
    alpha: float
    traffic: float | None  # share of the scope's rows
    labels_needed: int | None = None
    smallest_detectable: float | None = None
    test: str = "block-betting"
    control: str = "concurrent"
    phi: float = 1.0
    sigma_pod: float = 0.0
    flagged: bool = False  # Holm on p = 1/sup E: named as regressed, once and for all
    psi: float | None = None  # of a shift, without its chance part: for reports, it decides nothing


@dataclass(frozen=True, slots=True)
class ControlTrouble:
    """The control itself is worse than its own past, which `past` describes in words.

    In `result` the candidate's numbers are the control's now, the baseline's those of the past. `is_sure`: the past has
    enough days to tell it from a day that is not like another; else it is noted, and nothing is held.
    """

    since: datetime
    result: Result
    past: str
    is_sure: bool = True


@dataclass(frozen=True, slots=True)
class Judgement:
    """All results of a tier (or of `analyze`), worst evidence first, and the facts for the gate.

    `regressed`: max w·E ≥ K/α_tier at some look; once true it stays true. `culprits` are named (Holm) and reduced to a
    short list. `non_inferior`: nothing regressed, and the whole and every powered slice x metric are non-inferior.
    """

    results: tuple[Result, ...]
    culprits: tuple[Result, ...]
    regressed: bool
    non_inferior: bool
    blocks: int
    until: datetime | None  # end of the last folded block
    stopped_at: datetime | None  # end of the block at which `regressed` became true
    hypotheses: int  # K
    alpha: float
    rows: tuple[int, int]  # baseline, candidate predictions
    labels: tuple[int, int]  # of these, labelled
    coverage_traffic: float | None
    coverage_whole: float | None = None  # 1 where the whole is powered: all traffic is judged as one
    concerns: tuple[Concern, ...] = ()  # what may not be trusted; the gate decides what follows
    out_of_domain: tuple[float | None, float | None] = (None, None)  # share of invalid scores: baseline, candidate
    valid: str = ""  # the name of that dataset, and which answers are valid
    seconds_to_decision: float | None = None  # expected, at the log's own rate
    notes: tuple[str, ...] = field(default=())
    gone: Literal["baseline", "candidate"] | None = None  # the arm that no longer has rows
    control_trouble: ControlTrouble | None = None  # an external cause, unless the candidate regressed too
    suspects: tuple[Result, ...] = ()  # worse than their margin as far as was seen, most evidence first
