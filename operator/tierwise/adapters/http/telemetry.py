"""Metrics in Prometheus' text format: few, with labels whose values are bounded."""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from typing import get_args

from tierwise.api.modelrollout import RolloutResult

BUCKETS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
OUTCOMES = ("ok", "conflict", "error")
RESULTS: tuple[str, ...] = get_args(RolloutResult)


class Telemetry:
    """Counts of one operator process. Safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._ticks: Counter[str] = Counter()
        self._buckets = [0] * (len(BUCKETS) + 1)
        self._seconds = 0.0
        self._rollouts: dict[str, str] = {}
        self.gauges: Mapping[str, tuple[str, Callable[[], float]]] = {}  # name → (help, value now)

    def tick_ended(self, outcome: str, seconds: float) -> None:
        """Count one tick of one object."""
        with self._lock:
            self._ticks[outcome] += 1
            self._buckets[bisect_left(BUCKETS, seconds)] += 1
            self._seconds += seconds

    def rollout_seen(self, uid: str, result: str | None) -> None:
        """Note the present result of a ModelRollout; None means that it no longer exists."""
        with self._lock:
            if result is None:
                self._rollouts.pop(uid, None)
            else:
                self._rollouts[uid] = result if result in RESULTS else "Progressing"

    def exposition(self) -> str:
        """All metrics as text."""
        with self._lock:
            ticks, buckets, seconds = dict(self._ticks), list(self._buckets), self._seconds
            rollouts = Counter(self._rollouts.values())
        lines = ["# HELP tierwise_ticks_total Ticks by outcome.", "# TYPE tierwise_ticks_total counter"]
        lines += [f'tierwise_ticks_total{{outcome="{outcome}"}} {ticks.get(outcome, 0)}' for outcome in OUTCOMES]
        lines += ["# HELP tierwise_tick_seconds How long a tick took.", "# TYPE tierwise_tick_seconds histogram"]
        for index, edge in enumerate((*BUCKETS, "+Inf")):
            lines.append(f'tierwise_tick_seconds_bucket{{le="{edge}"}} {sum(buckets[: index + 1])}')
        lines += [f"tierwise_tick_seconds_sum {seconds:.6f}", f"tierwise_tick_seconds_count {sum(buckets)}"]
        lines += ["# HELP tierwise_rollouts ModelRollouts by result.", "# TYPE tierwise_rollouts gauge"]
        lines += [f'tierwise_rollouts{{result="{result}"}} {rollouts.get(result, 0)}' for result in RESULTS]
        for name, (text, value) in self.gauges.items():
            lines += [f"# HELP {name} {text}", f"# TYPE {name} gauge", f"{name} {value():g}"]
        return "\n".join(lines) + "\n"
