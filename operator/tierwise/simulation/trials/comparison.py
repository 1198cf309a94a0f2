"""Many simulated rollouts, with and without the drop, judged by Tierwise and by the peers' rules on the same counts."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context

import numpy as np

from tierwise.monitoring.counts.model import Cells
from tierwise.monitoring.planning.tier_plan import TierPlan
from tierwise.monitoring.query.look.memory_limits import block_bytes
from tierwise.simulation.peers.registry import Judged, Peer, peers
from tierwise.simulation.peers.rules import Look, Rule
from tierwise.simulation.peers.series import judged_by_peers, looks_of
from tierwise.simulation.policy import Policy
from tierwise.simulation.streams.counts import Stream
from tierwise.simulation.trials.trial import TierTrial, run_tier

RUNS_AT_ONCE = 10  # runs in one task of a process; fixed, so that results do not depend on the number of processes
_CELLS_AT_ONCE = 1_000_000  # numbers of one chunk of blocks
SAME, WORSE = 0, 1


@dataclass(frozen=True, slots=True)
class Simulation:
    """What to simulate. `runs` rollouts of two equal versions, and as many with the stream's drop if it has one.

    With `to_the_end` every tier is judged until its last look, also after a promotion, and by the peers' rules too.
    Otherwise a rollout ends as it would in the operator.
    """

    policy: Policy
    stream: Stream
    runs: int
    seed: int
    has_drop: bool
    to_the_end: bool = True
    judge_every: int = 30


@dataclass(frozen=True, slots=True)
class Stop:
    """Where a rule stopped a rollout: the tier's number and the look in it, from 1."""

    tier: int
    look: int


@dataclass(frozen=True, slots=True)
class Run:
    """One rollout: the tiers that it reached, and where each peer would have stopped it (absent: never)."""

    tiers: tuple[TierTrial, ...]
    peers: Mapping[str, Stop]


@dataclass(frozen=True, slots=True)
class Simulated:
    """All runs of equal versions, and all runs with the drop (empty without a drop). `peers` are by name."""

    simulation: Simulation
    plans: tuple[TierPlan, ...]
    same: tuple[Run, ...]
    worse: tuple[Run, ...]
    peers: Mapping[str, Peer]


def simulate(
    simulation: Simulation, *, processes: int = 1, on_progress: Callable[[int, int], None] = lambda *_: None
) -> Simulated:
    """Run the simulation. The same simulation gives the same result with any number of processes.

    `on_progress(done, all)` is called with numbers of runs.
    """
    kinds = (SAME, WORSE) if simulation.has_drop else (SAME,)
    tasks = [
        (kind, tuple(range(first, min(first + RUNS_AT_ONCE, simulation.runs))))
        for kind in kinds
        for first in range(0, simulation.runs, RUNS_AT_ONCE)
    ]
    plans = _plans(simulation)
    found: dict[int, list[Run]] = {SAME: [], WORSE: []}
    total = simulation.runs * len(kinds)
    for (kind, _), runs in zip(tasks, _results(simulation, plans, tasks, processes), strict=True):
        found[kind] += runs
        on_progress(sum(map(len, found.values())), total)
    names = {peer.name: peer for peer in _peers(simulation, plans, 0)} if simulation.to_the_end else {}
    return Simulated(simulation, plans.tiers, tuple(found[SAME]), tuple(found[WORSE]), names)


def plans_of(simulation: Simulation) -> tuple[TierPlan, ...]:
    """The plan of every tier, from the stream's own history."""
    policy = simulation.policy
    return tuple(policy.plan(tier, *simulation.stream.history(tier)) for tier in range(len(policy.tiers)))


@dataclass(frozen=True, slots=True, eq=False)
class _Plans:
    """The plan of every tier, and what the peers can judge in it (empty if the peers are not used)."""

    tiers: tuple[TierPlan, ...]
    judged: tuple[Judged, ...]


def _plans(simulation: Simulation) -> _Plans:
    plans = plans_of(simulation)
    if not simulation.to_the_end:
        return _Plans(plans, ())
    histories = (simulation.stream.history(tier)[0] for tier in range(len(plans)))
    return _Plans(plans, tuple(judged_by_peers(*each) for each in zip(plans, histories, strict=True)))


_Task = tuple[int, tuple[int, ...]]


