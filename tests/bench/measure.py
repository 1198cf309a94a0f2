"""How the benchmarks measure: rounds of all contestants in turn, the least CPU time of each, and ratios of those.

CPU seconds of the whole process, not wall time: on a shared machine the wall clock measures the neighbours.
"""

from __future__ import annotations

import resource
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Timing:
    """The least of several rounds."""

    cpu_seconds: float
    wall_seconds: float


@dataclass(frozen=True)
class Line:
    """One line of a table: a ratio with its goal ('≤ 4' or '≥ 300'; None: only told)."""

    what: str
    figure: str
    ratio: float | None = None
    at_most: float | None = None
    at_least: float | None = None

    @property
    def verdict(self) -> str:
        if self.ratio is None or (self.at_most is None and self.at_least is None):
            return ""
        good = self.ratio <= self.at_most if self.at_most is not None else self.ratio >= (self.at_least or 0)
        goal = f"goal ≤ {self.at_most:g}" if self.at_most is not None else f"goal ≥ {self.at_least:g}"
        return f"{goal}: {'met' if good else 'MISSED'}"


def show(title: str, lines: list[Line]) -> None:
    """Print a table."""
    print(f"\n{title}")
    for line in lines:
        ratio = "" if line.ratio is None else f"{line.ratio:10.2f}x"
        print(f"  {line.what:<58} {line.figure:>16} {ratio:>12}  {line.verdict}")


def cpu_seconds() -> float:
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


def resident_bytes() -> int:
    """Memory of this process that is resident now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def peak_above(baseline: int, run: Callable[[], object]) -> int:
    """The most resident memory above `baseline` while `run` runs, sampled every 2 ms."""
    peak, done = resident_bytes(), threading.Event()

    def sample() -> None:
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, resident_bytes())

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        run()
    finally:
        done.set()
        sampler.join()
    return max(peak, resident_bytes()) - baseline
