"""The demo's traffic folded by the real judge, without cluster or database: counts by brute force over the rows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.resources import files

import numpy as np
import yaml

from tierwise.api.common import duration_seconds
from tierwise.api.modeldeployment import ModelDeploymentSpec
from tierwise.api.monitoringdataset import MonitoringDatasetSpec
from tierwise.api.slices import slice_key
from tierwise.demo.models import THRESHOLD, ScoredFlights, scored_flights
from tierwise.demo.replay import FlightTraffic
from tierwise.monitoring.counts.model import Block, Cells, Dataset
from tierwise.monitoring.evidence.fold import begin, fold
from tierwise.monitoring.planning.dispersion import Spread
from tierwise.monitoring.planning.tier_plan import TierTerms, alpha_of_tier, groupings_of, plan_tier
from tierwise.monitoring.verdicts.judge import judge
from tierwise.monitoring.verdicts.judgement import Judgement
from tierwise.runtime.predictions import Predictions, ServingPod

T0 = datetime(2026, 1, 1, tzinfo=UTC)
HISTORY_SECONDS = 10


@dataclass(frozen=True)
class Outcome:
    """Seconds of judged traffic until the tier was decided (None: never within maxDuration), and the judgement then."""

    regressed: bool
    promoted: bool
    seconds: int
    judgement: Judgement


@cache
def flights() -> ScoredFlights:
    return scored_flights()


def manifest(name: str) -> dict:
    return yaml.safe_load(files("tierwise.demo").joinpath("manifests", name).read_text())


# The demo's pods serve the same requests: the day before says that they do not differ.
ALIKE = Spread(("",), np.ones((1, 1)), np.zeros(1), 1.0, 4, np.full(1, 9), np.zeros((1, 1)))


def judge_tier(
    candidate: str, *, tier: str = "tier-3", start_second: int, seed: int = 0, baseline: str = "v1"
) -> Outcome:
    """Judge second by second, as the operator does with `interval: 1s`; for at most two minutes."""
    spec = ModelDeploymentSpec.model_validate(manifest("model-v2.yaml")["spec"])
    dataset_spec = MonitoringDatasetSpec.model_validate(manifest("dataset.yaml")["spec"])
    analysis = spec.analysis.datasets[0]
    dataset = Dataset(analysis.name, dataset_spec, groupings_of(analysis, dataset_spec))
    longest = duration_seconds(spec.tiers[0].max_duration)
    traffic = FlightTraffic(flights(), seed=seed)
    one_arm = [ServingPod(f"b{i}", tier, baseline) for i in range(4)]
    both = one_arm + [ServingPod(f"c{i}", tier, candidate) for i in range(4)]
    history = merged(
        [second(traffic, start_second - n, one_arm, dataset, candidate) for n in range(HISTORY_SECONDS, 0, -1)]
    )
    plan = plan_tier(
        spec.analysis.datasets,
        {dataset.name: dataset},
        {dataset.name: history},
        TierTerms(
            alpha=alpha_of_tier(spec.analysis.false_rollback_rate, len(spec.tiers)),
            expected_share=longest / HISTORY_SECONDS,
            candidate_share=0.5,
            max_duration_seconds=longest,
        ),
        {dataset.name: ALIKE},
    )
    evidence = begin(plan)
    soak = duration_seconds(spec.tiers[0].min_duration)
    for n in range(120):
        cells = second(traffic, start_second + n, both, dataset, candidate)
        evidence = fold(evidence, {dataset.name: cells}, np.array([0.5]))
        if evidence.stopped_at is None and n + 1 < soak:
            continue  # nothing is decided yet
        judgement = judge(evidence)
        if judgement.regressed or judgement.non_inferior:
            return Outcome(judgement.regressed, not judgement.regressed, n + 1, judgement)
    return Outcome(False, False, 120, judgement)


def second(traffic: FlightTraffic, number: int, pods: list[ServingPod], dataset: Dataset, candidate: str) -> Cells:
    rows = traffic.serve(number, pods, 1.0)
    block = Block(T0 + timedelta(seconds=number), T0 + timedelta(seconds=number + 1))
    return count(rows, dataset, candidate, block)


def count(rows: Predictions, dataset: Dataset, candidate: str, block: Block) -> Cells:
    version = np.array([p.version for p in rows.pods])[rows.pod]
    arm = (version == candidate).astype(int)
    label = np.where(rows.label < 0, 2, rows.label)
    answer = (rows.score >= THRESHOLD).astype(int)
    found = {"": np.ones(len(rows), dtype=bool)}
    for grouping in dataset.groupings:
        (name,) = grouping  # the demo slices by single dimensions
        for value in np.unique(rows.dimensions[name]):
            found[slice_key({name: str(value)})] = rows.dimensions[name] == value
    counts = np.zeros((1, len(found), 2, 3, 3), dtype=np.int64)
    for index, where in enumerate(found.values()):
        np.add.at(counts[0, index], (arm[where], label[where], answer[where]), 1)
    return Cells((block,), tuple(found), counts)


def merged(parts: list[Cells]) -> Cells:
    keys = ["", *sorted({k for p in parts for k in p.slices if k})]
    counts = np.zeros((len(parts), len(keys), 2, 3, 3), dtype=np.int64)
    for i, part in enumerate(parts):
        for key, cells in zip(part.slices, part.counts[0], strict=True):
            counts[i, keys.index(key)] = cells
    return Cells(tuple(p.blocks[0] for p in parts), tuple(keys), counts)