def _results(simulation: Simulation, plans: _Plans, tasks: Sequence[_Task], processes: int) -> Iterator[list[Run]]:
    if processes <= 1 or len(tasks) == 1:
        yield from (_runs(simulation, plans, task) for task in tasks)
        return
    # Spawn processes: a fork of a process with threads of an embedded engine may hang.
    with ProcessPoolExecutor(
        min(processes, len(tasks)), mp_context=get_context("spawn"), initializer=_begin, initargs=(simulation, plans)
    ) as pool:
        try:
            yield from pool.map(_task, tasks)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


_SHARED: list[tuple[Simulation, _Plans]] = []  # data of a worker process; it is sent once and not with every task


def _begin(simulation: Simulation, plans: _Plans) -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends workers at once and without a traceback each
    _SHARED.append((simulation, plans))


def _task(task: _Task) -> list[Run]:
    return _runs(*_SHARED[-1], task)


def _runs(simulation: Simulation, plans: _Plans, task: _Task) -> list[Run]:
    kind, numbers = task
    trials: list[list[TierTrial]] = [[] for _ in numbers]
    stops: list[dict[str, Stop]] = [{} for _ in numbers]
    for tier, plan in enumerate(plans.tiers):
        rules = [(peer.name, peer.begin()) for peer in _peers(simulation, plans, tier)] if simulation.to_the_end else []
        recorded: list[list[Look]] = []
        for i, number in enumerate(numbers):
            if not simulation.to_the_end and trials[i] and not _went_on(trials[i][-1]):
                continue
            blocks = _Blocks(simulation, plan, tier, (simulation.seed, kind, number), worse=kind == WORSE)
            if not any(trial.stopped_at for trial in trials[i]):
                trials[i].append(
                    run_tier(simulation.policy, tier, plan, iter(blocks), to_the_end=simulation.to_the_end)
                )
            if rules:
                recorded.append(list(blocks.looks()))
        for name, rule in rules:
            for i, look in _first_stops(rule, recorded).items():
                stops[i].setdefault(name, Stop(tier, look))
    return [Run(tuple(trial), stop) for trial, stop in zip(trials, stops, strict=True)]


def _went_on(trial: TierTrial) -> bool:
    return trial.promoted_at is not None and trial.stopped_at is None


def _first_stops(rule: Rule, recorded: Sequence[Sequence[Look]]) -> dict[int, int]:
    found: dict[int, int] = {}
    for number, looks in enumerate(zip(*recorded, strict=True), start=1):
        together = Look(
            np.stack([look.counts for look in looks], axis=1),
            np.stack([look.candidate for look in looks]),
            np.stack([look.baseline for look in looks]),
            np.stack([look.recent for look in looks]),
        )
        for run in np.flatnonzero(rule.look(together)).tolist():
            found.setdefault(run, number)
    return found


class _Blocks:
    """The counts of one simulated tier, drawn chunk by chunk and kept for the peers."""

    def __init__(
        self, simulation: Simulation, plan: TierPlan, tier: int, seed: tuple[int, ...], *, worse: bool
    ) -> None:
        self._simulation = simulation
        self._plan = plan
        self._tier = tier
        self._seed = seed
        self._worse = worse
        datasets = simulation.policy.datasets
        cells = sum(size * block_bytes(datasets[name]) // 8 for name, size in simulation.stream.slices().items())
        step = max(1, _CELLS_AT_ONCE // max(cells, 1))
        looks = simulation.stream.looks(tier)
        self._chunks = [range(first, min(first + step, looks)) for first in range(0, looks, step)]

    def __iter__(self) -> Iterator[Mapping[str, Cells]]:
        for chunk in self._chunks:
            cells = self._draw(chunk)
            for i in range(len(chunk)):
                yield {name: found.take_blocks(slice(i, i + 1)) for name, found in cells.items()}

    def looks(self) -> Iterator[Look]:
        """The looks that the peers read: all slices x metrics that are known at the start."""
        return looks_of(self._plan, (self._draw(chunk) for chunk in self._chunks))

    def _draw(self, chunk: range) -> Mapping[str, Cells]:
        return self._simulation.stream.counts(self._seed, self._tier, chunk, worse=self._worse)


def _peers(simulation: Simulation, plans: _Plans, tier: int) -> Sequence[Peer]:
    return peers(
        plans.judged[tier],
        alpha=simulation.policy.alpha,
        looks=simulation.stream.looks(tier),
        judge_every=simulation.judge_every,
    )


def tierwise_stop(run: Run) -> Stop | None:
    """Where Tierwise stopped a run, also if it had promoted the tier before."""
    for tier, trial in enumerate(run.tiers):
        if trial.stopped_at is not None:
            return Stop(tier, trial.stopped_at)
    return None
