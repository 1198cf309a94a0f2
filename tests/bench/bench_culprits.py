"""The shortest list of culprits among 720 overlapping slices: three dimensions of 15 values, alone and in pairs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from itertools import combinations

import numpy as np

from tests.bench.measure import Line, compare
from tests.bench.prediction_log import START, BenchLog
from tierwise.api.modeldeployment import DatasetAnalysis
from tierwise.api.monitoringdataset import Dimension, MonitoringDatasetSpec
from tierwise.api.slices import slice_key
from tierwise.monitoring.counts.model import Block, Cells, Dataset
from tierwise.monitoring.evidence.fold import Evidence, begin, fold
from tierwise.monitoring.planning.tier_plan import TierTerms, plan_tier
from tierwise.monitoring.verdicts.judge import EXACT_INTERVALS, culprits_of, judge
from tierwise.monitoring.verdicts.results import numbers_of, results_of

TITLE = "Root cause"
NAMES, VALUES = ("a", "b", "c"), 15
PAIRS = tuple(combinations(NAMES, 2))
GROUPINGS = (*((name,) for name in NAMES), *PAIRS)
ROWS, USUAL, BAD = 4_000_000, 0.03, 0.2
# Where the candidate is worse: everywhere in one value, or only where two values meet.
CULPRITS = {"a=v3": (3,), "a=v3,b=v5": (3, 5)}


def slices_of(counts: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Keys and counts (slices, 2, 3, 3) of all groupings, from counts (15, 15, 15, 2, 3, 3)."""
    keys, found = [""], [counts.sum(axis=(0, 1, 2))]
    for grouping in GROUPINGS:
        away = tuple(i for i, name in enumerate(NAMES) if name not in grouping)
        summed = counts.sum(axis=away)
        for index in np.ndindex(*(VALUES,) * len(grouping)):
            keys.append(slice_key({name: f"v{i}" for name, i in zip(grouping, index, strict=True)}))
            found.append(summed[index])
    return tuple(keys), np.stack(found)


def block(number: int, bad: tuple[int, ...] | None, rng: np.random.Generator) -> Cells:
    """One minute: right and wrong answers of both arms in every combination of values."""
    n = rng.poisson(ROWS / 2 / VALUES**3 / 20, (VALUES,) * 3 + (2,))
    rate = np.full(n.shape, USUAL)
    if bad is not None:
        rate[(*bad, *(slice(None),) * (3 - len(bad)), 1)] = BAD
    wrong = rng.binomial(n, rate)
    counts = np.zeros((*n.shape, 3, 3), dtype=np.int64)
    counts[..., 0, 0], counts[..., 0, 1] = n - wrong, wrong
    keys, summed = slices_of(counts)
    start = START + number * timedelta(minutes=1)
    return Cells((Block(start, start + timedelta(minutes=1)),), keys, summed[np.newaxis])


def evidence_at_stop(bad: tuple[int, ...]) -> Evidence:
    """Planned on an hour without difference, folded until the decision to roll back."""
    rng = np.random.default_rng(1)
    spec = MonitoringDatasetSpec(table="t", dimensions=[Dimension(name=name, expression=name) for name in NAMES])
    dataset = Dataset("bench", spec, GROUPINGS)
    metric = {"name": "accuracy", "margin": {"absolute": 0.01}}
    analysis = DatasetAnalysis.model_validate({"name": "bench", "metrics": [metric]})
    plan = plan_tier(
        [analysis],
        {"bench": dataset},
        {"bench": block(-1, None, rng)},
        TierTerms(alpha=0.015, expected_share=20, candidate_share=0.5, max_duration_seconds=4 * 3600),
    )
    evidence = begin(plan)
    for number in range(100):
        evidence = fold(evidence, {"bench": block(number, bad, rng)}, np.array([0.5]))
        if evidence.stopped_at is not None:
            return evidence
    raise AssertionError("a slice that is so much worse was not found in 100 minutes")


def run(log: BenchLog, *, quick: bool = False) -> list[Line]:
    """What the naming takes at the stop, within a judgement that has everything else ready for it."""
    del log
    lines = []
    for culprit, bad in CULPRITS.items():
        stopped = evidence_at_stop(bad)
        judged = judge(stopped)
        assert judged.regressed
        assert slice_key(judged.culprits[0].slice) == culprit
        named = sum(result.verdict == "Regressed" for result in judged.results)
        timings = compare({"naming": _naming(stopped), "whole": partial(judge, stopped)}, rounds=3 if quick else 15)
        milliseconds = 1000 * timings["naming"].cpu_seconds
        lines.append(
            Line(
                f"root cause over {len(stopped.slots[0]) - 1} slices, {named} of them named: {culprit}",
                "none (CPU time; the rest of the judgement is ready)",
                f"{milliseconds:.1f} ms of {1000 * timings['whole'].cpu_seconds:.0f} ms",
                milliseconds,
                at_most=20,
                goal=6,
                unit="ms",
            )
        )
    return lines


def _naming(evidence: Evidence) -> Callable[[], object]:
    numbers = numbers_of(evidence, EXACT_INTERVALS)
    results = results_of(evidence, numbers)
    return lambda: culprits_of(evidence, numbers, results)
