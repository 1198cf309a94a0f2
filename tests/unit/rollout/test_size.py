from datetime import UTC, datetime

import numpy as np

from tests.unit.monitoring.builders import T0, before_the_rollout, some_blocks
from tests.unit.monitoring.engines import SPEC_OF_SCORES, a_dataset_of, an_analysis
from tierwise.api.modelrollout import ModelRolloutStatus, PodsChange, SliceVerdict, TierStatus
from tierwise.api.names import Verdict
from tierwise.monitoring.counts.model import Cells
from tierwise.monitoring.planning.dispersion import Spread
from tierwise.monitoring.planning.snapshot import freeze
from tierwise.monitoring.planning.tier_plan import TierTerms, plan_tier
from tierwise.rollout.record.size import MOST_BYTES, fitted, size_of
from tierwise.runtime.reading.history import PLAN_BYTES, bounded, smallest_that_fits

NOW = datetime(2026, 1, 1, tzinfo=UTC)
METRICS = (
    "accuracy",
    "balanced-accuracy",
    "error-rate",
    "f1",
    "false-negative-rate",
    "false-positive-rate",
    "npv",
    "positive-rate",
    "precision",
    "recall",
    "specificity",
    "auc",
    "average-precision",
    "ks",
    "brier",
    "score-shift",
)


def a_verdict(**values):
    given = {"dataset": "d" * 200, "metric": "false-positive-rate", "verdict": Verdict.REGRESSED, "candidate_n": 10**9}
    return SliceVerdict(baseline_n=10**9, slice={n * 63: "ü" * 128 for n in "abc"}, **given, **values)


def the_largest_plan():
    """As many metrics as a dataset may have, thousands of slices, and φ that differs in each of them."""
    keys = ("", *(f"carrier=carrier number {i:05d}" for i in range(4000)))
    counts = np.zeros((2, len(keys), 2, 3, 3), dtype=np.int64)
    counts[:, :, 0, :2, :2] = np.random.default_rng(1).integers(10, 99, (2, len(keys), 2, 2))
    cells = before_the_rollout(Cells(some_blocks(2), keys, counts))
    analysis = an_analysis(metrics=METRICS)
    dataset = a_dataset_of(analysis, SPEC_OF_SCORES)
    phi = np.random.default_rng(2).uniform(1, 99, (len(METRICS), len(keys)))
    spread = Spread(keys, phi, np.full(len(METRICS), 0.123), 7.77, 99, np.full(len(METRICS), 98), phi)

    def planned(kept):
        plan = plan_tier(
            [analysis],
            {"flights": dataset},
            kept,
            TierTerms(alpha=0.015, expected_share=20.0, candidate_share=0.5, max_duration_seconds=3600),
            spread={"flights": spread},
        )
        return freeze(plan, T0)

    return smallest_that_fits({"flights": bounded(cells, len(METRICS), 24_000)}, {"flights": len(METRICS)}, planned)


def test_the_largest_plan_fits_and_keeps_the_whole_first():
    frozen = the_largest_plan()
    assert PLAN_BYTES / 2 < len(frozen.model_dump_json(by_alias=True, exclude_none=True).encode()) <= PLAN_BYTES
    assert frozen.datasets[0].slices[0] == ""
    assert len(frozen.datasets[0].slices) > 20


def test_a_status_with_the_largest_plan_and_verdicts_in_every_tier_fits():
    told = [a_verdict(difference=-0.123456, interval=[-0.2, 0.1], log10_e=12.345678)] * 10
    over = [TierStatus(name=f"tier-{i}", phase="Delivered", worst=told, culprits=told) for i in range(9)]
    pods = [PodsChange(at=NOW, candidate=100, baseline=400, until=NOW)] * 240
    last = TierStatus(
        name="tier-9", phase="Judging", frozen=the_largest_plan(), worst=told, culprits=told, pods_changes=pods
    )
    status = ModelRolloutStatus(tiers=[*over, last])
    assert size_of(status) > 2 * MOST_BYTES
    small = fitted(status)
    assert size_of(small) < MOST_BYTES
    assert small.tiers[9].frozen == last.frozen
    assert small.tiers[9].pods_changes == last.pods_changes
    assert small.tiers[9].culprits
    assert fitted(small) == small  # or every tick would write


def test_a_status_that_fits_is_not_touched():
    status = ModelRolloutStatus(tiers=[TierStatus(name="tier-1", phase="Judging", worst=[a_verdict()] * 10)])
    assert fitted(status) is status
