"""How the benchmarks measure: rounds of all contestants in turn, the least CPU time of each, and ratios of those.

CPU seconds of the whole process, all threads, not wall time: on a shared machine that measures the neighbours.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """The least of several rounds."""

    cpu_seconds: float
    wall_seconds: float


@dataclass(frozen=True)
class Line:
    """One comparison: what, against which peer, and one figure of it with its goal (None: only told).

    `figure` is in `unit`: `x` a ratio of this run, else milliseconds or mebibytes. `goal` is its number in the table.
    """

    what: str
    peer: str
    seen: str
    figure: float | None = None
    at_most: float | None = None
    at_least: float | None = None
    goal: int | None = None
    unit: str = "x"

    @property
    def wanted(self) -> str:
        """The goal in words; empty without one."""
        if self.at_most is not None:
            return f"≤ {self.at_most:g} {self.unit}".replace(" x", "x")
        return f"≥ {self.at_least:g} {self.unit}".replace(" x", "x") if self.at_least is not None else ""

    @property
    def met(self) -> bool | None:
        """Whether the goal was met; None without one. A figure that is missing or NaN meets none."""
        if self.at_most is not None:
            return self.figure is not None and self.figure <= self.at_most
        if self.at_least is not None:
            return self.figure is not None and self.figure >= self.at_least
        return None

    @property
    def shown(self) -> str:
        """The figure with its unit."""
        if self.figure is None:
            return ""
        digits = 2 if self.figure < 10 else 1 if self.figure < 100 else 0
        return f"{self.figure:,.{digits}f} {self.unit}".replace(" x", "x")


def seconds(value: float) -> str:
    """Seconds, or milliseconds where they read better."""
    return f"{value:,.2f} s" if value >= 1 else f"{1000 * value:,.1f} ms"


def faster(what: str, ours: float, peer: str, theirs: float, *, at_least: float | None = None, goal: int) -> Line:
    """How many times less CPU time we take than a peer; both in CPU seconds."""
    seen = f"{seconds(ours)} against {seconds(theirs)}"
    return Line(what, peer, seen, theirs / ours, at_least=at_least, goal=goal)


def dearer(what: str, ours: float, peer: str, theirs: float, *, at_most: float | None = None, goal: int) -> Line:
    """How many times the CPU time of a floor we take; both in CPU seconds."""
    seen = f"{seconds(ours)} against {seconds(theirs)}"
    return Line(what, peer, seen, ours / theirs, at_most=at_most, goal=goal)


def cpu_seconds() -> float:
    """CPU time of this process so far, user and system, all threads."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def compare(contestants: Mapping[str, Callable[[], object]], *, rounds: int) -> dict[str, Timing]:
    """Run every contestant once per round, in turn; the least of each."""
    best: dict[str, Timing] = {}
    for _ in range(rounds):
        for name, run in contestants.items():
            cpu, wall = cpu_seconds(), time.perf_counter()
            run()
            cpu, wall = cpu_seconds() - cpu, time.perf_counter() - wall
            known = best.get(name, Timing(cpu, wall))
            best[name] = Timing(min(known.cpu_seconds, cpu), min(known.wall_seconds, wall))
    return best
